import csv

import pytest

from sentire.core.errors import DataError
from sentire.core.labels import GOEMOTIONS
from sentire.data.goemotions_raw import iter_records
from sentire.data.reading import Reading

HEADER = [
    *("text", "id", "author", "subreddit", "link_id", "parent_id", "created_utc", "rater_id", "example_very_unclear"),
    *GOEMOTIONS.labels,
]


def row(text, comment, rater, labels=(), *, unclear="False"):
    marks = ["1" if label in labels else "0" for label in GOEMOTIONS.labels]
    return [text, comment, "SecretAuthor", "r_tea", "t3_x", "t1_y", "1.5e9", rater, unclear, *marks]


def write(root, *files):
    (root / "goemotions_raw").mkdir()
    for number, rows in enumerate(files, start=1):
        with (root / "goemotions_raw" / f"goemotions_{number}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([HEADER, *rows])


def test_raters_are_joined_over_the_files_and_two_make_a_label(tmp_path):
    write(
        tmp_path,
        [row('The "tea", it is cold', "c1", "7", ["sadness", "anger"]), row("Well", "c2", "7", ["joy"])],
        [row("Well", "c2", "8", unclear="True"), row('The "tea", it is cold', "c1", "9", ["anger"])],
        [row('The "tea", it is cold', "c1", "8", ["sadness"])],
    )
    reading = Reading()
    first, second = iter_records(tmp_path, "all", reading)
    assert (first.id, first.text, first.labels) == ("c1", 'The "tea", it is cold', ("anger", "sadness"))
    assert [(one.annotator, one.labels) for one in first.annotations] == [
        ("7", ("anger", "sadness")),
        ("9", ("anger",)),
        ("8", ("sadness",)),
    ]
    assert second.labels == ()
    assert [one.is_unclear for one in second.annotations] == [False, True]
    assert first.notes == {"subreddit": "r_tea"}
    assert reading.n_read == reading.n_accepted == 5


def test_authors_times_and_links_go_nowhere(tmp_path):
    write(tmp_path, [row("a", "c1", "1", ["joy"])], [row("b", "c2", "1")], [row("c", "c3", "1")])
    shown = repr(list(iter_records(tmp_path, "all", Reading())))
    for secret in ("SecretAuthor", "t3_x", "t1_y", "1.5e9"):
        assert secret not in shown


def test_defects_are_counted(tmp_path):
    half = row("half a mark", "c4", "1")
    half[-1] = "0.5"
    write(
        tmp_path,
        [row(f"fine {number}", f"f{number}", "1") for number in range(7)],
        [row("a", "c1", "1"), row("b", "c1", "2"), row("a", "c1", "1"), row("x", "c2", "1", unclear="maybe")],
        [row("fine", "c3", "1"), row(" ", "c5", "1"), row("no rater", "c6", ""), half, row("ok", "c7", "1")],
    )
    reading = Reading(max_rejected_fraction=0.9)
    assert len(list(iter_records(tmp_path, "all", reading))) == 10
    assert sum((report.reasons for report in reading.reports), start=type(reading.reports[0].reasons)()) == {
        "text differs from the first row of the same comment": 1,
        "the same rater twice": 1,
        "example_very_unclear is neither True nor False": 1,
        "empty text": 1,
        "no comment id or no rater id": 1,
        "label cell is neither 0 nor 1": 1,
    }


def test_a_file_without_a_label_column_is_refused(tmp_path):
    (tmp_path / "goemotions_raw").mkdir()
    (tmp_path / "goemotions_raw/goemotions_1.csv").write_text(
        "text,id,subreddit,rater_id,example_very_unclear\na,b,c,1,False\n"
    )
    with pytest.raises(DataError, match="a column 'admiration'"):
        list(iter_records(tmp_path, "all", Reading()))
