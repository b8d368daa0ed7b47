"""Samples: what is drawn, which options stand there, and that they cannot be mixed up."""

from collections import Counter
from dataclasses import replace

import orjson
import pytest

from sentire.annotation.questions import EMOTIONS, NONE
from sentire.annotation.sample import (
    KEY_NAME,
    SAMPLE_NAME,
    check_key,
    draw_sample,
    read_key,
    read_sample,
    write_sample,
)
from sentire.core.errors import ArtifactError, DataError, LabelError, UsageError
from sentire.core.labels import GOEMOTIONS, make_label_space
from sentire.core.records import Example

LABELS = ["joy", "anger", "fear", "pride", "relief"]


def make_examples(n=60, n_neutral=20):
    labelled = [
        Example(
            id=f"e{k}",
            text=f"text {k}",
            context=(f"before {k}",) if k % 2 else (),
            labels=(LABELS[k % 5],),
            scores={LABELS[k % 5]: 0.9, LABELS[(k + 1) % 5]: 0.4, "surprise": 0.2},
        )
        for k in range(n)
    ]
    return labelled + [Example(id=f"n{k}", text=f"plain {k}", labels=("neutral",)) for k in range(n_neutral)]


def draw(**options):
    return draw_sample(make_examples(), GOEMOTIONS, name="own:test", **({"n": 40} | options))


def test_a_sample_has_seven_options_and_its_share_of_neutral_items():
    sample, key = draw(neutral_share=0.25)
    assert len(sample.items) == 40
    assert sum(item.id.startswith("n") for item in sample.items) == 10
    for item in sample.items:
        assert len(item.options) == len(set(item.options)) == 7
        assert item.options[-1] == NONE
        assert key.distractors[item.id] in item.options
        assert set(key.expressed[item.id]) <= set(item.options)
        assert key.expressed[item.id]


def test_the_plausible_options_are_the_labels_and_then_the_highest_degrees():
    _, key = draw()
    assert len(key.levels) == 40
    for item, levels in key.levels.items():
        if item.startswith("e"):
            assert {label for label, level in levels.items() if level > 0} >= {"surprise", *key.expressed[item]}
            assert levels[key.distractors[item]] == 0


def test_the_place_of_an_option_says_nothing():
    sample, key = draw(n=80, neutral_share=0.0)
    places = [item.options.index(key.expressed[item.id][0]) for item in sample.items]
    assert set(places) == set(range(6))


def test_the_options_of_data_without_degrees_do_not_tell_which_of_them_is_its_label():
    """Options that came back in every item would: whatever is beside them is the data's label, or the distractor."""
    examples = [Example(id=f"e{k}", text=f"text {k}", labels=(LABELS[k % 5],)) for k in range(280)]
    sample, key = draw_sample(examples, GOEMOTIONS, name="own:test", n=280, neutral_share=0)
    shown = Counter(
        option for item in sample.items for option in item.options[:-1] if option not in key.expressed[item.id]
    )
    assert set(shown) == set(GOEMOTIONS.labels)
    assert max(shown.values()) < 0.35 * 280  # 5 of 27 are 19 %
    assert draw_sample(examples, GOEMOTIONS, name="own:test", n=280, neutral_share=0) == (sample, key)


def test_the_same_seed_draws_the_same_and_another_one_another():
    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3)[0].fingerprint != draw(seed=4)[0].fingerprint


def test_a_models_probabilities_may_rank_the_options():
    examples = make_examples(n=10, n_neutral=0)
    levels = [{"grief": 0.9, "desire": 0.8, "joy": 0.1} for _ in examples]
    _, key = draw_sample(examples, GOEMOTIONS, name="own:test", n=10, levels=levels)
    assert len(key.levels) == 10
    for item in key.levels:
        assert {"grief", "desire", key.expressed[item][0]} <= set(key.levels[item])


def test_degrees_of_other_labels_are_refused_since_they_would_rank_nothing():
    levels = [{"sad": 0.9, "happy": 0.1} for _ in make_examples()]
    with pytest.raises(LabelError, match=r"a label of goemotions\.v1, got 'sad' at levels\[0\] of own:test"):
        draw(levels=levels)


def test_of_too_few_examples_all_but_the_surplus_of_neutral_ones_are_drawn():
    sample, _ = draw(n=500)
    assert sum(not item.id.startswith("n") for item in sample.items) == 60
    assert sum(item.id.startswith("n") for item in sample.items) == 8  # a tenth of the 80 that there are


def test_a_sample_comes_back_from_its_folder_and_is_not_replaced_by_another(tmp_path):
    sample, key = draw()
    write_sample(tmp_path, sample, key)
    assert (read_sample(tmp_path), read_key(tmp_path)) == (sample, key)
    write_sample(tmp_path, sample, key)
    other, other_key = draw(seed=9)
    with pytest.raises(UsageError, match=r"one with another sample.*annotations belong to their sample"):
        write_sample(tmp_path, other, other_key)


def test_a_changed_or_missing_sample_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"the file sample\.json.*sentire annotate make"):
        read_sample(tmp_path)
    write_sample(tmp_path, *draw())
    path = tmp_path / SAMPLE_NAME
    content = orjson.loads(path.read_bytes())
    content["items"][0]["texts"] = ["another"]
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(ArtifactError, match="one that was changed"):
        read_sample(tmp_path)
    path.write_bytes(b"[1")
    with pytest.raises(ArtifactError, match="expected JSON"):
        read_sample(tmp_path)
    (tmp_path / KEY_NAME).write_bytes(orjson.dumps({"format": "another"}))
    with pytest.raises(ArtifactError, match="sentire-annotation-key version 1"):
        read_key(tmp_path)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_sample_of_a_version_that_is_not_known_is_refused(tmp_path, version):
    write_sample(tmp_path, *draw())
    path = tmp_path / SAMPLE_NAME
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"format_version": version}))
    with pytest.raises(ArtifactError, match="sentire-annotation-sample version 1"):
        read_sample(tmp_path)


def test_what_cannot_be_sampled_is_refused():
    with pytest.raises(DataError, match="examples with labels"):
        draw_sample([Example(id="1", text="a")], GOEMOTIONS, name="own", n=1)
    with pytest.raises(DataError, match="at least 6 labels"):
        draw_sample(make_examples(), make_label_space("few", ["a", "b"]), name="own", n=1)
    with pytest.raises(UsageError, match="at least one item"):
        draw(n=0)
    with pytest.raises(DataError, match=r"an id for each example, got 'e3' more than once at own; .*different ids"):
        draw_sample([*make_examples(), make_examples()[3]], GOEMOTIONS, name="own", n=1)


@pytest.mark.parametrize("part", ["expressed", "distractors"])
def test_a_key_that_says_nothing_of_an_item_is_refused(part):
    sample, key = draw()
    check_key(sample, key, EMOTIONS)
    last = sample.items[-1].id
    content = {item: said for item, said in getattr(key, part).items() if item != last}
    with pytest.raises(
        ArtifactError, match=rf"of every item of the sample, got nothing of '{last}' at own:test; put key"
    ):
        check_key(sample, replace(key, **{part: content}), EMOTIONS)
