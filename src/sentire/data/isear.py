"""ISEAR: situations in which people felt one of seven emotions, in their own words."""

import re
from collections.abc import Iterator
from pathlib import Path

from sentire.core.errors import DataError, quote
from sentire.core.labels import ISEAR
from sentire.core.records import Example
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.reading import Reading, pass_over
from sentire.data.root import find_corpus_file
from sentire.data.splits import WHOLE, is_in_own_split
from sentire.storage.lines import read_lines

_LABEL_FIELD = 36
_KEY_FIELD = 39
_TEXT_FIELD = 40
_FEWEST_FIELDS = 43

NON_ANSWER = re.compile(
    r"no response\.?"
    r"|\[\s*(no |never|do not |can ?not |not applicable|i (have (not|never)|do not|can ?not) ).*\]",
    re.IGNORECASE,
)
"""The whole of a cleaned text that tells of no situation; the card's changes say the rule in words."""

CARD = DatasetCard(
    name="isear",
    title="ISEAR",
    revision="1997.1",
    citation=(
        "Scherer, Wallbott 1994, Evidence for universality and cultural variation of differential emotion response "
        "patterning, Journal of Personality and Social Psychology 66(2), pages 310-328"
    ),
    homepage="https://www.unige.ch/cisa/research/materials-and-online-research/research-material/",
    licence="CC BY-NC-SA 3.0",
    weights_may_ship="no",
    label_space=ISEAR,
    split_counts={WHOLE: 7541, "train": 6111, "dev": 730, "test": 700},
    files=(
        RemoteFile(
            path="isear/isear.csv",
            sha256="370110fff70a1e1d9e23b10cf6db1f64876120fa02276afe5916fbfeb038cdca",
            url="https://raw.githubusercontent.com/sinmaniphel/py_isear_dataset/master/isear.csv",
        ),
    ),
    grouped_by="respondent",
    defects=(
        "soft line ends survive as the letter a with an acute accent",
        (
            "163 rows have more fields than the header because quoted text was broken at its line ends; "
            "218 rows have quotes that became backslashes"
        ),
        "125 non-answers by the rule below; others, such as those without square brackets, are kept",
        "1,096 respondents with up to 7 rows each and no official split",
    ),
    changes=(
        "soft line ends are deleted, quotes mended, runs of blanks become one",
        (
            "a text is a non-answer, and rejected, where the whole of it is 'no response', or where it stands in "
            "square brackets and begins with: No, Never, Do not, Can not, Not applicable, I have not, I have never, "
            "I do not, I can not"
        ),
        "train, dev and test (80, 10, 10 %) are drawn by respondent",
    ),
)


def iter_records(root: Path, split: str, reading: Reading) -> Iterator[Example]:
    """Stream the answers of a split."""
    path = find_corpus_file(root, "isear/isear.csv", CARD)
    report = reading.report(path)
    has_header = False
    for number, line in read_lines(path, report):
        fields = line.split("|")
        if not has_header:
            _check_header(fields, path)
            pass_over(report)
            has_header = True
            continue
        if len(fields) < _FEWEST_FIELDS:
            report.reject(number, "wrong number of fields", f"expected at least {_FEWEST_FIELDS}, got {len(fields)}")
            continue
        respondent, label, key = fields[0], fields[_LABEL_FIELD], fields[_KEY_FIELD]
        if not is_in_own_split(respondent, split):
            pass_over(report)
            continue
        text = clean_text("|".join(fields[_TEXT_FIELD:-2]))
        if label not in ISEAR:
            report.reject(number, "label outside the label space", repr(label))
        elif not respondent or not key:
            report.reject(number, "no respondent or no key")
        elif not text:
            report.reject(number, "empty text")
        elif NON_ANSWER.fullmatch(text):
            report.reject(number, "non-answer", text)
        else:
            yield Example(id=key, text=text, labels=(label,), group=respondent)
    report.finish()


def clean_text(text: str) -> str:
    r"""Undo what the release did to a text: soft line ends, broken fields, broken quotes.

    Where a text held quotes, the release wrote an opening quote as ``\``, a closing one as ``\"``, and put one
    more ``"`` at its end.

    Example:
        >>> clean_text('They called it á|\\the big one\\" again."')
        'They called it "the big one" again.'
    """
    text = text.replace("á", "").replace("|", " ").strip()
    if "\\" in text:
        text = text.removesuffix('"').replace('\\"', '"').replace("\\", '"')
    return " ".join(text.split())


def _check_header(fields: list[str], path: Path) -> None:
    wanted = {0: "ID", _LABEL_FIELD: "Field1", _KEY_FIELD: "MYKEY", _TEXT_FIELD: "SIT"}
    for place, name in wanted.items():
        found = fields[place].strip() if place < len(fields) else ""
        if found != name:
            raise DataError(
                expected=f"a header with {name} as column {place + 1}, separated by |",
                got=quote(found),
                where=f"{path}:1",
                hint="is this the release that the data card names?",
            )
