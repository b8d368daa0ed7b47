"""Rounds, sources and export: what is made for which label, when it ends, and that a second run makes the same."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

pytest.importorskip("rensa")
pytest.importorskip("httpx2")

from sentire.augmentation.config import AugmentationConfig, check_augmentation
from sentire.augmentation.export import export_augmentation
from sentire.augmentation.rounds import augment
from sentire.augmentation.rules import Rules
from sentire.augmentation.run import run_augmentation
from sentire.augmentation.templates import TemplateSource
from sentire.classifiers.labelled import read_labelled
from sentire.core.config import parse_config
from sentire.core.errors import BudgetError, ConfigError, DataError, LabelError
from sentire.data.registry import load_dataset
from sentire.llm.caller import StoppedError
from sentire.storage.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = "harbour kitchen ladder violin orchard platform notebook chimney tunnel bakery attic ferry".split()  # noqa: SIM905


def make_row(identity: str, text: str, label: str) -> dict:
    return {"id": identity, "text": text, "labels": [label]}


def write_data(folder: Path, *, n_grief=4, n_joy=40):
    def write(name, start, n_rare):
        rows = [
            {
                "id": f"{name}-g{k}",
                "text": f"Since the {SUBJECTS[(start + k) % 12]} burned I cry at {k} o'clock.",
                "labels": ["grief"],
            }
            for k in range(n_rare)
        ]
        rows += [
            {
                "id": f"{name}-j{k}",
                "text": f"What a day at the {SUBJECTS[k % 12]}, number {start + k}, we danced!",
                "labels": ["joy"],
            }
            for k in range(n_joy)
        ]
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))

    write("train", 0, n_grief)
    write("dev", 500, 3)
    (folder / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nid = "id"\nlabels = "labels"\n'
        '[splits]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\n'
    )
    return str(folder / "own.toml")


def make_settings(data, **sections):
    table = {
        "name": "rich",
        "sources": ["templates"],
        "data": {"train": f"{data}:train", "apart": [f"{data}:dev"]},
        "labels": {"names": ["grief"], "until": 30},
    }
    return parse_config(AugmentationConfig, table | sections)


def run(settings, folder, name="out"):
    with open_ledger(folder / name, job=settings.name) as ledger:
        augmented, train = run_augmentation(settings, folder, ledger)
        return augmented, train, ledger.count(), ledger.sum_spent()


@pytest.fixture
def server():
    script = ROOT / "benchmarks" / "loopback_server.py"
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        yield {"kind": "openai", "base_url": process.stdout.readline().strip(), "model": "loopback"}
        process.kill()


def write_replies(folder, rows):
    (folder / "replies.jsonl").write_bytes(b"".join(orjson.dumps({"name": n, "reply": r}) + b"\n" for n, r in rows))
    return {"kind": "replay", "path": "replies.jsonl"}


def test_templates_fill_a_label_up_to_its_quota_round_by_round(tmp_path):
    augmented, train, _, _ = run(make_settings(write_data(tmp_path)), tmp_path)
    course = augmented.courses["grief"]
    assert (course.before, course.made, course.end) == (4, 26, "reached")
    assert course.rounds == 5  # 4, 6, 9, 14, 21, 30
    assert len({row.text for row in augmented.rows}) == 26
    assert {row.labels for row in augmented.rows} == {("grief",)}
    assert {row.text for row in augmented.rows}.isdisjoint(train.texts)


def test_the_same_seed_makes_the_same_and_another_one_another(tmp_path):
    data = write_data(tmp_path)
    first, second = run(make_settings(data), tmp_path)[0], run(make_settings(data), tmp_path, "again")[0]
    assert first == second
    assert run(make_settings(data, seed=1), tmp_path, "other")[0].rows != first.rows


def test_a_quota_that_cannot_be_reached_ends_by_its_stop_rule_and_says_so(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"names": ["grief"], "until": 5_000_000}, rounds={"most": 4})
    assert run(settings, tmp_path)[0].courses["grief"].end == "after 4 rounds"


def test_a_label_without_template_or_source_text_is_given_up_and_counted(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"names": ["gratitude"], "until": 10})
    course = run(settings, tmp_path)[0].courses["gratitude"]
    assert (course.before, course.made, course.rounds, course.no_source) == (0, 0, 3, 3)
    assert course.end == "no new row in 3 rounds"


def test_rare_labels_are_found_by_their_share(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"rarer_than": 0.1, "until": 6})
    courses = run(settings, tmp_path)[0].courses
    assert "joy" not in courses
    assert courses["grief"].before == 4
    assert list(courses)[:2] == ["admiration", "amusement"]  # none at all: the rarest first


def test_rephrasings_keep_the_labels_of_their_example_and_name_it(tmp_path):
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    augmented, _, counts, _ = run(settings, tmp_path)
    assert augmented.rows == ()
    assert {one.failure for one in counts} == {"no reply in the file"}

    import sqlite3

    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        names = [name for (name,) in ledger.execute("SELECT subject FROM calls")]
    replies = [
        (
            name,
            orjson.dumps(
                {"text": f"The {SUBJECTS[k % 12]} is ashes and my {SUBJECTS[-k % 12]} too, {k} times over."}
            ).decode(),
        )
        for k, name in enumerate(sorted(names))
    ]
    settings = make_settings(
        data, sources=["rephrase"], provider=write_replies(tmp_path, replies), labels={"names": ["grief"], "until": 6}
    )
    augmented, train, _, _ = run(settings, tmp_path, "second")
    assert augmented.rows
    for row in augmented.rows:
        assert row.labels == ("grief",)
        assert row.source_id in train.ids
        assert row.source == "rephrase"
        assert row.key


def test_a_provider_that_repeats_itself_gives_one_row_and_ends(tmp_path):
    """Whatever it is asked, it says the same: the second time it is a duplicate, and the label is given up."""
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    run(settings, tmp_path)
    import sqlite3

    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        names = [name for (name,) in ledger.execute("SELECT subject FROM calls")]
    same = orjson.dumps({"text": "All that is left of the house is one blue door."}).decode()
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [(n, same) for n in names]))
    course = run(settings, tmp_path, "second")[0].courses["grief"]
    assert course.made == 1
    assert course.refused["duplicate of a text made before"] >= 2
    assert course.end.startswith("no new row")


def test_back_translation_goes_there_and_back_through_each_pivot_once(tmp_path, server):
    settings = make_settings(
        write_data(tmp_path),
        sources=["back-translation"],
        provider=server,
        pivots=["German", "Czech"],
        quality={"near_duplicate": 0.95},
    )
    augmented, _, counts, spent = run(settings, tmp_path)
    # The loopback server answers the translation prompts with an object of another key: failures, not rows.
    assert {one.task for one in counts} == {"translate"}
    assert augmented.rows == ()
    assert spent.calls > 0


def test_a_second_run_pays_for_nothing(tmp_path):
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    _, _, _, first = run(settings, tmp_path)
    _, _, _, second = run(settings, tmp_path)
    assert first == second


def test_a_wish_for_the_end_is_heard_between_two_labels(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"names": ["grief", "pride"], "until": 500})
    train = read_labelled(settings.data.train)
    wishes = iter([False, False, True])
    sources, rules = [TemplateSource(0)], Rules(settings.quality, {}, is_english=True)
    with pytest.raises(StoppedError):
        asyncio.run(augment(train, settings, sources, rules, is_ending=lambda: next(wishes)))
    assert next(wishes, "all heard") == "all heard"


def test_ctrl_c_ends_it_even_where_nobody_is_asked(tmp_path):
    settings = make_settings(
        write_data(tmp_path),
        labels={"names": ["grief"], "until": 5_000_000},
        rounds={"most": 10_000, "patience": 10_000},
    )
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with open_ledger(tmp_path / "out", job="rich") as ledger, pytest.raises(KeyboardInterrupt):
        run_augmentation(settings, tmp_path, ledger)


def test_a_budget_ends_it_and_keeps_what_there_is(tmp_path):
    data = write_data(tmp_path)
    provider = write_replies(tmp_path, [("x", "x")])
    settings = make_settings(data, sources=["rephrase"], provider=provider, budget={"calls": 2})
    with open_ledger(tmp_path / "out", job="rich") as ledger:
        with pytest.raises(BudgetError, match="budget of 2 calls"):
            run_augmentation(settings, tmp_path, ledger)
        assert ledger.sum_spent().calls == 2


def test_what_is_exported_can_be_learned_from_and_not_measured_on(tmp_path):
    settings = make_settings(write_data(tmp_path))
    augmented, train, _, _ = run(settings, tmp_path)
    statistics = export_augmentation(settings, augmented, train, tmp_path / "data")
    digest = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "data").iterdir()}
    export_augmentation(settings, augmented, train, tmp_path / "data")
    assert digest == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "data").iterdir()}
    dataset = load_dataset(str(tmp_path / "data" / "augmented.toml"))
    assert dataset.card.splits == ("train",)
    examples = dataset.read_split("train")
    assert len(examples) == statistics["n_made"] == 26
    assert all(example.is_synthetic for example in examples)
    assert "| grief | 4 | 26 | 5 | reached |" in (tmp_path / "data" / "README.md").read_text()


@pytest.mark.parametrize(
    ("sections", "error", "words"),
    [
        ({"sources": ["rephrase"]}, ConfigError, "a provider for rephrase"),
        ({"sources": ["templates", "templates"]}, ConfigError, "different sources"),
        ({"labels": {"names": ["grif"]}}, LabelError, 'did you mean "grief"'),
        ({"labels": {"rarer_than": 0.0}}, DataError, "labels rarer than 0 of the rows"),
        ({"quality": {"shortest_words": 5, "longest_words": 3}}, ConfigError, "at most 3"),
    ],
)
def test_what_cannot_be_is_told(tmp_path, sections, error, words):
    with pytest.raises(error, match=words):
        run(make_settings(write_data(tmp_path), **sections), tmp_path)


def test_train_cannot_be_kept_apart_from_itself(tmp_path):
    data = write_data(tmp_path)
    table = {"name": "rich", "sources": ["templates"], "data": {"train": f"{data}:train", "apart": [f"{data}:train"]}}
    settings = parse_config(AugmentationConfig, table)
    with pytest.raises(ConfigError, match="splits other than train"):
        check_augmentation(settings)


def test_every_template_fills_and_reads_as_a_sentence():
    from sentire.augmentation.rules import _SENTENCE_END
    from sentire.augmentation.templates import _read_templates, fill
    from sentire.core.labels import GOEMOTIONS
    from sentire.core.seeding import make_generator

    templates, slots = _read_templates()
    used = set()
    for label, texts in templates.items():
        assert label in GOEMOTIONS
        assert len(texts) >= 10
        for text in texts:
            filled = fill(text, slots, make_generator(0, text))
            assert "{" not in filled
            assert _SENTENCE_END.search(filled)
            assert 3 <= len(filled.split()) <= 40
            used |= {part.split("}")[0] for part in text.split("{")[1:]}
    assert used == set(slots)  # no slot is left over, none is missing
