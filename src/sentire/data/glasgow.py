"""Glasgow norms: valence, arousal and dominance of English words, senses told apart."""

import re
from collections.abc import Iterator
from pathlib import Path

from sentire.core.affect import VAD_1_9, VAD_DIMENSIONS
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, parse_number, read_cells
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE

_MEANS = tuple(dimension.capitalize() for dimension in VAD_DIMENSIONS)
_SPREADS = tuple(f"{column}SD" for column in _MEANS)
_WITH_SENSE = re.compile(r"(?P<word>[^()]+?) \((?P<sense>[^()]+)\)")

CARD = DatasetCard(
    name="glasgow-norms",
    title="Glasgow Norms",
    kind="lexicon",
    revision="2019.1",
    citation=(
        "Scott, Keitel, Becirspahic, Yao, Sereno 2019, The Glasgow Norms: Ratings of 5,500 words on nine scales, "
        "Behavior Research Methods 51, pages 1258-1270"
    ),
    homepage="https://doi.org/10.3758/s13428-018-1099-3",
    licence="CC BY 4.0",
    weights_may_ship="with attribution",
    affect_scale=VAD_1_9,
    split_counts={WHOLE: 5553},
    files=(
        RemoteFile(
            path="lexicons/glasgow_norms.csv",
            sha256="1f04f1b521e36927a7f77760d813f5d6ac5b6a432dfc6f8b996ab4ba308d01ba",
        ),
    ),
    defects=(
        "871 entries name a sense in brackets; all but one of them stand beside the word without a sense",
        "a column of numbers of raters is headed ConcretenessM",
    ),
    changes=(
        "the text is the word without its sense; the sense is in the notes, the id is the entry as it is",
        "the other six scales are not read",
    ),
    access=(
        "the table is supplementary material of the article (doi 10.3758/s13428-018-1099-3): save it with one header "
        "row, whose columns are named Word, Valence, ValenceSD and so on, as lexicons/glasgow_norms.csv"
    ),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:  # noqa: ARG001
    """Stream the entries."""
    path = find_corpus_file(root, "lexicons/glasgow_norms.csv", CARD)
    report = reading.report(path)
    for number, (word, *cells) in read_cells(path, report, ("Word", *_MEANS, *_SPREADS), file_format="csv"):
        entry = word.strip()
        scores = dict(zip(VAD_DIMENSIONS, map(parse_number, cells[: len(_MEANS)]), strict=True))
        usable = {
            dimension: score
            for dimension, score in scores.items()
            if score is not None and VAD_1_9.low <= score <= VAD_1_9.high
        }
        if not entry:
            report.reject(number, "empty text")
        elif len(usable) < len(scores):
            wrong = next(dimension for dimension in scores if dimension not in usable)
            report.reject(number, "score that is no number from 1 to 9", wrong)
        else:
            with_sense = _WITH_SENSE.fullmatch(entry)
            spreads = zip(VAD_DIMENSIONS, cells[len(_MEANS) :], strict=True)
            notes = {f"{dimension}_sd": spread for dimension, spread in spreads}
            if with_sense is not None:
                notes["sense"] = with_sense["sense"]
            yield Example(
                id=entry, text=with_sense["word"] if with_sense is not None else entry, scores=usable, notes=notes
            )
    report.finish()
