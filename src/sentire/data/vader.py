"""VADER's lexicon: the valence of words, emoticons and abbreviations, by ten raters each."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import orjson

from sentire.core.affect import AffectScale
from sentire.core.records import Annotation, Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, parse_number
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE
from sentire.storage.rows import read_rows

VALENCE_SCALE = AffectScale(
    name="vader", version=1, low=-4.0, high=4.0, source="Hutto and Gilbert 2014, VADER; valence alone"
)

CARD = DatasetCard(
    name="vader",
    title="VADER lexicon",
    kind="lexicon",
    revision="2014.1",
    citation=(
        "Hutto, Gilbert 2014, VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text, "
        "ICWSM, pages 216-225"
    ),
    homepage="https://github.com/cjhutto/vaderSentiment",
    licence="MIT",
    weights_may_ship="with attribution",
    affect_scale=VALENCE_SCALE,
    split_counts={WHOLE: 7520},
    files=(
        RemoteFile(
            path="lexicons/vader_lexicon.txt",
            sha256="ec636f884f36b5de6a4d681b2f61c08c2ec90eeb440472033f3307d0d6fa8bc9",
            url="https://raw.githubusercontent.com/cjhutto/vaderSentiment/master/vaderSentiment/vader_lexicon.txt",
        ),
    ),
    defects=(
        "14 entries occur twice with different ratings; VADER itself uses the later one",
        "the valence of one entry is not the mean of its ten ratings",
    ),
    changes=("an entry's second occurrence has #2 after its id", "standard deviations are in the notes"),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream the entries: the text is the word as it is written, the score its mean valence."""
    path = find_corpus_file(root, "lexicons/vader_lexicon.txt", CARD)
    report = reading.report(path)
    n_of: Counter[str] = Counter()
    for row in read_rows(path, report, file_format="tsv", columns=("word", "valence", "sd", "ratings")):
        word = str(row.fields["word"])
        valence, spread = parse_number(row.fields["valence"]), parse_number(row.fields["sd"])
        ratings = _parse_ratings(str(row.fields["ratings"]))
        if not word.strip():
            report.reject(row.number, "empty text")
        elif valence is None or not VALENCE_SCALE.low <= valence <= VALENCE_SCALE.high:
            report.reject(row.number, "valence that is no number from -4 to 4", str(row.fields["valence"]))
        elif spread is None:
            report.reject(row.number, "standard deviation that is no number", str(row.fields["sd"]))
        elif ratings is None:
            report.reject(row.number, "ratings that are no list of numbers from -4 to 4")
        else:
            n_of[word] += 1
            yield Example(
                id=word if n_of[word] == 1 else f"{word}#{n_of[word]}",
                text=word,
                scores={"valence": valence},
                annotations=tuple(
                    Annotation(annotator=f"rater-{number}", scores={"valence": rating})
                    for number, rating in enumerate(ratings, start=1)
                ),
                notes={"valence_sd": str(row.fields["sd"])},
            )
    report.finish()


def _parse_ratings(cell: str) -> list[float] | None:
    try:
        ratings = orjson.loads(cell)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(ratings, list) or not ratings:
        return None
    numbers = [parse_number(rating) for rating in ratings]
    usable = [number for number in numbers if number is not None and VALENCE_SCALE.low <= number <= VALENCE_SCALE.high]
    return usable if len(usable) == len(numbers) else None
