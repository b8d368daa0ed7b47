"""Files of vectors come back as they were written, whole or not at all."""

import errno
import hashlib
import os
import subprocess
import sys

import numpy as np
import orjson
import pytest

from sentire.core.errors import ArtifactError, OutputError, UsageError
from sentire.storage.vector_files import check_vector_output, open_vector_writer, read_vector_facts, read_vectors

FACTS = {"encoder": "tiny", "fingerprint": "0123"}


def write(path, vectors, n_parts=1):
    with open_vector_writer(path, vectors.shape[1], FACTS) as writer:
        for part in np.array_split(np.arange(len(vectors)), n_parts):
            writer.write([f"r{one}" for one in part], [f"text {one}" for one in part], vectors[part])
    return path


@pytest.mark.parametrize("n_rows", [0, 1, 12_345])
def test_an_array_and_its_facts(tmp_path, n_rows):
    vectors = np.random.default_rng(1).normal(size=(n_rows, 3)).astype(np.float32)
    path = write(tmp_path / "a.npy", vectors, n_parts=4)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), vectors)
    facts = orjson.loads((tmp_path / "a.npy.json").read_bytes())
    assert (facts["encoder"], facts["fingerprint"], facts["n"], facts["d"]) == ("tiny", "0123", n_rows, 3)
    assert {one.name for one in tmp_path.iterdir()} == {"a.npy", "a.npy.json"}
    assert facts["array_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_table_and_its_facts(tmp_path):
    pytest.importorskip("pyarrow")
    vectors = np.random.default_rng(2).normal(size=(11, 3)).astype(np.float32)
    table = read_vectors(write(tmp_path / "a.parquet", vectors, n_parts=3))
    np.testing.assert_array_equal(table.vectors, vectors)
    assert (table.ids[10], table.texts[0]) == ("r10", "text 0")
    assert table.facts["fingerprint"] == "0123"


@pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
def test_a_failure_leaves_what_was_there(tmp_path, name):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / name, np.ones((2, 3), np.float32))
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    with pytest.raises(ZeroDivisionError), open_vector_writer(path, 3, FACTS) as writer:
        writer.write(["x"], ["x"], np.full((1, 3), 1 / 0, np.float32))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_the_array_and_its_facts_as_they_were(tmp_path, monkeypatch):
    path = write(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    sync = os.fsync

    def refuse_array(descriptor):
        partials = [one for one in tmp_path.glob(".a.npy.*.partial") if ".json." not in one.name]
        if any(os.path.samestat(os.fstat(descriptor), one.stat()) for one in partials):
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_array)
    with pytest.raises(OutputError, match=r"No space left on device .*nothing was left half-written"):
        write(path, np.zeros((5, 3), np.float32))
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


def test_the_array_takes_its_name_first(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    names = []
    replace = os.replace

    def note_name(partial, target):
        names.append(target.name)
        replace(partial, target)

    monkeypatch.setattr(os, "replace", note_name)
    write(path, np.ones((2, 3), np.float32))
    assert names == ["a.npy", "a.npy.json"]


def test_places_and_names(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.npy or \.parquet, got 'a\.csv' at --output"):
        check_vector_output(tmp_path / "a.csv")
    with pytest.raises(OutputError, match="a place that can be written, got No such file"):
        check_vector_output(tmp_path / "none" / "a.npy")
    (tmp_path / "b.npy.json").mkdir()
    with pytest.raises(OutputError, match=r"a place that can be written, got a directory at .*b\.npy\.json"):
        check_vector_output(tmp_path / "b.npy")


def test_another_table(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["so glad"]}), path)
    assert read_vector_facts(path) is None
    with pytest.raises(ArtifactError, match=r"a Parquet file of vectors, got another file .*make one: sentire embed"):
        read_vectors(path)


def rewrite(path, change):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = change({name: table.column(name).to_pylist() for name in table.column_names})
    kinds = {"id": pa.string(), "text": pa.string(), "vector": pa.list_(pa.float32(), len(columns["vector"][0]))}
    schema = pa.schema(list(kinds.items()), metadata=table.schema.metadata)
    pq.write_table(pa.table(columns, schema=schema), path)


def test_damage(tmp_path):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "a.parquet", np.ones((2, 3), np.float32))
    rewrite(path, lambda columns: {**columns, "text": ["x", None]})
    with pytest.raises(ArtifactError, match="an id, a text and a vector in every row, got 1 missing"):
        read_vectors(path)
    rewrite(path, lambda columns: {**columns, "vector": [[1.0, 2.0]] * 2})
    with pytest.raises(ArtifactError, match=r"vectors of 3 float32, got fixed_size_list.*\[2\]"):
        read_vectors(path)
    content = write(path, np.ones((2, 3), np.float32)).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert read_vector_facts(path) is None, "half a file is no table; whoever reads its rows says so"


def test_flipped_bits_are_noticed(tmp_path):
    pytest.importorskip("pyarrow")
    vectors = np.random.default_rng(3).normal(size=(400, 3)).astype(np.float32)
    path = write(tmp_path / "a.parquet", vectors)
    content, whole = path.read_bytes(), read_vectors(path)
    n_noticed = 0
    places = range(4, 10_000, 97)  # in the pages: the footer comes after them
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            table = read_vectors(path)
        except ArtifactError:
            n_noticed += 1
        else:  # a bit of a page's header that says nothing of what the page holds
            np.testing.assert_array_equal(table.vectors, whole.vectors)
            assert (table.ids, table.texts) == (whole.ids, whole.texts)
    assert n_noticed > 0.9 * len(places)


def test_files_of_before_have_no_checksums(tmp_path):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "a.parquet", np.arange(6, dtype=np.float32).reshape(2, 3))
    rewrite(path, lambda columns: columns)
    np.testing.assert_array_equal(read_vectors(path).vectors, [[0, 1, 2], [3, 4, 5]])


def test_a_number_that_is_missing(tmp_path):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "a.parquet", np.ones((2, 3), np.float32))
    rewrite(path, lambda columns: {**columns, "vector": [[1.0, None, 2.0], [1.0, 1.0, 1.0]]})
    with pytest.raises(ArtifactError, match="an id, a text and a vector in every row, got 1 missing"):
        read_vectors(path)


def test_text_that_is_none(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = write(tmp_path / "a.parquet", np.ones((1, 3), np.float32))
    table = pq.read_table(path)
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"so \xff"], pa.binary()).buffers())
    pq.write_table(table.set_column(1, table.schema.field("text"), broken), path)
    with pytest.raises(ArtifactError, match=r"a whole Parquet file of vectors, got .*can't decode byte 0xff"):
        read_vectors(path)


@pytest.mark.parametrize("n_rows", [0, 5])
def test_reading_loads_neither_pandas_nor_datasets(tmp_path, n_rows):
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "a.parquet", np.ones((n_rows, 3), np.float32))
    program = f"""
import sys
from pathlib import Path
from sentire.storage.vector_files import read_vectors
print(read_vectors(Path({str(path)!r})).vectors.shape, {{"pandas", "pyarrow.dataset"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == f"({n_rows}, 3) set()"


def test_facts_of_another_version(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    for facts, message in (
        (b'{"format":"sentire-vectors","format_version":7}', "sentire-vectors version 1, got .*7"),
        (b"{", "the facts of the vectors in JSON"),
    ):
        table = pa.table({"text": ["so glad"]}).replace_schema_metadata({b"sentire": facts})
        pq.write_table(table, path)
        with pytest.raises(ArtifactError, match=message):
            read_vector_facts(path)
