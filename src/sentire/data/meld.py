"""MELD: lines of a television series, in dialogues, with emotion and sentiment."""

import re
from collections.abc import Iterator
from pathlib import Path

from sentire.core.errors import quote
from sentire.core.labels import MELD
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, read_cells
from sentire.data.root import find_corpus_file

_URL = "https://raw.githubusercontent.com/declare-lab/MELD/master/data/MELD"
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
_NUMBER = re.compile(r"[0-9]{1,9}")
_CURLY_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})

CARD = DatasetCard(
    name="meld",
    title="MELD",
    revision="2019.1",
    citation=(
        "Poria, Hazarika, Majumder, Naik, Cambria, Mihalcea 2019, MELD: A Multimodal Multi-Party Dataset for Emotion "
        "Recognition in Conversations, ACL, pages 527-536"
    ),
    homepage="https://github.com/declare-lab/MELD",
    licence="GPL-3.0; the text belongs to the studio",
    weights_may_ship="no",
    label_space=MELD,
    split_counts={"train": 9989, "dev": 1109, "test": 2610},
    files=(
        RemoteFile(
            path="meld/train_sent_emo.csv",
            sha256="d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
            url=f"{_URL}/train_sent_emo.csv",
        ),
        RemoteFile(
            path="meld/dev_sent_emo.csv",
            sha256="2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
            url=f"{_URL}/dev_sent_emo.csv",
        ),
        RemoteFile(
            path="meld/test_sent_emo.csv",
            sha256="8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888",
            url=f"{_URL}/test_sent_emo.csv",
        ),
    ),
    grouped_by="dialogue",
    has_context=True,
    defects=(
        "331 test texts occur in train, 40 of them with four tokens or more",
        "curly and straight quotes are mixed",
        "dialogue 60 of train is missing; 76 dialogues lack a turn between two others",
    ),
    changes=(
        "curly quotes become straight ones",
        "the context of a turn is the text of every earlier turn of its dialogue; who spoke is in the notes",
    ),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream one split file; a turn's id is its dialogue and its place therein."""
    path = find_corpus_file(root, f"meld/{split}_sent_emo.csv", CARD)
    report = reading.report(path)
    dialogue, last_turn = -1, -1
    context: list[str] = []
    for number, cells in read_cells(path, report, _COLUMNS, file_format="csv"):
        text, speaker, label, sentiment, dialogue_id, turn_id = (
            cell.translate(_CURLY_QUOTES).strip() for cell in cells
        )
        if not _NUMBER.fullmatch(dialogue_id) or not _NUMBER.fullmatch(turn_id):
            report.reject(number, "dialogue or turn without a number", f"{quote(dialogue_id)}, {quote(turn_id)}")
            continue
        place = (int(dialogue_id), int(turn_id))
        if place <= (dialogue, last_turn):
            report.reject(number, "turn out of order", f"{place} after {(dialogue, last_turn)}")
            continue
        if place[0] != dialogue:
            context.clear()
        dialogue, last_turn = place
        if not text:
            report.reject(number, "empty text")
            continue
        before = tuple(context)
        # A turn whose label cannot be used is still something that was said before the next one.
        context.append(text)
        if label not in MELD:
            report.reject(number, "label outside the label space", repr(label))
            continue
        yield Example(
            id=f"{dialogue}-{last_turn}",
            text=text,
            context=before,
            labels=(label,),
            group=f"{split}-{dialogue}",
            notes={"speaker": speaker, "sentiment": sentiment},
        )
    report.finish()
