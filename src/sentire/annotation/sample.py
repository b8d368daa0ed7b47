"""A sample that people judge: texts with seven options each, five of them plausible, one a distractor, one none.

The options stand in an order that the seed draws for each item, so that their place says nothing; what the data says of
them is kept apart in the key, which the page never sees.

**Source** Shvets 2025, Emo Pillars (arXiv 2504.16856), human evaluation: 200 items, neutral raised to 10 %, seven
options of which at most five may be picked, context hidden until asked for.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from sentire.core.errors import ArtifactError, DataError, UsageError, describe, quote
from sentire.core.labels import LabelSpace
from sentire.core.records import Example
from sentire.core.seeding import make_generator
from sentire.storage.atomic import make_directory, write_json

SAMPLE_NAME, KEY_NAME = "sample.json", "key.json"
FORMAT, KEY_FORMAT, FORMAT_VERSION = "sentire-annotation-sample", "sentire-annotation-key", 1

N_PLAUSIBLE = 5
NONE = "none of these"
MOST_PICKS = 5


@dataclass(frozen=True, kw_only=True)
class Item:
    """One text to be judged.

    Attributes:
        id: Of the example it comes from.
        text: What was said.
        context: The situation or the turns before; empty where there is none.
        options: Labels to pick from, in the order in which they are shown; the last one stands for none of them.
    """

    id: str
    text: str
    context: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What is shown to people.

    Attributes:
        name: Of the data it was drawn from.
        fingerprint: Of all items: annotations of another sample are refused by it.
        items: In the order in which they are shown.
    """

    name: str
    fingerprint: str
    items: tuple[Item, ...]


@dataclass(frozen=True, kw_only=True)
class Key:
    """What the data says of a sample; nobody who judges should see it.

    Attributes:
        fingerprint: Of the sample.
        levels: By item, the degree of each option from 0 to 1.
        expressed: By item, the options that count as labels of the text.
        distractors: By item, the option that was put in.
    """

    fingerprint: str
    levels: Mapping[str, Mapping[str, float]]
    expressed: Mapping[str, tuple[str, ...]]
    distractors: Mapping[str, str]


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
    """Draw items and their options.

    Neutral examples are drawn until they make up their share, as far as there are any; the others fill the rest.

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
        DataError: There is no example with labels, or the label space is too small.
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
        plausible = _rank(degrees, example.labels, space)[:N_PLAUSIBLE]
        rest = [label for label in space.labels if label not in plausible and not degrees.get(label)] or [
            label for label in space.labels if label not in plausible
        ]
        distractor = rest[int(generator.integers(len(rest)))]
        options = [*plausible, distractor]
        shown = [options[one] for one in generator.permutation(len(options))]
        items.append(Item(id=example.id, text=example.text, context=example.context, options=(*shown, NONE)))
        key_levels[example.id] = {label: round(float(degrees.get(label, 0.0)), 4) for label in options}
        expressed[example.id] = tuple(label for label in options if label in example.labels)
        distractors[example.id] = distractor
    fingerprint = _fingerprint(items)
    sample = Sample(name=name, fingerprint=fingerprint, items=tuple(items))
    return sample, Key(fingerprint=fingerprint, levels=key_levels, expressed=expressed, distractors=distractors)


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
    write_json(folder / KEY_NAME, {"format": KEY_FORMAT, "format_version": FORMAT_VERSION, **asdict(key)})
    write_json(folder / SAMPLE_NAME, {"format": FORMAT, "format_version": FORMAT_VERSION, **asdict(sample)})


def read_sample(folder: Path) -> Sample:
    """Read the sample of a folder.

    Raises:
        ArtifactError: There is none, or it was changed.
    """
    content = _read(folder / SAMPLE_NAME, FORMAT)
    try:
        items = tuple(
            Item(id=one["id"], text=one["text"], context=tuple(one["context"]), options=tuple(one["options"]))
            for one in content["items"]
        )
        sample = Sample(name=content["name"], fingerprint=content["fingerprint"], items=items)
    except (KeyError, TypeError) as error:
        raise ArtifactError(expected="a sample", got=f"one without {error}", where=str(folder / SAMPLE_NAME)) from error
    if sample.fingerprint != _fingerprint(items):
        raise ArtifactError(
            expected="a sample as it was drawn", got="one that was changed", where=str(folder / SAMPLE_NAME)
        )
    return sample


def read_key(folder: Path) -> Key:
    """Read the key of a folder's sample.

    Raises:
        ArtifactError: There is none.
    """
    content = _read(folder / KEY_NAME, KEY_FORMAT)
    try:
        return Key(
            fingerprint=content["fingerprint"],
            levels=content["levels"],
            expressed={item: tuple(labels) for item, labels in content["expressed"].items()},
            distractors=content["distractors"],
        )
    except (KeyError, AttributeError) as error:
        raise ArtifactError(expected="a key", got=f"one without {error}", where=str(folder / KEY_NAME)) from error


def _get_degrees(example: Example, space: LabelSpace) -> dict[str, float]:
    soft = {label: degree for label, degree in example.scores.items() if label in space}
    return {**{label: 1.0 for label in example.labels if label not in soft}, **soft}


def _rank(degrees: Mapping[str, float], labels: Sequence[str], space: LabelSpace) -> list[str]:
    # The data's own labels first: they are what is judged. Of equal degrees the order of the label space decides.
    places = {label: place for place, label in enumerate(space.labels)}
    return sorted(space.labels, key=lambda label: (label not in labels, -float(degrees.get(label, 0.0)), places[label]))


def _fingerprint(items: Sequence[Item]) -> str:
    return hashlib.sha256(orjson.dumps([asdict(item) for item in items])).hexdigest()[:16]


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
