"""What a classifier learns from, out of files of our own."""

import numpy as np
import orjson
import pytest

from sentire.classifiers.labelled import read_labelled
from sentire.core.errors import DataError, LabelError, UnknownNameError
from sentire.core.labels import load_label_space

ROWS = [
    {"nr": "a", "text": "so glad", "mood": ["joy"], "said": ["well?", "say it"], "who": "p1", "j": 0.8, "f": 0.1},
    {"nr": "b", "text": "how late", "mood": ["anger", "sadness"], "said": [], "who": "p2", "j": 0, "f": 0.25},
    {"nr": "c", "text": "a bike", "mood": [], "said": ["what?"], "who": "p1", "j": 0.5, "f": 1},
    {"nr": "d", "text": "oh \u0000 no", "mood": ["fear"], "said": ["a\u0000"], "who": "p3", "j": 0.0, "f": 0.9},
]
DESCRIPTION = """
[dataset]
name = "own"
{space}
[columns]
id = "nr"
labels = "mood"
context = "said"
group = "who"
{scores}
[splits]
all = "all.jsonl"
"""
EKMAN = 'label_space = "ekman"'
SCORES = 'scores = { joy = "j", fear = "f" }'


@pytest.fixture
def write(tmp_path):
    def write_rows(rows=ROWS, *, space=EKMAN, scores=""):
        (tmp_path / "all.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
        (tmp_path / "own.toml").write_text(DESCRIPTION.format(space=space, scores=scores))
        return f"{tmp_path / 'own.toml'}:all"

    return write_rows


def name_targets(split):
    return [tuple(np.array(split.space.labels)[row]) for row in split.targets]


def test_everything_that_is_known_of_a_text_stays_with_it(write):
    name = write()
    split = read_labelled(name)
    assert split.name == name
    assert split.card.name == "own"
    assert split.space == load_label_space("ekman")
    assert split.ids == ["a", "b", "c", "d"]
    assert split.texts == ["so glad", "how late", "a bike", "oh \ufffd no"]
    assert split.contexts == [("well?", "say it"), (), ("what?",), ("a\ufffd",)]
    assert split.groups == ["p1", "p2", "p1", "p3"]
    assert [set(labels) for labels in name_targets(split)] == [{"joy"}, {"anger", "sadness"}, set(), {"fear"}]
    assert split.n_without_label == 1
    assert split.left_out == {"rejected_rows": 0, "without_usable_label": 0}
    np.testing.assert_array_equal(split.soft_targets, split.targets.astype(np.float32))


def test_degrees_take_the_place_of_labels_where_the_data_gives_them(write):
    split = read_labelled(write(scores=SCORES))
    joy, fear = split.space.index("joy"), split.space.index("fear")
    np.testing.assert_allclose(split.soft_targets[:, joy], [0.8, 0, 0.5, 0])
    np.testing.assert_allclose(split.soft_targets[:, fear], [0.1, 0.25, 1, 0.9])
    others = [column for column in range(len(split.space)) if column not in (joy, fear)]
    np.testing.assert_array_equal(split.soft_targets[:, others], split.targets[:, others])
    assert [set(labels) for labels in name_targets(split)] == [{"joy"}, {"anger", "sadness"}, set(), {"fear"}]


def test_some_of_the_texts_in_another_order(write):
    split = read_labelled(write(scores=SCORES))
    some = split.take(np.array([3, 2, 0]))
    assert (some.ids, some.groups) == (["d", "c", "a"], ["p3", "p1", "p1"])
    assert some.texts == [split.texts[row] for row in (3, 2, 0)]
    assert some.contexts == [split.contexts[row] for row in (3, 2, 0)]
    np.testing.assert_array_equal(some.targets, split.targets[[3, 2, 0]])
    np.testing.assert_array_equal(some.soft_targets, split.soft_targets[[3, 2, 0]])
    assert some.n_without_label == 1
    assert split.take(np.array([0, 1])).n_without_label == 0
    assert some.fingerprint != split.fingerprint
    assert split.take(np.arange(4)).fingerprint == split.fingerprint


def test_the_fingerprint_knows_all_that_is_learned_from(write):
    def fingerprint(scores=SCORES, **change):
        return read_labelled(write([{**ROWS[0], **change}, *ROWS[1:]], scores=scores)).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    changes = [{"text": "sad"}, {"mood": ["fear"]}, {"said": ["well?"]}, {"j": 0.7}, {"scores": ""}]
    found = [fingerprint(**change) for change in changes]
    assert len({first, *found}) == 1 + len(changes)


def test_labels_of_a_finer_space_are_mapped_and_degrees_are_not(write):
    rows = [
        {**ROWS[0], "mood": ["joy", "annoyance"]},
        {**ROWS[1], "mood": ["grief"]},
        {**ROWS[2], "mood": []},
        {**ROWS[3], "mood": ["anger", "annoyance"]},
    ]
    split = read_labelled(write(rows, space='label_space = "goemotions"', scores=SCORES), load_label_space("ekman"))
    assert split.space.name == "ekman"
    assert [set(labels) for labels in name_targets(split)] == [{"joy", "anger"}, {"sadness"}, set(), {"anger"}]
    np.testing.assert_array_equal(split.soft_targets, split.targets.astype(np.float32))


def test_rows_that_teach_nothing_are_counted(write):
    rows = [*ROWS, {**ROWS[0], "nr": "e", "text": " "}, {**ROWS[0], "nr": "f", "mood": ["happy"]}]
    split = read_labelled(write(rows))
    assert split.ids == ["a", "b", "c", "d"]
    assert split.left_out == {"rejected_rows": 2, "without_usable_label": 0}


def test_in_a_single_label_space_a_text_has_exactly_one(write):
    rows = [{**row, "mood": ["calm"] if number % 2 else ["tense"]} for number, row in enumerate(ROWS)]
    own = 'labels = ["calm", "tense"]\ntask = "single-label"'
    split = read_labelled(write(rows, space=own))
    assert split.targets.tolist() == [[False, True], [True, False]] * 2
    # Of many labels, those are of use that lead to one label of the space.
    moods = (["amusement", "love"], ["joy", "anger"], [], ["curiosity"])
    rows = [{**row, "mood": mood} for row, mood in zip(ROWS, moods, strict=True)]
    split = read_labelled(write(rows, space='label_space = "goemotions"'), load_label_space("isear"))
    assert split.ids == ["a"]
    assert name_targets(split) == [("joy",)]
    assert split.left_out == {"rejected_rows": 0, "without_usable_label": 3}


def test_data_without_labels_is_refused(write, tmp_path):
    (tmp_path / "lines.txt").write_text("One.\nTwo.\n")
    (tmp_path / "lines.toml").write_text('[dataset]\nname = "lines"\n[splits]\nall = "lines.txt"\n')
    with pytest.raises(DataError, match=r"a data set with labels, got lines at .*lines\.toml:all"):
        read_labelled(f"{tmp_path / 'lines.toml'}:all")
    with pytest.raises(DataError, match=r"examples with labels of ekman\.v\d, got none at .*own\.toml:all"):
        read_labelled(write([{**row, "mood": []} for row in ROWS]))


def test_spaces_that_do_not_go_together_are_refused(write):
    name = write(space='labels = ["joy", "anger", "sadness", "fear"]')
    with pytest.raises(
        LabelError, match=r"labels of ekman\.v\d, since .*, got own\.v1 with joy, anger.* at .*own\.toml"
    ):
        read_labelled(name, load_label_space("ekman"))
    with pytest.raises(UnknownNameError, match="label map"):
        read_labelled(write(space='label_space = "ekman"'), load_label_space("sst-2"))
    name = write(space='labels = ["joy", "anger", "sadness", "fear"]')
    own = read_labelled(name).space
    other = write(space='labels = ["anger", "joy", "sadness", "fear"]')
    with pytest.raises(LabelError, match=r"labels of own\.v1 in their order, got anger, joy, sadness, fear at .*own"):
        read_labelled(other, own)


@pytest.mark.parametrize("degree", [1.5, -0.1])
def test_a_degree_that_no_loader_refused_is_refused_here(write, monkeypatch, degree):
    from sentire.data import own_files

    name = write(scores=SCORES)
    make = own_files._parse_scores
    monkeypatch.setattr(own_files, "_parse_scores", lambda *given: {**make(*given), "fear": degree})
    with pytest.raises(DataError, match=rf"soft labels from 0 to 1, got fear {degree:g} at .*own\.toml:all, example a"):
        read_labelled(name)
