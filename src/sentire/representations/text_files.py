"""Embed the texts of a file, as a stream into a file of vectors or into an index."""

import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.errors import ArtifactError, quote
from sentire.core.progress import OnProgress, stay_quiet
from sentire.representations.index import Index
from sentire.representations.text_encoder import TextEncoder
from sentire.runtime.text_rows import Source, TextRow, check_is_not_input, read_text_batches
from sentire.runtime.texts import LONGEST_TEXT_CHARS
from sentire.storage.lines import STDIN
from sentire.storage.report import ReadReport
from sentire.storage.vector_files import list_vector_files, open_vector_writer, read_vector_facts, read_vectors

_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class FileEmbedding:
    """What came of a file.

    Attributes:
        n_texts: Vectors that were written.
        n_cut: How many of them are of the beginning of a text alone, which has more than ``LONGEST_TEXT_CHARS``.
        report: What happened to the rows: always read = texts + rejected.
        seconds: Wall time from the first row to the last.
    """

    n_texts: int
    n_cut: int
    report: ReadReport
    seconds: float

    @property
    def texts_per_second(self) -> float:
        """The rate, reading and writing included."""
        return self.n_texts / self.seconds if self.seconds else 0.0


def embed_file(
    source: Source,
    encoder: TextEncoder,
    output: Path,
    *,
    report: ReadReport | None = None,
    on_progress: OnProgress = stay_quiet,
) -> FileEmbedding:
    """Write one vector for every row that has a text, in their order and in bounded memory.

    A text of white space alone is none: its row is rejected. However many there are, the other rows are embedded.

    Args:
        source: What to read.
        encoder: Whose vectors.
        output: A ``.npy`` or ``.parquet`` file, as ``open_vector_writer`` writes them; the latter can be searched.
        report: Counts the rows; one that reads leniently where None.
        on_progress: Told after every batch.

    Raises:
        DataError: The file cannot be read, has no such column or no text, or too many rows were rejected.
        UsageError: The output is of no format of vectors.
        OutputError: The output, or the file of its facts, is the input or cannot be written; nothing is left
            half-written.
    """
    started = time.perf_counter()
    for file in list_vector_files(output):
        check_is_not_input(file, source)
    counts = report or ReadReport(str(source.path))
    n_texts = n_cut = 0
    with open_vector_writer(output, encoder.n_dimensions, describe_vectors(encoder)) as writer:
        for rows, vectors in _embed_batches(source, encoder, counts, on_progress):
            writer.write([row.id for row in rows], [row.text for row in rows], vectors)
            n_texts += len(rows)
            n_cut += sum(len(row.text) > LONGEST_TEXT_CHARS for row in rows)
        counts.finish()
    return FileEmbedding(n_texts=n_texts, n_cut=n_cut, report=counts, seconds=time.perf_counter() - started)


def index_file(
    source: Source,
    encoder: TextEncoder,
    *,
    report: ReadReport | None = None,
    on_progress: OnProgress = stay_quiet,
) -> Index:
    """Embed the texts of a file and put them into an index; a text of white space alone is none.

    Args:
        source: What to read.
        encoder: Whose vectors.
        report: Counts the rows; one that reads leniently where None.
        on_progress: Told after every batch.

    Raises:
        DataError: The file cannot be read, has no such column or no text, or too many rows were rejected.
    """
    counts = report or ReadReport(str(source.path))
    found = list(_embed_batches(source, encoder, counts, on_progress))
    counts.finish()
    rows = [row for batch, _ in found for row in batch]
    vectors = np.concatenate([np.empty((0, encoder.n_dimensions), np.float32), *(vectors for _, vectors in found)])
    return Index(encoder, [row.id for row in rows], [row.text for row in rows], vectors)


def check_source(source: Source, report: ReadReport) -> None:
    """Read how a file begins, so that what is wrong with it is told before an encoder is loaded, which takes seconds.

    Standard input and pipes are left alone: they can be read once only.

    Args:
        source: What will be read.
        report: Counts what is read here; take another one for the whole.

    Raises:
        DataError: The file cannot be read or has no such column, or too many rows were rejected.
    """
    try:
        mode = os.stat(source.path).st_mode  # noqa: PTH116  for what Path has two questions
        can_be_read_again = stat.S_ISREG(mode) or stat.S_ISDIR(mode)
    except (OSError, ValueError):
        can_be_read_again = True  # there is none, which its reader says
    if source.path != STDIN and can_be_read_again:
        next(read_text_batches(source, report), None)


def read_index(path: Path, encoder: TextEncoder) -> Index:
    """Read a Parquet file that ``embed_file`` wrote.

    Raises:
        ArtifactError: It is another file, is damaged, or its vectors are another encoder's.
        DataError: It has no row, or a vector that is not finite or has no direction.
    """
    facts = read_vector_facts(path)
    if facts is not None and facts.get("fingerprint") != encoder.fingerprint:
        raise ArtifactError(
            expected=f"vectors of the encoder {encoder.name} ({encoder.fingerprint})",
            got=f"those of {quote(facts.get('encoder'))} ({facts.get('fingerprint')})",
            where=str(path),
            hint="name the encoder that the file was made with, or embed the texts again",
        )
    table = read_vectors(path)
    return Index(encoder, table.ids, table.texts, table.vectors)


def describe_vectors(encoder: TextEncoder) -> dict[str, Any]:
    """Return the facts that stand in a file of an encoder's vectors, as plain data."""
    return {"encoder": encoder.name, "revision": encoder.revision, "fingerprint": encoder.fingerprint}


def name_encoder(facts: Mapping[str, Any], *, where: str) -> tuple[str, str]:
    """Return the name and, for one from the hub, the commit of the encoder that made a file of vectors.

    Args:
        facts: Of the file.
        where: The file, for messages.

    Raises:
        ArtifactError: The facts name no encoder.
    """
    name, revision = facts.get("encoder"), str(facts.get("revision"))
    if not isinstance(name, str) or not name:
        raise ArtifactError(
            expected="the name of the encoder of the vectors",
            got=quote(name),
            where=where,
            hint="name it with --encoder, or embed the texts again",
        )
    return name, revision if _COMMIT.fullmatch(revision) else ""


def _embed_batches(
    source: Source, encoder: TextEncoder, report: ReadReport, on_progress: OnProgress
) -> Iterator[tuple[list[TextRow], NDArray[np.float32]]]:
    n_before = 0

    def pass_on(n_done: int, n_total: int | None, note: str) -> None:  # noqa: ARG001  how many rows follow is not known
        on_progress(n_before + n_done, None, note)

    for read in read_text_batches(source, report):
        rows = [row for row in read if _has_text(row, report)]
        yield rows, encoder.encode([row.text for row in rows], on_progress=pass_on)
        n_before += len(rows)


def _has_text(row: TextRow, report: ReadReport) -> bool:
    # An answer can say of a blank text that there is nothing to judge; a vector cannot, and would be near others.
    has_text = bool(row.text.strip())
    if not has_text:
        report.reject(row.number, "no text", "text is blank", is_empty=True)
    return has_text
