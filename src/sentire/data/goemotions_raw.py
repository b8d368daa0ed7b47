"""GoEmotions, the raw annotator files: every rater's labels of every comment."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Annotation, Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.goemotions import CITATION
from sentire.data.reading import Reading, read_cells
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE
from sentire.storage.report import ReadReport

_URL = "https://storage.googleapis.com/gresearch/goemotions/data/full_dataset"
_FILES = ("goemotions_1.csv", "goemotions_2.csv", "goemotions_3.csv")
# The columns author, link_id, parent_id and created_utc point at people and are never read.
_COLUMNS = ("text", "id", "subreddit", "rater_id", "example_very_unclear", *GOEMOTIONS.labels)

FEWEST_RATERS = 2
"""A label holds where at least so many raters chose it."""

CARD = DatasetCard(
    name="goemotions-raw",
    title="GoEmotions, raw annotations",
    revision="2020.1",
    citation=CITATION,
    homepage="https://github.com/google-research/google-research/tree/master/goemotions",
    licence="Apache-2.0 (release), CC BY 4.0 (data)",
    weights_may_ship="with attribution",
    label_space=GOEMOTIONS,
    split_counts={WHOLE: 58009},
    files=tuple(RemoteFile(path=f"goemotions_raw/{name}", url=f"{_URL}/{name}") for name in _FILES),
    defects=(
        "the counts are those that the paper states (58,009 comments, 3 to 5 raters each); not measured here",
        "a comment on no label of which two raters agree has no label (about 7 % by the paper)",
        "the release holds the names of the comments' authors",
    ),
    changes=(
        "the rows of a comment become one example, each rater one annotation",
        f"a label holds where at least {FEWEST_RATERS} raters chose it, as in the paper, section 5.1",
        "authors, times and links are never read",
    ),
)


@dataclass(kw_only=True)
class _Comment:
    text: str
    subreddit: str
    annotations: list[Annotation] = field(default_factory=list)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Yield the comments in the order in which they first occur.

    The rows of a comment are spread over the three files, so all are read before the first example comes. The
    reading counts rows (one rater, one comment), not examples.

    **Source**: Demszky et al. 2020, section 5.1 (labels that only one rater chose are left out).
    """
    comments: dict[str, _Comment] = {}
    for name in _FILES:
        path = find_corpus_file(root, f"goemotions_raw/{name}", CARD)
        report = reading.report(path)
        for number, cells in read_cells(path, report, _COLUMNS, file_format="csv"):
            _add_row(comments, number, dict(zip(_COLUMNS, cells, strict=True)), report)
        report.finish()
    for comment, known in comments.items():
        agreed = _agreed(known.annotations)
        yield Example(
            id=comment,
            text=known.text,
            labels=agreed,
            is_labelled=bool(agreed),
            annotations=tuple(known.annotations),
            notes={"subreddit": known.subreddit},
        )


def _add_row(comments: dict[str, _Comment], number: int, cells: Mapping[str, str], report: ReadReport) -> None:
    wrong = next((label for label in GOEMOTIONS.labels if cells[label] not in ("0", "1")), None)
    unclear = cells["example_very_unclear"].lower()
    known = comments.get(cells["id"])
    if not cells["text"].strip():
        report.reject(number, "empty text")
    elif not cells["id"].strip() or not cells["rater_id"].strip():
        report.reject(number, "no comment id or no rater id")
    elif wrong is not None:
        report.reject(number, "label cell is neither 0 nor 1", f"{wrong}: {cells[wrong]!r}")
    elif unclear not in ("true", "false"):
        report.reject(number, "example_very_unclear is neither True nor False", repr(unclear))
    elif known is not None and known.text != cells["text"]:
        report.reject(number, "text differs from the first row of the same comment")
    elif known is not None and any(one.annotator == cells["rater_id"] for one in known.annotations):
        report.reject(number, "the same rater twice", f"rater {cells['rater_id']}")
    else:
        if known is None:
            known = comments[cells["id"]] = _Comment(text=cells["text"], subreddit=cells["subreddit"])
        known.annotations.append(
            Annotation(
                annotator=cells["rater_id"],
                labels=tuple(label for label in GOEMOTIONS.labels if cells[label] == "1"),
                is_unclear=unclear == "true",
            )
        )


def _agreed(annotations: list[Annotation]) -> tuple[str, ...]:
    return tuple(
        label
        for label in GOEMOTIONS.labels
        if sum(label in annotation.labels for annotation in annotations) >= FEWEST_RATERS
    )
