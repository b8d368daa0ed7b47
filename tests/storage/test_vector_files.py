"""Files of vectors come back as they were written, whole or not at all."""

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


def test_places_and_names(tmp_path):
    with pytest.raises(UsageError, match=r"ends in \.npy or \.parquet, got 'a\.csv' at --output"):
        check_vector_output(tmp_path / "a.csv")
    with pytest.raises(OutputError, match="a place that can be written, got No such file"):
        check_vector_output(tmp_path / "none" / "a.npy")


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
