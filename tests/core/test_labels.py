"""Label spaces: the registered ones do not change in silence, and names and columns go there and back."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.core.errors import LabelError, ShapeError, UnknownNameError
from sentire.core.labels import (
    EKMAN,
    GOEMOTIONS,
    LABEL_SPACES,
    SENTIMENT,
    LabelSpace,
    load_label_space,
    make_label_space,
)

# A space that changes under the same version makes old files mean something else. Who changes one adds a version.
PINNED = {
    "goemotions.v1": "48e5d07134e3e48b",
    "ekman.v1": "b0257510cafa17cb",
    "sentiment.v1": "10bcff27bb4487af",
    "isear.v1": "520965d68fcf1645",
    "emocontext.v1": "3eb0c6e5e3c9fad3",
    "iemocap-4.v1": "3a14d558012cb07a",
    "iemocap-6.v1": "0390ba4dcb617abf",
    "meld.v1": "11c49c14aa66e9df",
    "sst-2.v1": "d503e41881a18218",
    "sst-5.v1": "682f20a547c15361",
    "sarcasm.v1": "83d1016ebe4896f3",
}


def digest(space: LabelSpace) -> str:
    return hashlib.sha256("\n".join([space.task, str(space.neutral), *space.labels]).encode()).hexdigest()[:16]


def test_registered_spaces_are_those_that_were_published():
    assert {space.id: digest(space) for space in LABEL_SPACES.values()} == PINNED


@pytest.mark.parametrize("space", LABEL_SPACES.values(), ids=lambda space: space.id)
def test_every_registered_space_is_sound(space):
    assert LABEL_SPACES[space.name] is space
    assert space.source
    assert [space.index(label) for label in space.labels] == list(range(len(space)))
    assert all(label == label.strip().lower() and label for label in space.labels)
    assert load_label_space(space.name) is load_label_space(space.id) is space
    assert hash(space) == hash(load_label_space(space.name))


def test_sizes_are_those_of_the_papers():
    sizes = {space.name: len(space) for space in LABEL_SPACES.values()}
    assert sizes == {
        "goemotions": 28,
        "ekman": 7,
        "sentiment": 4,
        "isear": 7,
        "emocontext": 4,
        "iemocap-4": 4,
        "iemocap-6": 6,
        "meld": 7,
        "sst-2": 2,
        "sst-5": 5,
        "sarcasm": 2,
    }


def test_goemotions_is_alphabetical_but_for_neutral():
    assert list(GOEMOTIONS.labels[:-1]) == sorted(GOEMOTIONS.labels[:-1])
    assert GOEMOTIONS.labels[-1] == GOEMOTIONS.neutral == "neutral"


@pytest.mark.corpus
def test_goemotions_has_the_order_of_the_release(corpus_root):
    published = (corpus_root / "goemotions" / "emotions.txt").read_text(encoding="utf-8").split()
    assert list(GOEMOTIONS.labels) == published


def test_encode_by_hand():
    expected = [[True, False, False, True], [False] * 4, [False, True, False, False]]
    assert SENTIMENT.encode([["positive", "neutral"], [], ("negative", "negative")]).tolist() == expected
    assert SENTIMENT.encode([]).shape == (0, 4)


@given(st.lists(st.frozensets(st.sampled_from(GOEMOTIONS.labels)), max_size=8))
def test_decode_undoes_encode(rows):
    decoded = GOEMOTIONS.decode(GOEMOTIONS.encode(rows))
    assert [frozenset(row) for row in decoded] == rows
    assert all(list(row) == sorted(row, key=GOEMOTIONS.index) for row in decoded)


def test_encode_names_the_row_and_the_near_match():
    with pytest.raises(LabelError, match=r'a label of goemotions\.v1, got \'joyy\' at row 1; did you mean "joy"'):
        GOEMOTIONS.encode([["joy"], ["joyy"]])


def test_a_label_without_near_match_shows_the_labels():
    with pytest.raises(LabelError, match="the labels are anger, disgust, fear, joy, sadness, surprise, neutral"):
        EKMAN.index("xyz", where="a.csv:3")


@pytest.mark.parametrize("label", [3, None, 1.5, ["joy"], {"joy": 1}, b"joy", "", "JOY", " joy", "\ud800", "j" * 10**6])
def test_what_a_json_file_may_hold_in_the_place_of_a_label(label):
    with pytest.raises(LabelError, match=r"a label of ekman\.v1") as caught:
        EKMAN.index(label)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("shape", [(3,), (2, 6), (2, 8), (1, 7, 1)])
def test_decode_refuses_other_shapes(shape):
    with pytest.raises(ShapeError, match=r"shape \(N, 7\) for ekman\.v1, got shape"):
        EKMAN.decode(np.zeros(shape, dtype=bool))


def test_unknown_spaces_are_refused_with_near_matches():
    with pytest.raises(UnknownNameError, match="got 'goemotion'; did you mean \"goemotions\""):
        load_label_space("goemotion")
    with pytest.raises(UnknownNameError, match=r"goemotions\.v2"):
        load_label_space("goemotions.v2")


def test_spaces_of_ones_own():
    space = make_label_space("tickets", ["calm", "upset"], task="single-label", neutral="calm")
    assert (space.id, space.labels, len(space), "upset" in space, "joy" in space) == (
        "tickets.v1",
        ("calm", "upset"),
        2,
        True,
        False,
    )
    assert space != make_label_space("tickets", ["upset", "calm"], task="single-label", neutral="calm")


@pytest.mark.parametrize(
    ("labels", "neutral", "message"),
    [
        ([], None, "one or more different labels"),
        (["a", "b", "a"], None, r"different labels, got \('a', 'b', 'a'\) at label space own"),
        (["calm", "ca\x1b[2Jlm"], None, r"names without control characters, got 'ca\\x1b\[2Jlm' at label space 'own'"),
        (["calm", "ca\u202elm"], None, "names without control characters"),
        (["a", "b"], "none", "a neutral label that is one of the labels, got 'none'"),
    ],
)
def test_senseless_spaces_are_refused(labels, neutral, message):
    with pytest.raises(LabelError, match=message):
        make_label_space("own", labels, neutral=neutral)


def test_labels_may_hold_any_letters_and_pictures():
    labels = [
        "très bien",
        "\u062e\u0634\u0645\u06af\u06cc\u0646\u200c\u0634\u062f\u0646",
        "\U0001f469\u200d\U0001f467",
        "so glad",
    ]
    assert make_label_space("own", labels).labels == tuple(labels)
