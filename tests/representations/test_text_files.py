"""Files of texts as vectors: every row is counted, and what is not embedded whole is, too."""

import numpy as np
import pytest

from sentire.core.errors import DataError
from sentire.representations.text_files import embed_file, index_file
from sentire.runtime.text_rows import Source
from sentire.runtime.texts import LONGEST_TEXT_CHARS
from sentire.storage.report import ReadReport


class LengthEncoder:
    """Gives each text its length and 1."""

    name, revision, fingerprint = "length", "", "length"
    n_dimensions = 2

    def encode(self, texts, *, on_progress=None):  # noqa: ARG002  the shape of an encoder
        return np.array([[len(text), 1] for text in texts], dtype=np.float32).reshape(-1, 2)


ENCODER = LengthEncoder()


@pytest.fixture
def write_texts(tmp_path):
    def write(*texts):
        path = tmp_path / "texts.csv"
        path.write_text("text,n\n" + "".join(f'"{text}",1\n' for text in texts))
        return Source(path=path)

    return write


def test_blank_texts_give_no_vector(write_texts, tmp_path):
    source = write_texts("so kind", "  \t", "how rude", "", "never")
    done = embed_file(source, ENCODER, tmp_path / "out.npy")
    assert (done.n_texts, done.report.n_read, done.report.reasons) == (3, 5, {"no text": 2})
    assert [one.row for one in done.report.first_rejections] == [3, 5]
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy")[:, 0], [7, 8, 5])

    report = ReadReport("texts.csv")
    index = index_file(source, ENCODER, report=report)
    assert (index.ids, report.n_rejected) == (["2", "4", "6"], 2)
    with pytest.raises(DataError, match=r"got no text .*texts\.csv:3"):
        index_file(source, ENCODER, report=ReadReport(str(source.path), is_strict=True))


def test_a_file_of_blanks_has_no_vector(write_texts, tmp_path):
    source = write_texts("", " ", "")
    with pytest.raises(DataError, match=r"at least one row to use, got 3 with no text at .*texts\.csv"):
        embed_file(source, ENCODER, tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()
    with pytest.raises(DataError, match="at least one row to use, got 3 with no text"):
        index_file(source, ENCODER)


def test_texts_that_are_missing_are_no_reason_to_stop_and_broken_rows_are(tmp_path):
    source = Source(path=tmp_path / "texts.jsonl")
    blank = ['{"text": null}', '{"text": ""}', '{"text": " "}'] * 10
    source.path.write_text("\n".join([*blank, '{"text": "so kind"}', '{"text": "never"}', '{"text": 1}']))
    done = embed_file(source, ENCODER, tmp_path / "out.npy")
    assert (done.n_texts, done.report.n_read, done.report.n_rejected) == (2, 33, 31)
    source.path.write_text("\n".join([*blank, '{"text": "so kind"}', "{", "{"]))
    with pytest.raises(
        DataError, match=r"got 2 of 3 that are not empty, most often for: not JSON at .*jsonl:32: not J"
    ):
        embed_file(source, ENCODER, tmp_path / "out.npy")


def test_a_misspelt_column_is_told_after_a_few_rows(tmp_path):
    source = Source(path=tmp_path / "texts.jsonl", text_column="txet")
    source.path.write_text('{"text": "so kind"}\n' * 1000)
    report = ReadReport(str(source.path))
    with pytest.raises(DataError, match="a column 'txet', got the column"):
        embed_file(source, ENCODER, tmp_path / "out.npy", report=report)
    assert report.n_read < 50


def test_texts_of_which_only_the_beginning_is_read_are_counted(write_texts, tmp_path):
    longest = "a" * LONGEST_TEXT_CHARS
    assert embed_file(write_texts(longest, longest + "b"), ENCODER, tmp_path / "out.npy").n_cut == 1
