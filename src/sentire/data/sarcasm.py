"""Sarcasm Corpus V2, the generic part: posts of debates, sarcastic or not."""

from collections.abc import Iterator
from pathlib import Path

from sentire.core.labels import SARCASM
from sentire.core.normalise import normalise_text
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, pass_over, read_cells
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE, is_in_own_split

_LABELS = {"notsarc": "not sarcastic", "sarc": "sarcastic"}

CARD = DatasetCard(
    name="sarcasm-v2",
    title="Sarcasm Corpus V2, generic",
    revision="2016.1",
    citation=(
        "Oraby, Harrison, Reed, Hernandez, Riloff, Walker 2016, Creating and Characterizing a Diverse Corpus of "
        "Sarcasm in Dialogue, SIGDIAL, pages 31-41"
    ),
    homepage="https://nlds.soe.ucsc.edu/sarcasm2",
    licence="none stated",
    weights_may_ship="no",
    label_space=SARCASM,
    split_counts={WHOLE: 6520, "train": 5214, "dev": 654, "test": 652},
    files=(
        RemoteFile(
            path="sarcasm_v2/GEN-sarc-notsarc.csv",
            sha256="2240c3c4ef43b413f096efd54d6faddf55c816f32a0bf8da7101d1ccd06a99ad",
            url="https://raw.githubusercontent.com/soraby/sarcasm2/master/sarcasm_v2/GEN-sarc-notsarc.csv",
        ),
    ),
    defects=("no official split", "ASCII alone; smileys stand as words such as emoticonXFrazzled"),
    changes=("train, dev and test (80, 10, 10 %) are drawn by the normalised text, so that equal texts stay together",),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the posts of a split."""
    path = find_corpus_file(root, "sarcasm_v2/GEN-sarc-notsarc.csv", CARD)
    report = reading.report(path)
    for number, cells in read_cells(path, report, ("class", "id", "text"), file_format="csv"):
        label, name, text = (cell.strip() for cell in cells)
        if not is_in_own_split(normalise_text(text), split):
            pass_over(report)
        elif not text:
            report.reject(number, "empty text")
        elif not name:
            report.reject(number, "no id")
        elif label not in _LABELS:
            report.reject(number, "label outside the label space", repr(label))
        else:
            yield Example(id=name, text=text, labels=(_LABELS[label],))
    report.finish()
