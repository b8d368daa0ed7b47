"""Labels as prompts show them and as replies name them."""

import tomllib
from importlib.resources import files

import pytest
from scripted_model import make_settings

from sentire.core.errors import ConfigError, LabelError
from sentire.core.labels import LABEL_SPACES, load_label_space
from sentire.synthesis.config import check_synthesis
from sentire.synthesis.definitions import clean_word, load_label_guide, load_label_guide_of

GOEMOTIONS = load_label_guide_of("goemotions")
FOLDER = files("sentire.synthesis").joinpath("label_guides")


def test_every_label_of_goemotions_is_defined_and_can_be_found_in_a_text():
    labels = GOEMOTIONS.space.labels
    assert set(GOEMOTIONS.definitions) == set(labels)
    assert all(definition.strip() for definition in GOEMOTIONS.definitions.values())
    assert set(GOEMOTIONS.word_stems) == set(labels) - {"neutral"}
    for label in GOEMOTIONS.word_stems:
        assert GOEMOTIONS.find_named(f"Full of {label}, she left.", labels) == (label,)


def test_a_definition_does_not_take_the_line_of_another_label():
    lines = GOEMOTIONS.list_lines().splitlines()
    assert [line.split(":")[0] for line in lines] == [f"- {label}" for label in GOEMOTIONS.space.labels]
    assert GOEMOTIONS.list_lines(is_reversed=True).splitlines() == lines[::-1]


def test_every_stray_stands_for_a_label_and_is_none_itself():
    labels = GOEMOTIONS.space.labels
    assert len(GOEMOTIONS.strays) > 40
    assert set(GOEMOTIONS.strays.values()) < set(labels)
    assert not set(GOEMOTIONS.strays) & set(labels)
    assert "neutral" not in GOEMOTIONS.strays.values()
    for stray, label in GOEMOTIONS.strays.items():
        assert clean_word(stray) == stray
        assert GOEMOTIONS.read(f' "{stray.upper()}." ') == label


def test_no_word_stem_names_two_labels():
    stems = [stem for stems in GOEMOTIONS.word_stems.values() for stem in stems]
    assert len(set(stems)) == len(stems)
    assert all(stem == stem.lower().strip() and stem for stem in stems)


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir(), key=lambda path: path.name), ids=lambda path: path.name)
def test_a_file_of_definitions_knows_no_labels_but_those_of_its_space(path):
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    space = load_label_space(path.name.removesuffix(".toml"))
    assert set(content) == {"definitions", "word_stems", "strays"}
    assert set(content["definitions"]) == set(space.labels)
    assert set(content["word_stems"]) <= set(space.labels)


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_every_label_of_every_space_is_read_as_itself(name):
    guide = load_label_guide_of(name)
    assert [guide.read(label) for label in guide.space.labels] == list(guide.space.labels)
    assert len(guide.list_lines().splitlines()) == len(guide.space)


@pytest.mark.parametrize(
    ("word", "label"),
    [
        ("joy", "joy"),
        (" Joy. ", "joy"),
        ("**JOY**", "joy"),
        ("[joy]", "joy"),
        ("'joy'", "joy"),
        ("anxiety", "nervousness"),
        ("Anxiety", "nervousness"),
        ("joyful", None),
        ("jo y", None),
        ("", None),
        ("   ", None),
        ("no emotion at all", None),
    ],
)
def test_words_of_models(word, label):
    assert GOEMOTIONS.read(word) == label


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("A great sadness came over her.", ("sadness",)),
        ("SAD, that is what it was", ("sadness",)),
        ("They went on a crusade.", ()),
        ("He wore gloves.", ()),
        ("She admired the lovely bridge.", ("admiration", "love")),
        ("It was, thankfully, over.", ("gratitude",)),
        ("The engagement was off.", ()),
        ("It let down the rope; a let-down it was not.", ("disappointment",)),
        ("enraged", ()),
        ("", ()),
    ],
)
def test_words_that_name_an_emotion_are_found_from_their_beginning(text, labels):
    assert GOEMOTIONS.find_named(text, GOEMOTIONS.space.labels) == labels


def test_only_the_labels_that_are_asked_for_are_looked_for_in_their_order():
    text = "Sad and proud and happy"
    assert GOEMOTIONS.find_named(text, ["pride", "anger", "joy"]) == ("pride", "joy")
    assert GOEMOTIONS.find_named(text, ["neutral"]) == ()


OWN = {
    "labels__labels": ["Calm", "very_tense", "so-so"],
    "labels__neutral": "so-so",
    "labels__definitions": {"Calm": "at ease"},
    "labels__strays": {"Stress": "very_tense", "peace_of_mind": "Calm"},
}


def test_labels_of_ones_own():
    guide = load_label_guide(make_settings(**OWN))
    assert guide.list_lines() == "- Calm: at ease\n- very_tense\n- so-so"
    assert guide.read("calm") == "Calm"
    assert guide.read("so-so") == "so-so"
    assert guide.read("stress") == "very_tense"
    assert guide.read("Peace of mind") == "Calm"
    assert guide.read("joy") is None
    assert guide.find_named("He stayed calm and so-so.", guide.space.labels) == ("Calm",)


def test_a_label_with_an_underscore_is_read_as_models_copy_it():
    guide = load_label_guide(make_settings(**OWN))
    assert guide.read("very_tense") == "very_tense"
    assert guide.read("Very tense") == "very_tense"


def test_definitions_and_strays_of_the_configuration_win():
    settings = make_settings(labels__definitions={"joy": "mine"}, labels__strays={"Anxiety": "fear", "mauve": "grief"})
    guide = load_label_guide(settings)
    assert guide.definitions["joy"] == "mine"
    assert guide.definitions["love"] == GOEMOTIONS.definitions["love"]
    assert (guide.read("anxiety"), guide.read("MAUVE"), guide.read("awe")) == ("fear", "grief", "admiration")


def test_a_stray_for_a_label_that_is_not_there():
    with pytest.raises(LabelError, match=r"a label of goemotions\.v1, got 'joyy' at what bliss stands for"):
        load_label_guide(make_settings(labels__strays={"bliss": "joyy"}))


def test_labels_of_ones_own_under_the_name_of_a_label_space_are_refused():
    settings = make_settings(name="goemotions", labels__labels=["calm", "tense"], steps__neutral=0, steps__emotional=2)
    with pytest.raises(
        ConfigError, match=r"another name, .*got 'goemotions', which is a registered label space at name"
    ):
        check_synthesis(settings)
