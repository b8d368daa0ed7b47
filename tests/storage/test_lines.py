"""Lines: every encoding, every line end, every length, and nothing lost between them."""

import io
import os
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import DataError, UsageError
from sentire.storage import lines
from sentire.storage.lines import LINE_TOO_LONG, NOT_DECODED, STDIN, iterate_lines, read_lines
from sentire.storage.report import ReadReport


def split(path, **options):
    return [(line.number, line.text, line.fault) for line in iterate_lines(path, **options)]


@pytest.fixture
def short_lines(monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE_CHARS", 10)
    monkeypatch.setattr(lines, "_LONGEST_PIECE_CHARS", 12)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_and_line_ends(tmp_path, end, encoding):
    path = tmp_path / "a.txt"
    texts = ["first é 😀", "", "third"]
    path.write_bytes(end.join(texts).encode(encoding))
    assert split(path) == [(1, f"first é 😀{end}", ""), (2, end, ""), (3, "third", "")]
    report = ReadReport(str(path))
    assert list(read_lines(path, report)) == [(1, "first é 😀"), (3, "third")]
    assert (report.n_read, report.n_blank) == (2, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig", "utf-16-le", ""])
def test_a_byte_order_mark_is_never_text(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffid\ufeff\n".encode(encoding if encoding.startswith("utf-16") else "utf-8"))
    assert split(path, encoding=encoding) == [(1, "id\ufeff\n", "")]


def test_big_endian_marks(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xfe\xff" + "é".encode("utf-16-be"))
    assert split(path) == [(1, "é", "")]


def test_a_named_encoding_wins(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("na\xefve\n\x93quoted\x94".encode("latin-1"))
    assert split(path, encoding="cp1252") == [(1, "naïve\n", ""), (2, "“quoted”", "")]
    assert [fault for _, _, fault in split(path)] == [NOT_DECODED, NOT_DECODED]


def test_only_the_undecodable_lines_are_rejected(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"good\nb\xc3\nd \xed\xa0\x80\nNUL \x00 is text\n\xff\xfe\n\xe2\x82")
    report = ReadReport(str(path), max_rejected_fraction=1.0)
    assert list(read_lines(path, report)) == [(1, "good"), (4, "NUL \x00 is text")]
    assert [rejection.row for rejection in report.first_rejections] == [2, 3, 5, 6]
    assert report.reasons == {NOT_DECODED: 4}


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("named", [True, False])
def test_a_broken_unit_costs_its_own_line(tmp_path, name, named):
    r"""A lone surrogate in any place, beside the end of a line, too; the bytes of ``\ud880`` are all above 127."""
    path = tmp_path / "a.txt"
    broken = [
        f"{before}{unit}{after}" for unit in "\ud800\ud880\udc00\udc80" for before in ("", "é") for after in ("", "z")
    ]
    texts = ["good", *broken, "😀 fine", "\udc00\ud800", "end"]
    path.write_bytes(("\ufeff" + "\n".join(texts)).encode(name, "surrogatepass"))
    report = ReadReport(str(path), max_rejected_fraction=1.0)
    assert list(read_lines(path, report, encoding=name if named else "")) == [(1, "good"), (18, "😀 fine"), (20, "end")]
    assert report.reasons == {NOT_DECODED: 17}
    assert [rejection.row for rejection in report.first_rejections] == [*range(2, 18), 19]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_file_that_breaks_off_inside_a_unit_loses_its_last_line(tmp_path, encoding):
    path = tmp_path / "a.txt"
    for content, last in (("one\ntwo".encode(encoding)[:-1], 2), ("one\ntwo\n".encode(encoding) + b"x", 3)):
        path.write_bytes(content)
        found = split(path)
        assert found[0] == (1, "one\n", "")
        assert [number for number, _, fault in found if fault == NOT_DECODED] == [last] == [len(found)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("length", [9, 10, 11, 12, 13, 22, 23, 24, 25, 36, 100])
def test_long_lines_cost_themselves_only(tmp_path, short_lines, end, length):
    path = tmp_path / "a.txt"
    path.write_bytes(f"before{end}{'x' * length}{end}after{end}end".encode())
    found = split(path)
    long = (2, "x" * length + end, "") if length <= 10 else (2, "", LINE_TOO_LONG)
    assert found == [(1, f"before{end}", ""), long, (3, f"after{end}", ""), (4, "end", "")]


@pytest.mark.parametrize("length", [10, 11, 12, 13, 24, 50])
def test_a_long_last_line_without_an_end(tmp_path, short_lines, length):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\n" + b"x" * length)
    assert split(path)[1] == ((2, "x" * length, "") if length <= 10 else (2, "", LINE_TOO_LONG))


@given(st.text(st.sampled_from("ab\r\n é"), max_size=80))
def test_lines_are_those_of_python_whatever_their_ends(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("lines") / "a.txt"
    path.write_bytes(text.encode())
    joined = "".join(line for _, line, _ in split(path))
    assert joined == text
    ends = text.replace("\r\n", "\n").replace("\r", "\n")
    expected = ends.split("\n")
    if not expected[-1]:
        expected.pop()
    assert [line.rstrip("\r\n") for _, line, _ in split(path)] == expected


@pytest.mark.parametrize("encoding", ["utf-9", "rot13", "a\x00b"])
def test_unknown_encodings(tmp_path, encoding, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x")))
    for source in (path, STDIN):
        with pytest.raises(UsageError, match=r"the name of a text encoding, such as utf-8 or cp1252, got"):
            split(source, encoding=encoding)


def test_a_codec_that_refuses_everything(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"x")
    with pytest.raises(DataError, match="text in the encoding, got bytes"):
        split(path, encoding="undefined")


def test_what_cannot_be_opened(tmp_path):
    with pytest.raises(DataError, match=r"a file that can be read, got No such file or directory at .*none\.txt"):
        split(tmp_path / "none.txt")
    with pytest.raises(DataError, match="a file that can be read, got a directory"):
        split(tmp_path)
    with pytest.raises(DataError, match="a file that can be read, got embedded null byte"):
        split(tmp_path / "a\x00b")


def test_standard_input_is_read_and_left_open(monkeypatch):
    for content in (b"\xef\xbb\xbfone\r\ntwo", "one\r\ntwo".encode("utf-16")):
        inner = io.BytesIO(content)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(inner))
        assert split(STDIN) == [(1, "one\r\n", ""), (2, "two", "")]
        assert not inner.closed
        buffered = io.BufferedReader(io.BytesIO(content))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffered))
        assert split(STDIN) == [(1, "one\r\n", ""), (2, "two", "")]
        assert not buffered.closed


class Drip(io.RawIOBase):
    """Gives one byte at a time, as a slow pipe does."""

    def __init__(self, content):
        self._rest = list(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        given = self._rest[:1]
        del self._rest[:1]
        buffer[: len(given)] = bytes(given)
        return len(given)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", ["so glad\né\n", "a", ""])
def test_a_mark_that_comes_byte_by_byte(monkeypatch, encoding, text):
    content = text.encode(encoding)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Drip(content))))
    assert "".join(line for _, line, _ in split(STDIN)) == text
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Drip(content[:1]))))
    assert len(split(STDIN)) == len(content[:1])


def test_a_pipe_is_read_whole(tmp_path):
    """A named pipe can be opened once; looking for a mark must not eat its first bytes."""
    path = tmp_path / "pipe.txt"
    os.mkfifo(path)
    content = b"".join(b"line %d\n" % number for number in range(5000))
    writer = threading.Thread(target=lambda: path.write_bytes(content), daemon=True)
    writer.start()
    assert "".join(text for _, text, _ in split(path)).encode() == content
    writer.join(timeout=10)


def test_an_abandoned_reading_closes_its_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\nb\n")
    reading = iterate_lines(path)
    assert next(reading).text == "a\n"
    reading.close()  # a file left open would be a ResourceWarning, which is an error here
