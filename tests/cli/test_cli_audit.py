import orjson
import pytest

ARGUMENTS = ("audit", "linear", "--resamples", "20")


def test_the_table_shows_groups_and_the_largest_shifts(sentire):
    ran = sentire(*ARGUMENTS, "--largest", "3")
    assert ran.code == 0
    lines = ran.text.splitlines()
    assert lines[0].startswith("linear · 25 sentences, ")
    groups = ["gender", "age", "religion", "origin", "orientation", "disability"]
    assert [line.split()[0] for line in lines[2:8]] == groups
    (start,) = (number for number, line in enumerate(lines) if line.startswith("largest shifts (probability)"))
    shown = [line.split("(")[0].strip() for line in lines[start + 1 :]]
    found = sentire(*ARGUMENTS, "--json").json
    assert shown == [shift["term"] for shift in found["shifts"][:3]]
    assert "affect" not in ran.text  # the linear model has none
    assert "largest" not in sentire(*ARGUMENTS, "--largest", "0").text


def test_the_file_holds_what_is_printed_as_json(sentire, tmp_path):
    ran = sentire(*ARGUMENTS, "--json", "--output", tmp_path / "audit.json")
    assert ran.json == orjson.loads((tmp_path / "audit.json").read_bytes())
    assert ran.err == f"wrote {tmp_path / 'audit.json'}\n"
    assert ran.json["n_resamples"] == 20
    assert len(ran.json["shifts"]) == ran.json["n_shifts"] == 28 * sum(len(one["terms"]) for one in ran.json["groups"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("audit", "liner"), 2, "got 'liner' at MODEL; did you mean \"linear\"?"),
        (("audit", "linear", "--resamples", "1"), 2, "10"),
        (("audit", "linear", "--output", "/dev/null"), 5, "a place that can be written, got a device or a pipe"),
    ],
)
def test_what_goes_wrong_is_said(sentire, arguments, code, message):
    ran = sentire(*arguments)
    assert ran.code == code
    assert message in ran.err
