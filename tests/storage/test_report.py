"""The report of a reading: its counts, and when it stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, UsageError
from sentire.storage.report import FEWEST_REJECTIONS_TO_STOP, KEPT_REJECTIONS, ReadReport, Rejection


def test_counts_and_the_first_rejections():
    seen: list[Rejection] = []
    report = ReadReport("a.csv", max_rejected_fraction=1.0, on_reject=seen.append)
    for row in range(1, 101):
        report.read()
        if row % 2:
            report.reject(row, "odd" if row < 90 else "late and odd", f"row is {row}")
    report.blank()
    report.finish()
    assert (report.n_read, report.n_accepted, report.n_rejected, report.n_blank) == (100, 50, 50, 1)
    assert report.reasons == {"odd": 45, "late and odd": 5}
    assert len(report.first_rejections) == KEPT_REJECTIONS
    assert [rejection.row for rejection in seen] == list(range(1, 101, 2))
    assert str(seen[0]) == "a.csv:1: odd (row is 1)"
    assert str(Rejection("a.csv", 3, "odd")) == "a.csv:3: odd"
    assert report.as_dict() == {
        "path": "a.csv",
        "n_read": 100,
        "n_accepted": 50,
        "n_rejected": 50,
        "n_blank": 1,
        "reasons": {"odd": 45, "late and odd": 5},
        "first_rejections": [str(rejection) for rejection in seen[:KEPT_REJECTIONS]],
    }


def test_strict_stops_at_the_first_and_counts_it():
    seen: list[Rejection] = []
    report = ReadReport("a.csv", is_strict=True, on_reject=seen.append)
    report.read(3)
    with pytest.raises(
        DataError, match=r"a row that can be read, got not JSON \(at column 3\) at a\.csv:3; mend the row"
    ):
        report.reject(3, "not JSON", "at column 3")
    assert (report.n_read, report.n_accepted, report.n_rejected) == (3, 2, 1)
    assert len(seen) == 1


def test_lenient_stops_once_the_share_is_passed():
    report = ReadReport("a.csv", max_rejected_fraction=0.25, hint="name the encoding")
    report.read(100)
    for row in range(25):
        report.reject(row, "broken")
    with pytest.raises(
        DataError,
        match=r"at most 25% of the rows to be rej.*, got 26 of 100, most often for: broken at a\.csv:0: broken; name",
    ):
        report.reject(25, "broken")


def test_the_share_is_judged_late_enough_and_at_the_end():
    report = ReadReport("a.csv", max_rejected_fraction=0.0)
    for row in range(FEWEST_REJECTIONS_TO_STOP - 1):
        report.read()
        report.reject(row, "broken")
    report.read(1000)
    with pytest.raises(DataError, match="at most 0% of the rows to be rejected, got 19 of 1019"):
        report.finish()
    early = ReadReport("a.csv")
    for row in range(FEWEST_REJECTIONS_TO_STOP - 1):
        early.read()
        early.reject(row, "broken")
    early.read()
    with pytest.raises(DataError, match="got 20 of 20"):
        early.reject(20, "broken")


def test_rows_that_are_empty_do_not_count_towards_the_share():
    report = ReadReport("a.csv", max_rejected_fraction=0.5, hint="name the encoding")
    for row in range(1, 101):
        report.read()
        if row <= 90:
            report.reject(row, "no text", is_empty=True)
    for row in range(91, 96):
        report.reject(row, "broken")
    report.finish()
    assert (report.n_accepted, report.n_rejected, report.reasons) == (5, 95, {"no text": 90, "broken": 5})
    report.reject(96, "broken")
    with pytest.raises(
        DataError,
        match=r"got 6 of 10 that are not empty, most often for: broken at a\.csv:91: broken; name the encoding",
    ):
        report.finish()


def test_a_file_of_empty_rows_has_none_to_use():
    report = ReadReport("a.csv", hint="name the encoding")
    report.read()
    report.reject(1, "no text", is_empty=True)
    with pytest.raises(DataError, match=r"at least one row to use, got 1 with no text at a\.csv$"):
        report.finish()


def test_a_file_without_rows():
    report = ReadReport("a.csv")
    report.blank()
    with pytest.raises(DataError, match=r"at least one row, got a file without rows at a\.csv"):
        report.finish()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_senseless_shares(share):
    with pytest.raises(UsageError, match="a share of rejected rows between 0 and 1, got"):
        ReadReport("a.csv", max_rejected_fraction=share)


@given(st.lists(st.booleans(), max_size=80), st.floats(0, 1))
def test_read_is_accepted_and_rejected_whenever_it_ends(rows, share):
    report = ReadReport("a.csv", max_rejected_fraction=share)
    accepted = rejected = 0
    try:
        for number, is_good in enumerate(rows, start=1):
            report.read()
            if is_good:
                accepted += 1
            else:
                rejected += 1
                report.reject(number, "broken")
        report.finish()
        assert rows
        assert rejected <= share * len(rows)
    except DataError:
        assert not rows or rejected > share * (accepted + rejected)
    assert (report.n_accepted, report.n_rejected) == (accepted, rejected)
    assert report.n_read == accepted + rejected


def test_what_no_encoding_can_write_stands_as_a_replacement_character():
    report = ReadReport("no\udcff.csv")
    report.read(3)
    report.reject(2, "odd", "row \x00\ud800")
    found = report.as_dict()
    assert (found["path"], found["first_rejections"]) == ("no\ufffd.csv", ["no\ufffd.csv:2: odd (row \ufffd\ufffd)"])
