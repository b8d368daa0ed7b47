"""Files of vectors: one a text, with the facts of what made them. They appear whole or not at all."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, MissingExtraError, OutputError, UsageError, quote
from sentire.storage.atomic import check_writable, open_atomic
from sentire.storage.manifest import hash_file

VectorFormat = Literal["npy", "parquet"]

FORMAT = "sentire-vectors"
FORMAT_VERSION = 1
FACTS_KEY = b"sentire"
"""The entry of a Parquet file's metadata that holds the facts, in JSON."""

_SUFFIXES: dict[str, VectorFormat] = {".npy": "npy", ".parquet": "parquet"}
_COLUMNS = ("id", "text", "vector")


@dataclass(frozen=True, kw_only=True)
class VectorTable:
    """What a Parquet file of vectors holds.

    Attributes:
        ids: N identifiers.
        texts: N texts.
        vectors: Shape (N, D), float32.
        facts: What made them, as plain data.
    """

    ids: list[str]
    texts: list[str]
    vectors: NDArray[np.float32]
    facts: Mapping[str, Any]


class VectorWriter(Protocol):
    """Takes texts with their vectors, a batch at a time."""

    def write(self, ids: Sequence[str], texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Append B texts and their vectors, shape (B, D)."""


def check_vector_output(path: Path) -> VectorFormat:
    """Find out before long work that a file of vectors can be written there, and tell its format by its name.

    Raises:
        UsageError: The name ends in no suffix of a format of vectors.
        OutputError: The place cannot be written.
    """
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise UsageError(
            expected=f"an output that ends in {' or '.join(_SUFFIXES)}", got=quote(path.name), where="--output"
        )
    for file in list_vector_files(path):
        check_writable(file)
    return found


def name_facts_file(path: Path) -> Path:
    """Return the name of the JSON file that stands beside a ``.npy`` file.

    Example:
        >>> name_facts_file(Path("mood.npy")).name
        'mood.npy.json'
    """
    return path.with_name(f"{path.name}.json")


def list_vector_files(path: Path) -> tuple[Path, ...]:
    """Return the files that are written for an output: itself and, of a ``.npy`` file, that of its facts."""
    return (path, name_facts_file(path)) if _SUFFIXES.get(path.suffix.lower()) == "npy" else (path,)


@contextmanager
def open_vector_writer(path: Path, n_dimensions: int, facts: Mapping[str, Any]) -> Iterator[VectorWriter]:
    """Open a file of vectors for writing; it takes its name when the block ends well.

    A ``.parquet`` file has the columns id, text and vector, and the facts in its metadata. A ``.npy`` file has the
    vectors alone, and beside it stands a JSON file with the facts, the numbers of rows and columns, and the array's
    SHA-256: two files cannot take their names at one moment, and a kill between leaves a pair that the hash tells.

    Args:
        path: Of the file.
        n_dimensions: D.
        facts: What makes the vectors, as plain data.

    Raises:
        UsageError: The name ends in no suffix of a format of vectors.
        OutputError: The place cannot be written.
        MissingExtraError: Parquet is asked for and its library is not installed.
    """
    file_format = check_vector_output(path)
    named = {"format": FORMAT, "format_version": FORMAT_VERSION, **facts, "d": n_dimensions}
    if file_format == "parquet":
        with open_atomic(path) as file, _open_parquet(file, n_dimensions, named) as writer:
            yield writer
        return
    # The array is the inner one, so that it takes its name first, when both are whole.
    with open_atomic(name_facts_file(path)) as facts_file, open_atomic(path) as file:
        array = _ArrayWriter(file, n_dimensions)
        yield array
        array.finish()
        options = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        counted = {**named, "n": array.n_rows, "array_sha256": hash_file(Path(file.name))}
        facts_file.write(orjson.dumps(counted, option=options))
        facts_file.flush()
        os.fsync(facts_file.fileno())  # where the disk is full, neither has taken its name


class _ArrayWriter:
    """Writes a ``.npy`` file whose number of rows is known at the end only."""

    def __init__(self, file: BinaryIO, n_dimensions: int) -> None:
        self._file = file
        self._n_dimensions = n_dimensions
        self.n_rows = 0
        self._write_header()
        self._data_start = file.tell()

    def write(self, ids: Sequence[str], texts: Sequence[str], vectors: NDArray[np.float32]) -> None:  # noqa: ARG002
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())
        self.n_rows += len(vectors)

    def finish(self) -> None:
        self._file.seek(0)
        self._write_header()
        if self._file.tell() != self._data_start:  # numpy keeps room for a number of any length
            raise OutputError(expected="a header of the length of the first", got="another")
        self._file.seek(0, os.SEEK_END)
        self._file.flush()

    def _write_header(self) -> None:
        shape = (self.n_rows, self._n_dimensions)
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


@contextmanager
def _open_parquet(file: BinaryIO, n_dimensions: int, facts: Mapping[str, Any]) -> Iterator[VectorWriter]:
    pa, pq = _import_parquet()
    kinds = (pa.string(), pa.string(), pa.list_(pa.float32(), n_dimensions))
    schema = pa.schema(list(zip(_COLUMNS, kinds, strict=True)), metadata={FACTS_KEY: orjson.dumps(facts)})

    class ParquetVectorWriter:
        def write(self, ids: Sequence[str], texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
            flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
            rows = pa.FixedSizeListArray.from_arrays(flat, n_dimensions)
            columns = [pa.array(list(ids), pa.string()), pa.array(list(texts), pa.string()), rows]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))

    with pq.ParquetWriter(file, schema, write_page_checksum=True) as writer:
        yield ParquetVectorWriter()


def read_vector_facts(path: Path) -> Mapping[str, Any] | None:
    """Return the facts of a Parquet file of vectors; None where the file is another one.

    Raises:
        ArtifactError: The facts are damaged or of another version.
        MissingExtraError: The library for Parquet is not installed.
    """
    if path.suffix.lower() != ".parquet":
        return None
    pa, pq = _import_parquet()
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (pa.ArrowException, OSError, ValueError):
        return None  # no Parquet file at all: whoever reads its rows says so
    if FACTS_KEY not in metadata:
        return None
    try:
        facts = orjson.loads(metadata[FACTS_KEY])
    except orjson.JSONDecodeError as error:
        raise ArtifactError(expected="the facts of the vectors in JSON", got=error.msg, where=str(path)) from error
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("format_version")) != (FORMAT, FORMAT_VERSION):
        raise ArtifactError(expected=f"{FORMAT} version {FORMAT_VERSION}", got=quote(facts), where=str(path))
    return facts


def read_vectors(path: Path) -> VectorTable:
    """Read a Parquet file of vectors.

    Damage to what it holds is told by the checksums of its pages; files that were written without them are read, too.

    Raises:
        ArtifactError: It is another file, is damaged, or a row has no id, text or vector.
        MissingExtraError: The library for Parquet is not installed.
    """
    facts = read_vector_facts(path)
    if facts is None:
        raise ArtifactError(
            expected="a Parquet file of vectors", got="another file", where=str(path), hint="make one: sentire embed"
        )
    pa, pq = _import_parquet()
    try:
        # pq.read_table and Array.to_numpy would import pandas where it is installed, which takes a second.
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(columns=list(_COLUMNS))
        columns = [table.column(name).combine_chunks() for name in _COLUMNS]
        ids, texts = (column.to_pylist() for column in columns[:2])
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:  # ValueError: text that is not UTF-8
        got = quote(" ".join(str(error).split()))
        raise ArtifactError(expected="a whole Parquet file of vectors", got=got, where=str(path)) from error
    kind = columns[2].type
    if kind != pa.list_(pa.float32(), facts.get("d") if isinstance(facts.get("d"), int) else -1):
        raise ArtifactError(expected=f"vectors of {facts.get('d')} float32", got=str(kind), where=str(path))
    numbers = columns[2].flatten()
    if n_missing := sum(column.null_count for column in (*columns, numbers)):
        raise ArtifactError(
            expected="an id, a text and a vector in every row", got=f"{n_missing} missing", where=str(path)
        )
    buffer = numbers.buffers()[1]
    flat = np.frombuffer(buffer, np.float32)[numbers.offset :][: len(numbers)] if buffer else np.empty(0, np.float32)
    return VectorTable(ids=ids, texts=texts, vectors=flat.reshape(-1, kind.list_size), facts=facts)


def _import_parquet() -> tuple[Any, Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(extra="data", needed_for="Parquet files") from error
    return pa, pq
