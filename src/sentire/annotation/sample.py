"""A sample that people judge, and its key, in a folder; and the draw of texts whose emotions are asked for.

Such a text has seven options, five of them plausible, one a distractor, one none. They stand in an order that the seed
draws for each item, so that their place says nothing; what the data says of them is kept apart in the key, which the
page never sees.

**Source** Shvets 2025, Emo Pillars (arXiv 2504.16856), human evaluation: 200 items, neutral raised to 10 %, seven
options of which at most five may be picked, context hidden until asked for.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sentire.annotation.questions import EMOTIONS, MORE_EMOTIONAL, NONE, QUESTIONS, Question
from sentire.core.errors import ArtifactError, DataError, UsageError, describe, quote
from sentire.core.labels import LabelSpace
from sentire.core.records import Example
from sentire.core.seeding import make_generator
from sentire.storage.atomic import make_directory, write_json

SAMPLE_NAME, KEY_NAME = "sample.json", "key.json"
FORMAT, KEY_FORMAT, FORMAT_VERSION = "sentire-annotation-sample", "sentire-annotation-key", 1

N_PLAUSIBLE = 5


@dataclass(frozen=True, kw_only=True)
class Item:
    """What is judged at a time.

    Attributes:
        id: Of the example, or the pair of examples, it comes from.
        texts: What was said: one text, or two versions in the order in which they are shown.
        context: The situation or the turns before; empty where there is none.
        options: To pick from, in the order in which they are shown.
    """

    id: str
    texts: tuple[str, ...]
    context: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is shown to people.

    Attributes:
        name: Of the data it was drawn from.
        question: That is asked of every item.
        fingerprint: Of the question and all items: annotations of another sample are refused by it.
        items: In the order in which they are shown.
    """

    name: str
    question: Question
    fingerprint: str
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What the data says of a sample; nobody who judges should see it. What its question does not ask is empty.

    Attributes:
        fingerprint: Of the sample.
        levels: By item, the degree of each option from 0 to 1.
        expressed: By item, the options that count as labels of the text.
        distractors: By item, the option that was put in.
        rewritten: By item, the place of the rewritten one of its two texts, 0 or 1.
    """

    fingerprint: str
    levels: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    expressed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    distractors: Mapping[str, str] = field(default_factory=dict)
    rewritten: Mapping[str, int] = field(default_factory=dict)


def draw_sample(
    examples: Sequence[Example],
    space: LabelSpace,
    *,
    name: str,
    n: int,
    neutral_share: float = 0.1,
    levels: Sequence[Mapping[str, float]] | None = None,
    seed: int = 0,
) -> tuple[Sample, Key]:
    """Draw texts and the emotions to pick from.

    Neutral examples are drawn until they make up their share, as far as there are any; the others fill the rest. Of
    labels with the same degree, such as all that the data does not give, those that are shown are drawn for each item:
    options that came back in every item would tell which of the others are the data's.

    Args:
        examples: With labels.
        space: Of the labels; at least seven.
        name: Of the data.
        n: Items; fewer where there are fewer examples.
        neutral_share: Of the items whose only label is neutral.
        levels: Degrees of the labels of each example, by which the plausible ones are ranked: of the data, or a model's
            probabilities. Where None, the examples' own soft labels and labels.
        seed: Of the draw and the order of the options.

    Raises:
        UsageError: Fewer than one item, or a share that is none.
        DataError: There is no example with labels, two have the same id, or the label space is too small.
        LabelError: A degree is of a label outside the space.
    """
    if n < 1 or not 0 <= neutral_share <= 1:
        raise UsageError(expected="at least one item and a share from 0 to 1", got=f"{n} and {neutral_share:g}")
    if len(space) < N_PLAUSIBLE + 1:
        raise DataError(
            expected=f"at least {N_PLAUSIBLE + 1} labels to choose from", got=str(len(space)), where=space.id
        )
    usable = [place for place, example in enumerate(examples) if example.labels and example.is_labelled]
    if not usable:
        raise DataError(expected="examples with labels", got="none", where=name)
    repeated = [one for one, n in Counter(examples[place].id for place in usable).items() if n > 1]
    if repeated:
        raise DataError(
            expected="an id for each example",
            got=f"{quote(repeated[0])} more than once",
            where=name,
            hint="one judgement would count for several texts: give the examples different ids",
        )
    for number, degrees in enumerate(levels or ()):
        for label in degrees:
            space.index(label, where=f"levels[{number}] of {name}")
    generator = make_generator(seed, "annotation sample")
    shuffled = [usable[place] for place in generator.permutation(len(usable))]
    is_neutral = {place: examples[place].labels == (space.neutral,) for place in shuffled}
    n_neutral = min(round(neutral_share * min(n, len(usable))), sum(is_neutral.values()))
    neutral = [place for place in shuffled if is_neutral[place]][:n_neutral]
    others = [place for place in shuffled if not is_neutral[place]][: n - n_neutral]
    chosen = [*neutral, *others]
    order = [chosen[place] for place in generator.permutation(len(chosen))]
    items, key_levels, expressed, distractors = [], {}, {}, {}
    for place in order:
        example = examples[place]
        degrees = _get_degrees(example, space) if levels is None else dict(levels[place])
        drawn = [space.labels[one] for one in generator.permutation(len(space))]
        plausible = _rank(degrees, example.labels, drawn)[:N_PLAUSIBLE]
        rest = [label for label in space.labels if label not in plausible and not degrees.get(label)] or [
            label for label in space.labels if label not in plausible
        ]
        distractor = rest[int(generator.integers(len(rest)))]
        options = [*plausible, distractor]
        shown = [options[one] for one in generator.permutation(len(options))]
        items.append(Item(id=example.id, texts=(example.text,), context=example.context, options=(*shown, NONE)))
        key_levels[example.id] = {label: round(float(degrees.get(label, 0.0)), 4) for label in options}
        expressed[example.id] = tuple(label for label in options if label in example.labels)
        distractors[example.id] = distractor
    sample = make_sample(name, EMOTIONS, items)
    return sample, Key(fingerprint=sample.fingerprint, levels=key_levels, expressed=expressed, distractors=distractors)


def make_sample(name: str, question: Question, items: Sequence[Item]) -> Sample:
    """Make a sample of its items."""
    return Sample(name=name, question=question, fingerprint=_fingerprint(question, items), items=tuple(items))


def write_sample(folder: Path, sample: Sample, key: Key) -> None:
    """Write a sample and its key into a folder.

    Raises:
        UsageError: The folder holds another sample, whose annotations would lose their meaning.
        OutputError: It cannot be written.
    """
    if (folder / SAMPLE_NAME).exists() and read_sample(folder).fingerprint != sample.fingerprint:
        raise UsageError(
            expected="a folder without a sample, or with this one",
            got="one with another sample",
            where=str(folder),
            hint="choose another folder: annotations belong to their sample",
        )
    make_directory(folder)
    content = asdict(sample) | {"question": sample.question.name}
    write_json(folder / KEY_NAME, {"format": KEY_FORMAT, "format_version": FORMAT_VERSION, **asdict(key)})
    write_json(folder / SAMPLE_NAME, {"format": FORMAT, "format_version": FORMAT_VERSION, **content})


def read_sample(folder: Path) -> Sample:
    """Read the sample of a folder.

    Raises:
        ArtifactError: There is none, or it was changed.
    """
    content = _read(folder / SAMPLE_NAME, FORMAT)
    try:
        items = tuple(
            Item(
                id=one["id"],
                texts=tuple(one["texts"]),
                context=tuple(one["context"]),
                options=tuple(one["options"]),
            )
            for one in content["items"]
        )
        question = QUESTIONS[content["question"]]
        sample = Sample(name=content["name"], question=question, fingerprint=content["fingerprint"], items=items)
    except (KeyError, TypeError) as error:
        raise ArtifactError(expected="a sample", got=f"one without {error}", where=str(folder / SAMPLE_NAME)) from error
    if sample.fingerprint != _fingerprint(question, items):
        raise ArtifactError(
            expected="a sample as it was drawn", got="one that was changed", where=str(folder / SAMPLE_NAME)
        )
    return sample


def read_key(folder: Path) -> Key:
    """Read the key of a folder's sample.

    Raises:
        ArtifactError: There is none, or it is none.
    """
    content = _read(folder / KEY_NAME, KEY_FORMAT)
    try:
        key = Key(
            fingerprint=content["fingerprint"],
            levels=content["levels"],
            expressed={item: tuple(labels) for item, labels in content["expressed"].items()},
            distractors=content["distractors"],
            rewritten=dict(content["rewritten"]),
        )
    except (KeyError, AttributeError, TypeError) as error:
        raise ArtifactError(expected="a key", got=f"one without {error}", where=str(folder / KEY_NAME)) from error
    wrong = [item for item, place in key.rewritten.items() if place not in (0, 1)]
    if wrong:
        raise ArtifactError(
            expected="0 or 1, the place of the rewritten text",
            got=quote(key.rewritten[wrong[0]]),
            where=f"item {wrong[0]} in {folder / KEY_NAME}",
        )
    return key


def check_key(sample: Sample, key: Key, question: Question) -> None:
    """Make sure that a sample asks a question, and that a key is its own and whole.

    Raises:
        UsageError: It asks another question.
        ArtifactError: The key is that of another sample, or says nothing of an item.
    """
    if sample.question != question:
        raise UsageError(
            expected=f"a sample that asks {quote(question.name)}",
            got=f"one that asks {quote(sample.question.name)}",
            where=sample.name,
        )
    if key.fingerprint != sample.fingerprint:
        raise ArtifactError(
            expected=f"the key of the sample {sample.fingerprint}",
            got=f"that of {key.fingerprint}",
            where=sample.name,
            hint=f"put {KEY_NAME} back that was drawn with {SAMPLE_NAME}",
        )
    known = set(key.rewritten) if question == MORE_EMOTIONAL else set(key.expressed) & set(key.distractors)
    missing = [item.id for item in sample.items if item.id not in known]
    if missing:
        raise ArtifactError(
            expected="a key that tells of every item of the sample",
            got=f"nothing of {quote(missing[0])}",
            where=sample.name,
            hint=f"put {KEY_NAME} back that was drawn with {SAMPLE_NAME}",
        )


def _get_degrees(example: Example, space: LabelSpace) -> dict[str, float]:
    soft = {label: degree for label, degree in example.scores.items() if label in space}
    return {**{label: 1.0 for label in example.labels if label not in soft}, **soft}


def _rank(degrees: Mapping[str, float], labels: Sequence[str], drawn: Sequence[str]) -> list[str]:
    # The data's own labels first: they are what is judged. Of equal degrees the order decides that was drawn.
    return sorted(drawn, key=lambda label: (label not in labels, -float(degrees.get(label, 0.0))))


def _fingerprint(question: Question, items: Sequence[Item]) -> str:
    content = {"question": question.name, "items": [asdict(item) for item in items]}
    return hashlib.sha256(orjson.dumps(content)).hexdigest()[:16]


def _read(path: Path, wanted: str) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            expected=f"the file {path.name}",
            got=describe(error),
            where=str(path),
            hint="draw it: sentire annotate make",
        ) from error
    except orjson.JSONDecodeError as error:
        raise ArtifactError(expected="JSON", got=error.msg, where=str(path)) from error
    found = (content.get("format"), content.get("format_version")) if isinstance(content, dict) else None
    if found != (wanted, FORMAT_VERSION):
        raise ArtifactError(expected=f"{wanted} version {FORMAT_VERSION}", got=quote(found), where=str(path))
    return dict(content)
