"""IEMOCAP: acted dialogues with a class and valence, arousal and dominance for every turn."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sentire.core.affect import VAD_1_5, VAD_DIMENSIONS
from sentire.core.errors import DataError
from sentire.core.labels import IEMOCAP_4, IEMOCAP_6
from sentire.core.records import Annotation, Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, parse_number
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE
from sentire.storage.lines import iterate_lines, read_lines
from sentire.storage.report import ReadReport

_RELEASE = "iemocap/IEMOCAP_full_release"

_TURN = r"(?P<dialogue>Ses\d\d[FM]_\w+)_(?P<speaker>[FM])(?P<number>\d{3})"
_TURN_ID = re.compile(_TURN)
_SPOKEN = re.compile(rf"(?P<turn>{_TURN})\s*(?:\[[^\]]*\])?\s*:\s*(?P<text>.*)")
_EVALUATED = re.compile(r"\[[\d.]+ - [\d.]+\]\t(?P<turn>\w+)\t(?P<emotion>\w+)\t\[(?P<scores>[^\]]*)\]\s*")
_JUDGED = re.compile(r"(?P<kind>[CA])-(?P<rater>\w+):\s*(?P<answer>[^\t]*).*")

_FOUR = {"ang": "anger", "sad": "sadness", "neu": "neutral", "hap": "happiness", "exc": "happiness"}
_SIX = {
    "hap": "happiness",
    "sad": "sadness",
    "neu": "neutral",
    "ang": "anger",
    "exc": "excitement",
    "fru": "frustration",
}
_CODE_OF_CATEGORY = {
    "Anger": "ang",
    "Sadness": "sad",
    "Neutral": "neu",
    "Happiness": "hap",
    "Excited": "exc",
    "Frustration": "fru",
}
_DIMENSION_OF = {"val": "valence", "act": "arousal", "dom": "dominance"}

SESSIONS: Mapping[str, tuple[int, ...]] = {
    WHOLE: (1, 2, 3, 4, 5),
    "train": (1, 2, 3, 4),
    "test": (5,),
    **{f"session{number}": (number,) for number in range(1, 6)},
}
"""The sessions of each split; two actors play in each, so that no speaker is on both sides of train and test."""

NO_USABLE_CLASS = "class without agreement or outside the label space"

_CITATION = (
    "Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan 2008, IEMOCAP: interactive emotional dyadic "
    "motion capture database, Language Resources and Evaluation 42(4), pages 335-359"
)
_ACCESS = (
    "the corpus needs a licence signed with its makers (see the homepage): unpack the release so that "
    f"{_RELEASE}/Session1 to Session5 are there"
)
_DEFECTS = (
    "folders hold files that begin with a dot, transcriptions hold lines without a turn id: both are skipped",
    "some averaged ratings are off the scale of 1 to 5",
    "the counts are the published ones of this reading; not measured here; 0 where none is published",
)
_CHANGES = (
    (
        "valence, activation and dominance become valence, arousal and dominance; a rating off the scale is left out "
        "and named in the notes"
    ),
    "turns such as _FXX0, which are noises, are no turns",
    "a turn whose class is not in the label space is context for later turns, and a counted rejection itself",
    "annotations keep the categories that are in the label space",
)


def _make_card(number: int, split_counts: Mapping[str, int], classes: str) -> DatasetCard:
    return DatasetCard(
        name=f"iemocap-{number}",
        title=f"IEMOCAP, {number}-way",
        revision="2008.1",
        citation=_CITATION,
        homepage="https://sail.usc.edu/iemocap/",
        licence="signed licence with the makers; for research",
        weights_may_ship="no",
        label_space=IEMOCAP_4 if number == 4 else IEMOCAP_6,
        affect_scale=VAD_1_5,
        split_counts=split_counts,
        files=(RemoteFile(path=_RELEASE),),
        grouped_by="dialogue",
        has_context=True,
        defects=_DEFECTS,
        changes=(*_CHANGES, classes),
        access=_ACCESS,
    )


IEMOCAP_4_CARD = _make_card(
    4,
    {
        WHOLE: 5531,
        "train": 4290,
        "test": 1241,
        "session1": 1085,
        "session2": 1023,
        "session3": 1151,
        "session4": 1031,
        "session5": 1241,
    },
    "excitement counts as happiness",
)
IEMOCAP_6_CARD = _make_card(
    6,
    {
        WHOLE: 7380,
        "train": 0,
        "test": 0,
        "session1": 0,
        "session2": 0,
        "session3": 0,
        "session4": 0,
        "session5": 0,
    },
    "the official majority class, and no other, is the label",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn that the raters judged, whatever its class.

    Attributes:
        id: Of the turn.
        dialogue: It belongs to.
        speaker: ``F`` or ``M``.
        text: What was said.
        context: The earlier turns of the dialogue, oldest first.
        emotion: The class as the release writes it: ang hap sad neu fru exc fea sur dis oth xxx.
        scores: The averaged ratings that are on the scale.
        off_scale: The averaged ratings that are not, as text; empty where there are none.
        annotations: What each rater said; labels are the release's categories, such as ``Excited``.
        row: Where it begins in the file of its dialogue.
    """

    id: str
    dialogue: str
    speaker: str
    text: str
    context: tuple[str, ...]
    emotion: str
    scores: Mapping[str, float]
    off_scale: str
    annotations: tuple[Annotation, ...]
    row: int


def iter_turns(root: Path, split: str, reading: Reading) -> Iterator[Turn]:
    """Stream every judged turn of a split, those without a usable class too.

    The release is looked for in the folder ``iemocap`` of the data root. Sessions that are not there are left out; at
    least one must be there.
    """
    for turn, _ in _iter_judged(root, split, reading, IEMOCAP_6_CARD):
        yield turn


def iter_iemocap_4_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the turns with one of four classes; see ``iter_turns`` for where they are looked for."""
    return _iter_usable(root, split, reading, IEMOCAP_4_CARD, _FOUR)


def iter_iemocap_6_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the turns with one of six classes; see ``iter_turns`` for where they are looked for."""
    return _iter_usable(root, split, reading, IEMOCAP_6_CARD, _SIX)


def _iter_usable(
    root: Path, split: str, reading: Reading, card: DatasetCard, label_of: Mapping[str, str]
) -> Iterator[Example]:
    n_usable = 0
    for turn, report in _iter_judged(root, split, reading, card):
        if turn.emotion not in label_of:
            report.reject(turn.row, NO_USABLE_CLASS, f"{turn.id}: {turn.emotion}")
            continue
        n_usable += 1
        notes = {"speaker": f"{turn.id[:5]}_{turn.speaker}", "class": turn.emotion}
        if turn.off_scale:
            notes["off_scale"] = turn.off_scale
        yield Example(
            id=turn.id,
            text=turn.text,
            context=turn.context,
            labels=(label_of[turn.emotion],),
            scores=turn.scores,
            group=turn.dialogue,
            annotations=tuple(_translate(annotation, label_of) for annotation in turn.annotations),
            notes=notes,
        )
    if n_usable == 0:
        raise DataError(
            expected=f"turns with a class of {card.title}",
            got=f"{reading.n_read} turns, none of them with such a class",
            where=str(root),
        )


def _translate(annotation: Annotation, label_of: Mapping[str, str]) -> Annotation:
    codes = [_CODE_OF_CATEGORY.get(category, "") for category in annotation.labels]
    labels = dict.fromkeys(label_of[code] for code in codes if code in label_of)
    return Annotation(annotator=annotation.annotator, labels=tuple(labels), scores=annotation.scores)


def _iter_judged(root: Path, split: str, reading: Reading, card: DatasetCard) -> Iterator[tuple[Turn, ReadReport]]:
    release = root / _RELEASE
    folders = [release / f"Session{number}" / "dialog" for number in SESSIONS[split]]
    if not any(folder.is_dir() for folder in folders):
        find_corpus_file(root, f"{_RELEASE}/Session{SESSIONS[split][0]}/dialog", card)
    for folder in folders:
        if folder.is_dir():
            for path in sorted((folder / "EmoEvaluation").glob("*.txt")):
                if not path.name.startswith("."):
                    yield from _iter_dialogue(path, folder / "transcriptions" / path.name, reading)


def _iter_dialogue(path: Path, transcription: Path, reading: Reading) -> Iterator[tuple[Turn, ReadReport]]:
    spoken = _read_transcription(transcription, reading)
    order = list(spoken)
    # Whole dialogues may lack a usable class, which is how the corpus is and no sign of a broken file.
    report = reading.report(path, max_rejected_fraction=1.0)
    for row, turn_id, emotion, averages, judgements in _iter_blocks(path, report):
        found = _TURN_ID.fullmatch(turn_id)
        ratings = [parse_number(part) for part in averages.split(",")]
        if turn_id not in spoken or found is None:
            report.reject(row, "turn without a transcription", turn_id)
        elif len(ratings) != len(VAD_DIMENSIONS) or None in ratings:
            report.reject(row, "ratings that are not three numbers", averages)
        else:
            scores = {name: rating for name, rating in zip(VAD_DIMENSIONS, ratings, strict=True) if rating is not None}
            off_scale = {name: score for name, score in scores.items() if not _is_on_scale(score)}
            turn = Turn(
                id=turn_id,
                dialogue=found["dialogue"],
                speaker=found["speaker"],
                text=spoken[turn_id],
                context=tuple(spoken[earlier] for earlier in order[: order.index(turn_id)]),
                emotion=emotion,
                scores={name: score for name, score in scores.items() if name not in off_scale},
                off_scale=", ".join(f"{name} {score:g}" for name, score in off_scale.items()),
                annotations=_parse_judgements(judgements),
                row=row,
            )
            yield turn, report
    report.finish()


def _read_transcription(path: Path, reading: Reading) -> dict[str, str]:
    """Return what was said by turn id, in the order of the file."""
    report = reading.report(path, holds_examples=False)
    spoken: dict[str, str] = {}
    for number, line in read_lines(path, report):
        if found := _SPOKEN.fullmatch(line.strip()):
            if found["text"].strip():
                spoken[found["turn"]] = found["text"].strip()
            else:
                report.reject(number, "empty text")
        elif _TURN_ID.match(line):
            report.reject(number, "broken line of a turn")
    report.finish()
    return spoken


def _iter_blocks(path: Path, report: ReadReport) -> Iterator[tuple[int, str, str, str, list[str]]]:
    """Yield row, turn id, class, averaged ratings and the lines of judgements of every block."""
    block: tuple[int, str, str, str, list[str]] | None = None
    for line in iterate_lines(path):
        text = line.text.rstrip("\r\n")
        if text.startswith("["):
            if block is not None:
                yield block
            block = None
            report.read()
            found = _EVALUATED.fullmatch(text)
            if line.fault or found is None:
                report.reject(line.number, line.fault or "broken head of a turn")
            else:
                block = (line.number, found["turn"], found["emotion"], found["scores"], [])
        elif block is not None:
            block[4].append(text)
    if block is not None:
        yield block


def _parse_judgements(lines: list[str]) -> tuple[Annotation, ...]:
    """Join each rater's categories (lines ``C-``) and ratings (lines ``A-``); what was not given is left out."""
    categories: dict[str, tuple[str, ...]] = {}
    ratings: dict[str, dict[str, float]] = {}
    for line in lines:
        found = _JUDGED.fullmatch(line)
        if found is None:
            continue
        parts = [part.strip() for part in found["answer"].split(";") if part.strip()]
        if found["kind"] == "C":
            categories[found["rater"]] = tuple(parts)
            continue
        given = ratings.setdefault(found["rater"], {})
        for part in parts:
            name, _, value = part.partition(" ")
            score = parse_number(value)
            if name in _DIMENSION_OF and score is not None and _is_on_scale(score):
                given[_DIMENSION_OF[name]] = score
    return tuple(
        Annotation(annotator=rater, labels=categories.get(rater, ()), scores=ratings.get(rater, {}))
        for rater in dict.fromkeys((*categories, *ratings))
    )


def _is_on_scale(score: float) -> bool:
    return VAD_1_5.low <= score <= VAD_1_5.high
