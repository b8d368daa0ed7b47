import pytest

from sentire.core.errors import DataError
from sentire.data.emocontext import iter_records
from sentire.data.reading import Reading

HEADER = "id\tturn1\tturn2\tturn3\tlabel"


def write(root, *lines, header=HEADER, end="\r\n"):
    (root / "emocontext").mkdir(exist_ok=True)
    (root / "emocontext/dev.txt").write_bytes("".join(f"{line}{end}" for line in (header, *lines)).encode())


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_the_third_turn_is_the_text(tmp_path, end):
    write(tmp_path, '0\t"Is it far\tTwo hours\tOh no, "my feet" hurt"\tsad', "1\tHi\t\tHello 🙂\thappy", end=end)
    reading = Reading()
    first, second = iter_records(tmp_path, "dev", reading)
    assert first.text == 'Oh no, "my feet" hurt"'
    assert first.context == ('"Is it far', "Two hours")
    assert (first.id, first.labels) == ("0", ("sad",))
    assert second.context == ("Hi",)
    assert reading.n_accepted == 2


def test_defects_are_counted(tmp_path):
    fine = [f"{number}\ta\tb\tc\tothers" for number in range(5)]
    write(tmp_path, *fine, "7\ta\tb\t \tsad", "8\ta\tb\tc\thappyy", "9\ta\tb\tc", "\ta\tb\tc\tsad")
    reading = Reading()
    assert len(list(iter_records(tmp_path, "dev", reading))) == 5
    assert reading.reports[0].reasons == {
        "empty text": 1,
        "label outside the label space": 1,
        "wrong number of fields": 1,
        "no id": 1,
    }
    assert any('did you mean "happy"?' in str(one) for one in reading.reports[0].first_rejections)


def test_a_file_without_labels_is_refused(tmp_path):
    write(tmp_path, "0\ta\tb\tc", header="id\tturn1\tturn2\tturn3")
    with pytest.raises(DataError, match="a column 'label'"):
        list(iter_records(tmp_path, "dev", Reading()))
