"""EmoContext (SemEval-2019 Task 3): the emotion of the last of three turns."""

from collections.abc import Iterator
from pathlib import Path

from sentire.core.errors import did_you_mean
from sentire.core.labels import EMOCONTEXT
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, read_cells
from sentire.data.root import find_corpus_file

_COLUMNS = ("id", "turn1", "turn2", "turn3", "label")

CARD = DatasetCard(
    name="emocontext",
    title="EmoContext (SemEval-2019 Task 3)",
    revision="2019.1",
    citation=(
        "Chatterjee, Narahari, Joshi, Agrawal 2019, SemEval-2019 Task 3: EmoContext Contextual Emotion Detection "
        "in Text, SemEval, pages 39-48"
    ),
    homepage="https://www.humanizing-ai.com/emocontext.html",
    licence="bound to the task's participants",
    weights_may_ship="no",
    label_space=EMOCONTEXT,
    split_counts={"train": 30160, "dev": 2755, "test": 5509},
    files=tuple(RemoteFile(path=f"emocontext/{split}.txt") for split in ("train", "dev", "test")),
    has_context=True,
    defects=(
        "quotes are unbalanced",
        "the counts are those that the task states; not measured here",
        "the official score is the micro-F1 of happy, sad and angry alone",
    ),
    changes=("the third turn is the text, the first two are its context",),
    access=(
        "the files are given to the task's participants by its organisers: save them, with their labels, as "
        "train.txt, dev.txt and test.txt in the folder emocontext"
    ),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream one file: tabs between the fields, no quoting, lines that end in CRLF or LF."""
    path = find_corpus_file(root, f"emocontext/{split}.txt", CARD)
    report = reading.report(path)
    for number, cells in read_cells(path, report, _COLUMNS, file_format="tsv"):
        name, first, second, text, label = (cell.strip() for cell in cells)
        if not name:
            report.reject(number, "no id")
        elif not text:
            report.reject(number, "empty text")
        elif label not in EMOCONTEXT:
            near = did_you_mean(label, EMOCONTEXT.labels)
            report.reject(number, "label outside the label space", f"{label!r}{'; ' if near else ''}{near}")
        else:
            context = tuple(turn for turn in (first, second) if turn)
            yield Example(id=name, text=text, context=context, labels=(label,))
    report.finish()
