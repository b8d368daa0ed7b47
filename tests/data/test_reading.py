import pytest

from sentire.core.errors import DataError
from sentire.data.reading import Reading, parse_number, pass_over, read_cells


def test_totals_are_those_of_the_files_of_examples(tmp_path):
    reading = Reading()
    first, second = reading.report(tmp_path / "a"), reading.report(tmp_path / "b")
    beside = reading.report(tmp_path / "c", holds_examples=False)
    for report in (first, second, beside):
        report.read(10)
    first.reject(1, "broken")
    beside.reject(1, "broken")
    assert (reading.n_read, reading.n_accepted, reading.n_rejected) == (20, 19, 1)
    assert reading.reports == [first, second, beside]
    assert (reading.example_reports, reading.side_reports) == ([first, second], [beside])


def test_strictness_and_share_reach_the_reports(tmp_path):
    strict = Reading(is_strict=True).report(tmp_path / "a")
    strict.read()
    with pytest.raises(DataError, match="broken"):
        strict.reject(1, "broken")
    lenient = Reading(max_rejected_fraction=0.1).report(tmp_path / "a")
    lenient.read(5)
    lenient.reject(1, "broken")
    with pytest.raises(DataError, match="at most 10%"):
        lenient.finish()
    generous = Reading(max_rejected_fraction=0.1).report(tmp_path / "a", max_rejected_fraction=1.0)
    generous.read()
    generous.reject(1, "broken")
    generous.finish()


def test_a_row_of_another_split_does_not_count(tmp_path):
    reading = Reading()
    report = reading.report(tmp_path / "a")
    report.read(3)
    pass_over(report)
    assert reading.n_read == reading.n_accepted == 2


def test_cells_come_in_the_order_that_is_asked_for(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("x,y,z\n1,2,3\n4,5,6\n")
    assert list(read_cells(path, Reading().report(path), ("z", "x"), file_format="csv")) == [
        (2, ["3", "1"]),
        (3, ["6", "4"]),
    ]


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("tekst,label\na,b\n")
    with pytest.raises(DataError, match="expected a column 'text', got the columns tekst, label"):
        list(read_cells(path, Reading().report(path), ("text",), file_format="csv"))


@pytest.mark.parametrize(("cell", "number"), [("1.5", 1.5), (" -2 ", -2.0), (3, 3.0)])
def test_numbers(cell, number):
    assert parse_number(cell) == number


@pytest.mark.parametrize("cell", ["", "a", "nan", "inf", None, True, [1], float("nan"), "9" * 5_000, 10**400])
def test_what_is_no_number(cell):
    assert parse_number(cell) is None
