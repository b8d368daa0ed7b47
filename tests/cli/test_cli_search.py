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
    array = tmp_path / "rows.npy"
    assert f"wrote {array} and {array}.json: 4 vectors of 8 numbers" in ran.err
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


@pytest.mark.parametrize("width", [60, 120])
def test_a_long_id_leaves_room_for_the_text(width, capsys):
    from rich.console import Console

    from sentire.cli.found_table import print_found
    from sentire.representations.index import Found

    long = Found(similarity=0.5, id="x" * 300, text="so glad")
    print_found(Console(width=width), "glad", [long])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["similarity", "id", "text"]
    similarity, shown, text = lines[2].split(maxsplit=2)
    assert (similarity, text.strip()) == ("0.500", "so glad")
    assert shown == "x" * 23 + "…"


def test_nothing_is_looked_for(sentire, vectors):
    ran = sentire("search", " ", "--in", vectors)
    assert (ran.code, ran.out) == (2, b"")
    assert "expected a text to look for, got an empty one" in ran.err


def test_nothing_is_looked_for_before_the_texts_are_read(sentire, rows_file, monkeypatch):
    monkeypatch.setattr("sentire.representations.load.load_encoder", None)  # calling it would be an error
    ran = sentire("search", "so glad", "  ", "--in", rows_file)
    assert (ran.code, "expected a text to look for, got an empty one" in ran.err) == (2, True)


def test_texts_that_are_cut_are_told(sentire, encoder, tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("so glad " * 12_500 + "\n" + "so glad " * 12_500 + "never\n" + "what a day\n")
    note = "note: 1 text was longer than 100,000 characters; only its beginning was embedded\n"
    ran = sentire("embed", "--input", path, "--output", tmp_path / "out.npy", "--encoder", encoder)
    assert ran.code == 0
    assert note in ran.err
    ran = sentire("search", "so glad", "--in", path, "--encoder", encoder, "--json")
    assert note in ran.err
    path.write_text("so glad " * 13_000 + "\n" + "what a day " * 13_000)
    ran = sentire("embed", "--input", path, "--output", tmp_path / "out.npy", "--encoder", encoder)
    assert "note: 2 texts were longer than 100,000 characters; only their beginning was embedded\n" in ran.err


def test_texts_to_look_for_that_are_cut_are_told(sentire, vectors, encoder, tmp_path):
    queries = tmp_path / "queries.txt"
    whole, more = "so glad " * 12_500, "so glad " * 12_500 + "never"
    note = "note: 1 text to look for was longer than 100,000 characters; only its beginning was embedded\n"
    for texts, said in (([whole, "glad"], ""), ([whole, more], note)):
        queries.write_text("\n".join(texts))
        ran = sentire("search", "--queries", queries, "--in", vectors, "--encoder", encoder, "--json")
        assert (ran.code, ran.err, len(ran.rows)) == (0, said, 2)
    assert [one["similarity"] for one in ran.rows[0]["found"]] == [one["similarity"] for one in ran.rows[1]["found"]]
    queries.write_text(f"{more}\n{more}")
    ran = sentire("search", "--queries", queries, "--in", vectors, "--encoder", encoder, "--json")
    assert "2 texts to look for were longer than 100,000 characters; only their beginning was embedded\n" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "none.csv"], "a file that can be read, got No such file"),
        (["--input", "."], "a file of texts, got a directory"),
        (["--input", "rows.jsonl", "--text-column", "txt"], "a column 'txt', got the columns nr, text"),
    ],
)
def test_the_input_is_looked_at_before_the_encoder(sentire, rows_file, monkeypatch, arguments, message):
    monkeypatch.chdir(rows_file.parent)
    ran = sentire("embed", *arguments, "--output", "out.npy", "--encoder", "none/such/encoder")
    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert message in ran.err
    ran = sentire("search", "x", "--in", *arguments[1:], "--encoder", "none/such/encoder")
    assert (ran.code, message in ran.err) == (3, True)


def test_an_input_that_can_be_read_once(sentire_process, sentire, encoder, tmp_path):
    out = tmp_path / "out.npy"
    ran = sentire("embed", "--input", "-", "--output", out, "--encoder", encoder, stdin=b"so glad\nwhat a day\n")
    assert (ran.code, np.load(out).shape) == (0, (2, 8)), ran.err
    ran = sentire_process(
        "embed", "-i", "/dev/stdin", "--format", "txt", "-o", out, "-e", encoder, stdin=b"so glad\nnever\nno soup\n"
    )
    assert (ran.code, np.load(out).shape) == (0, (3, 8)), ran.err


def test_several_queries(sentire, vectors, tmp_path):
    (tmp_path / "queries.txt").write_text("so glad\n\nwhat a day\n")
    ran = sentire("search", "--queries", tmp_path / "queries.txt", "--in", vectors, "--json", "--top", 1)
    assert [(row["query"], row["found"][0]["id"]) for row in ran.rows] == [("so glad", "a"), ("what a day", "c")]
    assert ran.err == f"1 blank line of {tmp_path / 'queries.txt'} was passed over\n"
    ran = sentire("search", "--queries", "-", "--in", vectors, "--json", "--top", 1, stdin=b"what a day\n")
    assert ran.json["found"][0]["id"] == "c"
    ran = sentire("search", "--queries", "-", "--in", vectors)
    assert (ran.code, "a text to look for on each line, got an empty file" in ran.err) == (3, True)
    ran = sentire("search", "--queries", "-", "--in", vectors, stdin=b"\n \n")
    assert (ran.code, "a text to look for on each line, got 2 blank lines" in ran.err) == (3, True)
    ran = sentire("search", "--queries", "-", "--in", "-", stdin=b"so glad\n")
    assert (ran.code, "standard input for one of --queries and --in, got - for both" in ran.err) == (2, True)


@pytest.mark.parametrize("suffix", [".csv", ".TSV", ".jsonl", ".json", ".parquet"])
def test_queries_in_a_table_are_refused(sentire, rows_file, tmp_path, suffix):
    path = tmp_path / f"queries{suffix}"
    path.write_text("id,text\n1,so glad\n")
    ran = sentire("search", "--queries", path, "--in", rows_file)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, b"", 1)
    assert f"a text file of texts to look for, one a line, got a {suffix.lower()} file at --queries; write" in ran.err


def test_queries_in_another_encoding(sentire, vectors, tmp_path):
    path = tmp_path / "queries.txt"
    path.write_bytes("so glad, café\n".encode("cp1252"))
    ran = sentire("search", "--queries", path, "--encoding", "cp1252", "--in", vectors, "--json")
    assert ran.json["query"] == "so glad, café"
    ran = sentire("search", "--queries", path, "--in", vectors)
    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert f"got bytes that are not in the file's encoding at {path}:1; name the --encoding, or mend" in ran.err


def test_rejected_rows_are_told(sentire, encoder, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "so glad"}\n{"text": null}\n{"text": ""}\n{"text": "no soup"}\n')
    ran = sentire("embed", "--input", path, "--output", tmp_path / "out.npy", "--encoder", encoder)
    assert ran.code == 0
    assert "2 of 4 rows were not used (no text: 2)" in ran.err
    assert f"{path}:2: no text (text is NoneType)\n  {path}:3: no text (text is blank)" in ran.err
    assert "the rows of the array are the texts that were used" in ran.err
    assert np.load(tmp_path / "out.npy").shape == (2, 8)
    strict = sentire("embed", "--input", path, "--output", tmp_path / "x.npy", "--encoder", encoder, "--strict")
    assert (strict.code, "a row that can be read, got no text" in strict.err) == (3, True)
    assert not (tmp_path / "x.npy").exists()


def test_a_column_that_is_mostly_blank_is_embedded_and_searched(sentire, encoder, tmp_path):
    path, out = tmp_path / "rows.csv", tmp_path / "out.parquet"
    path.write_text("id,text\n" + "".join(f"{n},{'so glad' if n % 4 == 0 else ' ' * (n % 2)}\n" for n in range(40)))
    for arguments in (("embed", "--input", path, "--output", out), ("search", "so glad", "--in", path)):
        ran = sentire(*arguments, "--encoder", encoder)
        assert ran.code == 0, ran.err
        assert "30 of 40 rows were not used (no text: 30); the first:" in ran.err
    path.write_text("id,text\n1,\n2, \n3,\n")
    for arguments in (("embed", "--input", path, "--output", out), ("search", "so glad", "--in", path)):
        ran = sentire(*arguments, "--encoder", encoder)
        assert (ran.code, ran.err.count("\n")) == (3, 1)
        assert f"at least one row to use, got 3 with no text at {path}\n" in ran.err


def test_an_index_of_another_encoder(sentire, vectors, tmp_path):
    other = write_tiny_encoder(tmp_path / "other", n_positions=39)
    ran = sentire("search", "so glad", "--in", vectors, "--encoder", other)
    assert ran.code == 4
    assert f"error: expected vectors of the encoder {other} (" in ran.err
    assert "name the encoder that the file was made with, or embed the texts again" in ran.err


def name_another(path, **changes):
    """Write a file of vectors anew, with other facts."""
    from sentire.storage.vector_files import open_vector_writer, read_vectors

    table = read_vectors(path)
    facts = {key: value for key, value in ({**table.facts} | changes).items() if key != "d"}
    with open_vector_writer(path, table.vectors.shape[1], facts) as writer:
        writer.write(table.ids, table.texts, table.vectors)


def test_an_encoder_that_is_not_at_hand(sentire, vectors, encoder, tmp_path, monkeypatch):
    name_another(vectors, encoder="encoders/mine")  # a folder, seen from another one
    ran = sentire("search", "so glad", "--in", vectors)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"got no folder 'encoders/mine' here at {vectors}; name it with --encoder" in ran.err
    assert sentire("search", "so glad", "--in", vectors, "--encoder", encoder).code == 0
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders/mine").symlink_to(encoder)
    monkeypatch.chdir(tmp_path)
    assert sentire("search", "so glad", "--in", vectors).code == 0


def test_the_hub_is_asked_only_for_what_the_user_names(sentire, vectors, monkeypatch):
    from sentire.encoders import sources

    def refuse(*_):
        pytest.fail("the hub was asked")

    monkeypatch.setattr(sources, "_fetch_from_hub", refuse)
    name_another(vectors, encoder="owner/name", revision="0" * 40)
    ran = sentire("search", "so glad", "--in", vectors)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"from the hub: --encoder owner/name --revision {'0' * 40}\n" in ran.err
    name_another(vectors, encoder="owner/$(x)\x1b[0m", revision="0" * 40)
    ran = sentire("search", "so glad", "--in", vectors)
    assert ran.err.endswith("name it with --encoder\n"), "nobody is told to copy a name that a shell would run"
    assert "\x1b" not in ran.err


@pytest.mark.parametrize("name", [None, 7, ""])
def test_vectors_that_name_no_encoder(sentire, vectors, name):
    name_another(vectors, encoder=name)
    ran = sentire("search", "so glad", "--in", vectors)
    assert (ran.code, ran.err.count("\n")) == (4, 1)
    assert f"expected the name of the encoder of the vectors, got {name!r} at {vectors}; name it with --enc" in ran.err


@pytest.mark.parametrize(
    ("options", "got"),
    [
        (["--text-column", "txt", "--id-column", "nr"], "--text-column, --id-column"),
        (["--format", "parquet"], "--format"),
        (["--encoding", "cp1252"], "--encoding"),
        (["--revision", "0" * 40], "--revision without --encoder"),
    ],
)
def test_options_that_mean_nothing_for_vectors(sentire, vectors, options, got):
    ran = sentire("search", "so glad", "--in", vectors, *options)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"got {got} at {vectors}, a file of vectors" in ran.err


def test_a_search_loads_neither_pandas_nor_datasets(tmp_path):
    import subprocess
    import sys

    from sentire.representations.load import load_encoder
    from sentire.representations.text_files import embed_file
    from sentire.runtime.text_rows import Source

    rows, path = tmp_path / "rows.txt", tmp_path / "rows.parquet"
    rows.write_text("so glad\nno soup\n")
    embed_file(Source(path=rows), load_encoder("default"), path)
    program = """
import atexit, sys
atexit.register(lambda: print({"pandas", "pyarrow.dataset", "torch"} & set(sys.modules)))
from sentire.cli.main import main
main()
"""
    command = [sys.executable, "-c", program, "search", "so glad", "--in", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n"), done.stdout


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


def test_the_input_is_not_overwritten_by_the_facts_of_an_array(sentire, encoder, tmp_path):
    from sentire.core.errors import OutputError
    from sentire.representations.load import load_encoder
    from sentire.representations.text_files import embed_file
    from sentire.runtime.text_rows import Source

    path = tmp_path / "in.npy.json"
    path.write_text('{"text": "so glad"}\n')
    ran = sentire("embed", "-i", path, "--format", "jsonl", "-o", tmp_path / "in.npy", "-e", encoder)
    assert (ran.code, f"an output that is not the input, got {path}" in ran.err) == (5, True)
    with pytest.raises(OutputError, match="an output that is not the input"):
        embed_file(Source(path=path, file_format="jsonl"), load_encoder(str(encoder)), tmp_path / "in.npy")
    assert path.read_text() == '{"text": "so glad"}\n'
    assert not (tmp_path / "in.npy").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "a text or --queries, got neither"),
        (["x", "--queries", "-"], 2, "a text or --queries, got both"),
        (["x", "--in", "a.npy"], 2, "a file that holds texts, got .npy, which holds vectors alone at --in"),
        (["x", "--in", "none.csv"], 3, "a file that can be read, got No such file"),
        (["x", "--in", "empty.csv"], 3, "empty.csv"),
        (["x", "--in", "broken.parquet"], 3, "a Parquet file, got a damaged one"),
        (["x", "--in", "none.parquet"], 3, "a file that can be read, got No such file or directory at none.parquet\n"),
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


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_bytes_of_an_argument_that_are_no_text(sentire, vectors, encoder, form):
    ran = sentire("search", "so glad \udcff", "--in", vectors, "--encoder", encoder, *form)
    assert ran.code == 0, ran.err
    assert "so glad \ufffd" in ran.text
