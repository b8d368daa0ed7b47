"""GoEmotions, the split files: comments with labels on which at least two raters agreed."""

from collections.abc import Iterator
from pathlib import Path

from sentire.core.errors import quote
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading
from sentire.data.root import find_corpus_file
from sentire.storage.rows import read_rows

_URL = "https://raw.githubusercontent.com/google-research/google-research/master/goemotions/data"
_COLUMN_OF = {str(column): column for column in range(len(GOEMOTIONS))}

CITATION = (
    "Demszky, Movshovitz-Attias, Ko, Cowen, Nemade, Ravi 2020, "
    "GoEmotions: A Dataset of Fine-Grained Emotions, ACL, pages 4040-4054"
)

CARD = DatasetCard(
    name="goemotions",
    title="GoEmotions",
    revision="2020.1",
    citation=CITATION,
    homepage="https://github.com/google-research/google-research/tree/master/goemotions",
    licence="Apache-2.0 (release), CC BY 4.0 (data)",
    weights_may_ship="with attribution",
    label_space=GOEMOTIONS,
    split_counts={"train": 43410, "dev": 5426, "test": 5427},
    files=(
        RemoteFile(
            path="goemotions/train.tsv",
            sha256="1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
            url=f"{_URL}/train.tsv",
        ),
        RemoteFile(
            path="goemotions/dev.tsv",
            sha256="575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
            url=f"{_URL}/dev.tsv",
        ),
        RemoteFile(
            path="goemotions/test.tsv",
            sha256="0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
            url=f"{_URL}/test.tsv",
        ),
    ),
    defects=(
        "109 test texts also occur in train once normalised, 36 of them with four tokens or more",
        "124 groups of equal train texts carry different label sets",
        "rare in test: grief 6, relief 11, pride 16, nervousness 23",
        "names and religions are masked as [NAME] and [RELIGION]",
    ),
    changes=("label numbers become names, in the order of the label space; texts are unchanged",),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream one split file; a comment's id is the example's id."""
    path = find_corpus_file(root, f"goemotions/{split}.tsv", CARD)
    report = reading.report(path)
    for row in read_rows(path, report, file_format="tsv", columns=("text", "label_ids", "id")):
        text, label_ids, comment = (str(row.fields[column]) for column in ("text", "label_ids", "id"))
        unknown = [one for one in label_ids.split(",") if one not in _COLUMN_OF]
        if not text.strip():
            report.reject(row.number, "empty text")
        elif not comment.strip():
            report.reject(row.number, "no comment id")
        elif unknown:
            report.reject(row.number, "unknown label id", f"{quote(unknown[0])}, expected 0 to {len(GOEMOTIONS) - 1}")
        else:
            columns = sorted({_COLUMN_OF[one] for one in label_ids.split(",")})
            yield Example(id=comment, text=text, labels=tuple(GOEMOTIONS.labels[column] for column in columns))
    report.finish()
