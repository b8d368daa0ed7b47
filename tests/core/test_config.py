"""Configuration: strict keys, strict types, overrides, and a fingerprint of the meaning alone."""

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from sentire.core.config import config, dump_config, fingerprint, parse_config, read_config
from sentire.core.errors import ConfigError


@config
class Features:
    max_features: Annotated[int, Field(gt=0)] = 10_000
    ngrams: tuple[int, int] = (1, 2)
    is_sublinear: bool = True


@config
class Grid:
    c: tuple[float, ...] = (0.1, 1.0)


@config
class Job:
    name: str
    seed: Annotated[int, Field(ge=0)] = 7
    rate: Annotated[float, Field(gt=0, le=1)] = 0.5
    method: Literal["linear", "bayes"] = "linear"
    folder: Path = Path("out")
    note: str | None = None
    features: Features = Field(default_factory=Features)
    grids: tuple[Grid, ...] = ()
    by_name: dict[str, Grid] = Field(default_factory=dict)
    one_or_more: tuple[Annotated[float, Field(gt=0)], ...] | Annotated[float, Field(gt=0)] = 1.0
    extra: Grid | Features | None = None


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "job.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_whole_file(tmp_path):
    path = write(
        tmp_path,
        """
        name = "a"
        rate = 1            # a whole number where a fraction may stand
        folder = "runs/a"
        [features]
        ngrams = [1, 3]
        [[grids]]
        c = [1, 2.5]
        [by_name.small]
        c = []
        """,
    )
    job = read_config(Job, path)
    assert job == Job(
        name="a",
        rate=1.0,
        folder=Path("runs/a"),
        features=Features(ngrams=(1, 3)),
        grids=(Grid(c=(1.0, 2.5)),),
        by_name={"small": Grid(c=())},
    )
    assert isinstance(job.rate, float)
    assert isinstance(job.folder, Path)


def test_settings_are_frozen_and_named():
    job = Job(name="a")
    with pytest.raises(FrozenInstanceError):
        job.seed = 3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="name"):
        Job("a")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"name": "a", "sed": 1},
            r"one of the keys name, seed, .*got the unknown key 'sed' at sed in x\.toml; did you mean \"seed\"",
        ),
        (
            {"name": "a", "features": {"max_feature": 1}},
            r"keys max_features, .* 'max_feature' at features\.max_feature in x\.toml; did you mean \"max_features\"",
        ),
        ({"name": "a", "grids": [{}, {"k": 1}]}, r"keys c, got the unknown key 'k' at grids\.1\.k in x\.toml"),
        ({"name": "a", "by_name": {"s": {"k": 1}}}, r"keys c, got the unknown key 'k' at by_name\.s\.k in x\.toml"),
        ({}, r"a value, got none at name in x\.toml; add the key"),
        ({"name": "a", "seed": -1}, r"greater than or equal to 0, got -1 at seed in x\.toml"),
        ({"name": "a", "rate": 1.5}, r"less than or equal to 1, got 1\.5 at rate"),
        ({"name": "a", "features": {"max_features": 0}}, r"greater than 0, got 0 at features\.max_features"),
        ({"name": "a", "method": "linaer"}, r"'linear' or 'bayes', got 'linaer' at method"),
        ({"name": "a", "features": 3}, r"an object, got 3 at features"),
        ({"name": "a", "features": {"ngrams": [1]}}, r"features\.ngrams"),
    ],
)
def test_wrong_tables_name_the_key_and_the_file(table, message):
    with pytest.raises(ConfigError, match=message):
        parse_config(Job, table, where="x.toml")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("inf"), "expected a finite number, got inf at one_or_more in x.toml"),
        (-1, "expected greater than 0, got -1 at one_or_more in x.toml"),
        ([0.1, -1], "expected greater than 0, got -1 at one_or_more.1 in x.toml"),
        ([0.1, "x"], "expected a valid number, got 'x' at one_or_more.1 in x.toml"),
        ("x", "expected a list or a valid number, got 'x' at one_or_more in x.toml"),
    ],
)
def test_a_value_of_several_types_is_explained_by_the_nearest(value, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(Job, {"name": "a", "one_or_more": value}, where="x.toml")
    assert str(caught.value) == message


def test_no_part_of_a_key_names_a_type():
    with pytest.raises(ConfigError, match=r" at extra\.ngrams\.0$"):
        parse_config(Job, {"name": "a", "extra": {"ngrams": ["x", 1]}})
    with pytest.raises(ConfigError, match=r" at by_name\.s\.c\.0$"):
        parse_config(Job, {"name": "a", "by_name": {"s": {"c": ["x"]}}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "3"),
        ("seed", True),
        ("seed", 3.0),
        ("seed", None),
        ("seed", [3]),
        ("name", 3),
        ("name", None),
        ("rate", "0.5"),
        ("rate", False),
        ("rate", float("nan")),
        ("rate", float("inf")),
        ("features", {"is_sublinear": 1}),
        ("features", {"is_sublinear": "yes"}),
        ("features", {"ngrams": [1, "2"]}),
        ("grids", {"c": [1]}),
    ],
)
def test_values_are_not_bent_into_the_declared_type(key, value):
    with pytest.raises(ConfigError, match=f" at {key}"):
        parse_config(Job, {"name": "a", key: value})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = \nseed = 1", r"valid TOML, got .*line 1"),
        (b"name = 'a'\nname = 'b'\n", "valid TOML, got .*line 2"),
        (b"name = '\xff'", r"a readable TOML file, got bytes that are not UTF-8 \(byte 8\)"),
        (b"a = " + b"[" * 100_000, "valid TOML, got"),
        (b"", "a value, got none at name"),
    ],
)
def test_unreadable_files(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        read_config(Job, write(tmp_path, content))
    assert "job.toml" in str(caught.value)


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(ConfigError, match=r"readable TOML file, got No such file or directory at .*none\.toml"):
        read_config(Job, tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="readable TOML file, got Is a directory"):
        read_config(Job, tmp_path)


def test_a_byte_order_mark_is_no_text(tmp_path):
    assert read_config(Job, write(tmp_path, b"\xef\xbb\xbfname = 'a'")).name == "a"


def test_overrides_win_over_the_file(tmp_path):
    path = write(tmp_path, "name = 'a'\nseed = 1\n[features]\nmax_features = 5\n")
    job = read_config(
        Job,
        path,
        [
            "seed=2",
            "seed = 3",
            "name=plain text = with # signs",
            "features.ngrams=[2, 2]",
            "by_name.x.c=[1.5]",
            "note=",
        ],
    )
    assert job == Job(
        name="plain text = with # signs",
        seed=3,
        features=Features(max_features=5, ngrams=(2, 2)),
        by_name={"x": Grid(c=(1.5,))},
        note="",
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "section.key=value, got 'seed' at --set"),
        ("=3", "section.key=value, got '=3' at --set"),
        ("seed.deep=3", r"a section, got a value at --set seed\.deep"),
        ("seed=three", "a valid integer, got 'three' at seed"),
        ("sede=3", "unknown key 'sede'.*did you mean \"seed\""),
        ("features.is_sublinar=true", r"at features\.is_sublinar.*did you mean \"is_sublinear\""),
        ("features=3", "got 3 at features"),
        ("seed=" + "[" * 10_000, "a valid integer"),
    ],
)
def test_wrong_overrides(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        read_config(Job, write(tmp_path, "name = 'a'\nseed = 1\n"), [override])


def test_the_fingerprint_is_of_the_meaning(tmp_path):
    first = read_config(Job, write(tmp_path, "name = 'a'\nseed = 3\nrate = 1.0\n[features]\nngrams = [1, 2]\n"))
    second = read_config(Job, write(tmp_path, "rate = 1\nseed = 3  # the same\nname = 'a'\n"))
    assert fingerprint(first) == fingerprint(second) == fingerprint(Job(name="a", seed=3, rate=1.0))
    assert len(fingerprint(first)) == 16


def test_every_setting_counts_in_the_fingerprint():
    jobs = [
        Job(name="a"),
        Job(name="b"),
        Job(name="a", seed=8),
        Job(name="a", rate=0.25),
        Job(name="a", method="bayes"),
        Job(name="a", folder=Path("other")),
        Job(name="a", note=""),
        Job(name="a", features=Features(is_sublinear=False)),
        Job(name="a", grids=(Grid(),)),
        Job(name="a", by_name={"x": Grid()}),
    ]
    assert len({fingerprint(job) for job in jobs}) == len(jobs)


@given(
    name=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    seed=st.integers(0, 2**53),
    rate=st.floats(1e-9, 1),
    c=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
)
def test_what_is_dumped_is_read_again(name, seed, rate, c):
    job = Job(name=name, seed=seed, rate=rate, grids=(Grid(c=tuple(c)),))
    again = parse_config(Job, dump_config(job))
    assert again == job
    assert fingerprint(again) == fingerprint(job)
    assert list(dump_config(job)) == [
        "name", "seed", "rate", "method", "folder", "note", "features", "grids", "by_name", "one_or_more", "extra"
    ]  # fmt: skip


def test_a_number_of_too_many_digits_is_a_config_error(tmp_path):
    path = tmp_path / "big.toml"
    path.write_text(f"n = {'9' * 5000}\n")
    with pytest.raises(ConfigError, match=r"expected valid TOML, got Exceeds the limit .* at .*big\.toml"):
        read_config(Job, path)
