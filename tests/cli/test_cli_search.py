"""``sentire embed`` and ``sentire search`` as their users meet them."""

import numpy as np
import orjson
import pytest

pytest.importorskip("torch")
pytest.importorskip("pyarrow")

from tiny_training import write_tiny_encoder

ROWS = [("a", "so glad"), ("b", "how late, no soup again"), ("c", "what a day"), ("d", "\x1b[0mI dread it\nnever")]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture
def rows_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"".join(orjson.dumps({"nr": nr, "text": text}) + b"\n" for nr, text in ROWS))
    return path


@pytest.fixture
def vectors(sentire, rows_file, encoder, tmp_path):
    path = tmp_path / "rows.parquet"
    ran = sentire("embed", "--input", rows_file, "--id-column", "nr", "--output", path, "--encoder", encoder)
    assert ran.code == 0, ran.err
    return path


def test_vectors_are_those_of_the_library_and_found_again(sentire, rows_file, vectors, encoder, tmp_path):
    from sentire.representations.load import load_encoder
    from sentire.storage.vector_files import read_vectors

    table = read_vectors(vectors)
    expected = load_encoder(str(encoder)).encode([text for _, text in ROWS])
    assert list(zip(table.ids, table.texts, strict=True)) == ROWS
    np.testing.assert_allclose(table.vectors, expected, atol=1e-6)

    ran = sentire("embed", "--input", rows_file, "--output", tmp_path / "rows.npy", "--encoder", encoder)
    np.testing.assert_array_equal(np.load(tmp_path / "rows.npy"), table.vectors)
    assert "4 vectors of 8 numbers" in ran.err
    assert orjson.loads((tmp_path / "rows.npy.json").read_bytes())["n"] == 4

    ran = sentire("search", "so glad", "--in", vectors, "--top", 2, "--json")
    assert ran.json["query"] == "so glad"
    assert (len(ran.json["found"]), ran.json["found"][0]["id"]) == (2, "a")
    assert ran.json["found"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    embedded_first = sentire(
        "search", "so glad", "--in", rows_file, "--id-column", "nr", "--top", 2, "--json", "--encoder", encoder
    )
    assert embedded_first.json["found"] == ran.json["found"]
    assert "embedded 4 texts" in embedded_first.err


def test_the_table_shows_each_text_on_one_line(sentire, vectors):
    ran = sentire("search", "I dread it\nnever", "--in", vectors, "--top", 4)
    lines = ran.text.splitlines()
    assert lines[0] == "I dread it never"
    assert lines[1].split() == ["similarity", "id", "text"]
    assert len([line for line in lines[2:] if line.strip()]) == 4
    assert "\x1b" not in ran.text


def test_several_queries(sentire, vectors, tmp_path):
    (tmp_path / "queries.txt").write_text("so glad\n\nwhat a day\n")
    ran = sentire("search", "--queries", tmp_path / "queries.txt", "--in", vectors, "--json", "--top", 1)
    assert [(row["query"], row["found"][0]["id"]) for row in ran.rows] == [("so glad", "a"), ("what a day", "c")]
    ran = sentire("search", "--queries", "-", "--in", vectors, "--json", "--top", 1, stdin=b"what a day\n")
    assert ran.json["found"][0]["id"] == "c"
    ran = sentire("search", "--queries", "-", "--in", vectors)
    assert (ran.code, "a text to look for on each line, got an empty file" in ran.err) == (3, True)


def test_rejected_rows_are_told(sentire, encoder, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "so glad"}\n{"text": null}\n{"text": ""}\n{"text": "no soup"}\n')
    ran = sentire("embed", "--input", path, "--output", tmp_path / "out.npy", "--encoder", encoder)
    assert ran.code == 0
    assert "1 of 4 rows were not used (no text: 1)" in ran.err
    assert f"{path}:2: no text (text is NoneType)" in ran.err
    assert "the rows of the array are the texts that were used" in ran.err
    assert np.load(tmp_path / "out.npy").shape == (3, 8)
    strict = sentire("embed", "--input", path, "--output", tmp_path / "x.npy", "--encoder", encoder, "--strict")
    assert (strict.code, "a row that can be read, got no text" in strict.err) == (3, True)
    assert not (tmp_path / "x.npy").exists()


def test_an_index_of_another_encoder(sentire, vectors, tmp_path):
    other = write_tiny_encoder(tmp_path / "other", n_positions=39)
    ran = sentire("search", "so glad", "--in", vectors, "--encoder", other)
    assert ran.code == 4
    assert f"error: expected vectors of the encoder {other} (" in ran.err
    assert "name the encoder that the file was made with, or embed the texts again" in ran.err


def test_an_index_with_a_nan(sentire, vectors, encoder):
    from sentire.storage.vector_files import open_vector_writer, read_vectors

    table = read_vectors(vectors)
    broken = table.vectors.copy()
    broken[2, 1] = np.nan
    facts = {key: value for key, value in table.facts.items() if key != "d"}
    with open_vector_writer(vectors, 8, facts) as writer:
        writer.write(table.ids, table.texts, broken)
    ran = sentire("search", "so glad", "--in", vectors)
    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert (
        "vectors of finite numbers, none of length 0, got 1 others, the first of length nan at index, row 3" in ran.err
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--output", "out.csv"], 2, "expected an output that ends in .npy or .parquet, got 'out.csv' at --output"),
        (["--output", "out.npy", "--text-column", "txt"], 3, "a column 'txt', got the columns nr, text"),
        (["--output", "out.npy", "--encoder", "mini"], 2, "got 'mini'; did you mean \"minilm\"?"),
        (["--output", "out.npy", "--encoder", "owner/name"], 2, "the full commit of an encoder on the hub"),
        (["--output", "none/out.npy"], 5, "a place that can be written, got No such file"),
    ],
)
def test_what_embed_refuses(sentire, rows_file, encoder, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    named = [] if "--encoder" in arguments else ["--encoder", encoder]
    ran = sentire("embed", "--input", rows_file, *arguments, *named)
    assert (ran.code, ran.err.count("\n")) == (code, 1), ran.err
    assert message in ran.err
    assert not list(tmp_path.glob("*out*"))


def test_the_input_is_not_overwritten(sentire, vectors):
    before = vectors.read_bytes()
    ran = sentire("embed", "--input", vectors, "--output", vectors)
    assert (ran.code, "an output that is not the input" in ran.err) == (5, True)
    assert vectors.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "a text or --queries, got neither"),
        (["x", "--queries", "-"], 2, "a text or --queries, got both"),
        (["x", "--in", "a.npy"], 2, "a file that holds texts, got .npy, which holds vectors alone at --in"),
        (["x", "--in", "none.csv"], 3, "a file that can be read, got No such file"),
        (["x", "--in", "empty.csv"], 3, "empty.csv"),
        (["x", "--in", "broken.parquet"], 3, "a Parquet file"),
    ],
)
def test_what_search_refuses(sentire, encoder, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").write_text("text\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    place = [] if "--in" in arguments else ["--in", "a.csv"]
    ran = sentire("search", *arguments, *place, "--encoder", encoder)
    assert (ran.code, ran.err.count("\n")) == (code, 1), ran.err
    assert message in ran.err
