"""EmoBank: sentences with valence, arousal and dominance, and every rater's score."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sentire.core.affect import VAD_1_5, VAD_DIMENSIONS
from sentire.core.records import Annotation, Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, parse_number, pass_over, read_cells
from sentire.data.root import find_corpus_file

_URL = "https://raw.githubusercontent.com/JULIELab/EmoBank/master/corpus"
_PERSPECTIVES = ("reader", "writer")
_SCORE_COLUMNS = ("V", "A", "D")

CARD = DatasetCard(
    name="emobank",
    title="EmoBank",
    revision="2022.1",
    citation=(
        "Buechel, Hahn 2017, EmoBank: Studying the Impact of Annotation Perspective and Representation Format on "
        "Dimensional Emotion Analysis, EACL, volume 2, pages 578-585"
    ),
    homepage="https://github.com/JULIELab/EmoBank",
    licence="CC BY-SA 4.0",
    weights_may_ship="with attribution, same licence",
    affect_scale=VAD_1_5,
    split_counts={"train": 8062, "dev": 1000, "test": 1000},
    files=(
        RemoteFile(
            path="emobank/emobank.csv",
            sha256="1ade4a4a453e880c0f39d0536d2b355e8a716e0cf88236c64cdb4d438cf9605b",
            url=f"{_URL}/emobank.csv",
        ),
        RemoteFile(
            path="emobank/meta.tsv",
            sha256="c848266476711a3fb68395b9907ef574e60289ad916c8db79b7ea2e62ab62e0e",
            url=f"{_URL}/meta.tsv",
        ),
    ),
    optional_files=(
        RemoteFile(
            path="emobank/individual_reader_ratings.csv",
            sha256="059bdadbdc1179b29c168b96f1e0c0a31fc2b0bab5e4103bf6cf3b3e6d53e7bf",
            url=f"{_URL}/individual_reader_ratings.csv",
        ),
        RemoteFile(
            path="emobank/individual_writer_ratings.csv",
            sha256="b6bf5a793b4ecd668b521155fdfa9dcb1920d21a8a1b608024e96a755bb3f706",
            url=f"{_URL}/individual_writer_ratings.csv",
        ),
    ),
    grouped_by="document",
    defects=(
        "126 of 136 source documents stand in more than one split",
        "288 texts of one token",
        "scores spread little: standard deviation V .35, A .26, D .21",
        "the files of single ratings name no raters: who gave which rating is not known",
    ),
    changes=(
        (
            "each single rating becomes an annotation named by its place in the file, such as reader-1; "
            "reader-1 of one text is not reader-1 of another"
        ),
    ),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the sentences of a split; single ratings are added where their files are there."""
    path = find_corpus_file(root, "emobank/emobank.csv", CARD)
    meta = _read_meta(find_corpus_file(root, "emobank/meta.tsv", CARD), reading)
    annotations = _read_ratings(root, reading)
    report = reading.report(path)
    for number, (name, row_split, text, *ratings) in read_cells(
        path, report, ("id", "split", "text", *_SCORE_COLUMNS), file_format="csv"
    ):
        if row_split not in CARD.splits:
            report.reject(number, "unknown split", repr(row_split))
            continue
        if row_split != split:
            pass_over(report)
            continue
        scores = _parse_scores(ratings)
        if not text.strip():
            report.reject(number, "empty text")
        elif scores is None:
            report.reject(number, "score that is no number from 1 to 5")
        elif name not in meta:
            report.reject(number, "no document in meta.tsv", name)
        else:
            document, notes = meta[name]
            yield Example(
                id=name,
                text=text,
                scores=scores,
                group=document,
                annotations=tuple(annotations.get(name, ())),
                notes=notes,
            )
    report.finish()


def _parse_scores(cells: Sequence[str]) -> dict[str, float] | None:
    scores: dict[str, float] = {}
    for dimension, cell in zip(VAD_DIMENSIONS, cells, strict=True):
        score = parse_number(cell)
        if score is None or not VAD_1_5.low <= score <= VAD_1_5.high:
            return None
        scores[dimension] = score
    return scores


def _read_meta(path: Path, reading: Reading) -> dict[str, tuple[str, dict[str, str]]]:
    report = reading.report(path, holds_examples=False)
    meta: dict[str, tuple[str, dict[str, str]]] = {}
    columns = ("id", "document", "category", "subcategory")
    for _, (name, document, *kinds) in read_cells(path, report, columns, file_format="tsv"):
        notes = {column: kind.strip() for column, kind in zip(columns[2:], kinds, strict=True) if kind.strip()}
        meta[name] = (document, notes)
    report.finish()
    return meta


def _read_ratings(root: Path, reading: Reading) -> dict[str, list[Annotation]]:
    ratings: dict[str, list[Annotation]] = {}
    for perspective in _PERSPECTIVES:
        path = root / f"emobank/individual_{perspective}_ratings.csv"
        if not path.exists():
            continue
        report = reading.report(path, holds_examples=False)
        n_of: Counter[str] = Counter()
        for number, (name, *cells) in read_cells(path, report, ("id", *_SCORE_COLUMNS), file_format="csv"):
            scores = _parse_scores(cells)
            if scores is None:
                report.reject(number, "score that is no number from 1 to 5")
                continue
            n_of[name] += 1
            ratings.setdefault(name, []).append(Annotation(annotator=f"{perspective}-{n_of[name]}", scores=scores))
        report.finish()
    return ratings
