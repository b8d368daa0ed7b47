"""Configurations that do not fit together say so before anything is asked."""

from pathlib import Path

import pytest
from scripted_model import make_settings

from sentire.core.config import read_config
from sentire.core.errors import ConfigError, SentireError, UnknownNameError
from sentire.synthesis.config import SynthesisConfig, check_synthesis, fingerprint_outcome, get_label_space

CONFIGS = Path(__file__).parents[2] / "configs"

SERVER = {"kind": "openai", "base_url": "http://127.0.0.1:8000/v1", "model": "small"}
OWN = {"labels__labels": ["calm", "tense", "so-so"], "steps__emotional": 2}


def test_the_demonstration_fits_together():
    check_synthesis(read_config(SynthesisConfig, CONFIGS / "synthesis-demo.toml"))


def test_what_is_not_said_is_as_in_the_paper():
    settings = make_settings()
    check_synthesis(settings)
    assert get_label_space(settings).id == "goemotions.v1"
    assert (settings.steps.emotional + settings.steps.neutral, settings.expect.actors) == (10, 15)
    assert settings.steps.context_share == pytest.approx(1 / 3)
    assert (settings.labels.least_level, settings.labels.passes) == (0.3, 1)
    assert (settings.max_tokens.actors, settings.max_tokens.utterances, settings.max_tokens.soft_labels) == (
        300,
        500,
        100,
    )
    assert settings.sampling.temperature == 0.0
    assert settings.quota.per_label == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"narratives": {}}, r"a folder of stories or a data set of stories, got none at narratives\.folder"),
        ({"narratives": {"folder": "a", "data": "b:c"}}, r"got both at narratives\.folder and narratives\.data"),
        ({"labels__definitions": {"joyy": "glad"}}, r"got 'joyy' at labels\.definitions; did you mean \"joy\""),
        ({"labels__strays": {"bliss": "joyy"}}, r"got 'joyy' at labels\.strays; did you mean \"joy\""),
        ({"quota__labels": ["joyy"]}, r"got 'joyy' at quota\.labels; did you mean \"joy\""),
        ({**OWN, "steps__neutral": 1}, r"0, since no label stands for no emotion, got 1 at steps\.neutral"),
        ({"steps__emotional": 28}, r"at most 27 different emotions, got 28 at steps\.emotional"),
        (
            {**OWN, "labels__neutral": "so-so", "steps__emotional": 3},
            r"at most 2 different emotions, got 3 at steps\.emotional",
        ),
        (
            {**OWN, "steps__neutral": 0, "steps__emotional": 4},
            r"at most 3 different emotions, got 4 at steps\.emotional",
        ),
        ({"quality__least_agreement": 0.5}, r"labels\.passes = 2, got 1 at quality\.least_agreement"),
        ({"second": SERVER}, r"labels\.passes = 2, got 1 at second"),
        (
            {"quota__per_label": 5, "quota__labels": ["joy", "neutral"]},
            r"labels other than neutral, got neutral at quota\.labels",
        ),
        ({"quality__near_duplicate": 0.5}, r"0, or a similarity from \.9 on, got 0\.5 at quality\.near_duplicate"),
        ({"quality__cleaning_overlap": [0.9, 0.5]}, r"from low to high, got 0\.9 to 0\.5 at quality\.cleaning_overlap"),
        ({"quality__rewriting_overlap": [1, 0]}, r"from low to high, got 1\.0 to 0\.0 at quality\.rewriting_overlap"),
        ({"splits__orig": [0.8, 0.1, 0.2]}, r"at least 0 that add up to 1, got \(0\.8, 0\.1, 0\.2\) at splits\.orig"),
        ({"splits__context": [1.1, -0.1, 0]}, r"at least 0 that add up to 1, got .* at splits\.context"),
        ({"labels__labels": ["calm", "calm"]}, r"different labels, got \('calm', 'calm'\)"),
        ({"labels__labels": ["calm", "tense"], "labels__neutral": "so-so"}, r"one of the labels, got 'so-so'"),
    ],
)
def test_what_does_not_fit_together(changes, message):
    with pytest.raises(SentireError, match=message):
        check_synthesis(make_settings(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps__emotional": 27},
        {**OWN, "labels__neutral": "so-so"},
        {**OWN, "steps__neutral": 0, "steps__emotional": 3},
        {"labels__passes": 2, "quality__least_agreement": 0.5, "second": SERVER},
        {"quota__per_label": 5, "quota__labels": ["joy"]},
        {"quality__near_duplicate": 0},
        {"quality__near_duplicate": 0.9},
        {"quality__cleaning_overlap": [0.5, 0.5]},
        {"splits__orig": [1, 0, 0]},
        {"splits__context": [0.7, 0.2, 0.1]},
    ],
)
def test_what_does_fit_together(changes):
    check_synthesis(make_settings(**changes))


def test_unknown_label_spaces_have_near_matches():
    with pytest.raises(UnknownNameError, match=r"got 'goemotion'; did you mean \"goemotions\""):
        check_synthesis(make_settings(labels__space="goemotion"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps__emotinal": 3}, r"the unknown key 'emotinal' at steps\.emotinal; did you mean \"emotional\""),
        ({"qualty": {}}, r"the unknown key 'qualty' at qualty; did you mean \"quality\""),
        ({"provider__modell": "x"}, r"the unknown key 'modell' at provider.*; did you mean \"model\""),
        ({"provider": {"kind": "opnai", "model": "x"}}, "'openai', 'replay', 'transformers', 'vllm'.* at provider"),
        ({"provider": {"kind": "openai", "model": "x"}}, r"a value, got none at provider\.base_url; add the key"),
        ({"provider": {"model": "x"}}, r"'kind'.* at provider"),
        ({"labels__passes": 3}, r"less than or equal to 2, got 3 at labels\.passes"),
        ({"labels__least_level": 0}, r"greater than 0, got 0 at labels\.least_level"),
        ({"steps__context_share": 1.5}, r"less than or equal to 1, got 1\.5 at steps\.context_share"),
        ({"steps__emotional": 0}, r"greater than or equal to 1, got 0 at steps\.emotional"),
        ({"steps__relabel": "yes"}, r"got 'yes' at steps\.relabel"),
        ({"narratives__too_long": "cut"}, r"'chunk' or 'refuse', got 'cut' at narratives\.too_long"),
        ({"quality__near_duplicate": 1}, r"less than 1, got 1 at quality\.near_duplicate"),
        ({"splits__orig": [0.9, 0.1]}, r"splits\.orig"),
        ({"sampling__temperature": 3}, r"less than or equal to 2, got 3 at sampling\.temperature"),
        ({"budget__money": -1}, r"greater than or equal to 0, got -1 at budget\.money"),
        ({"limits__in_flight": 0}, r"greater than or equal to 1, got 0 at limits\.in_flight"),
    ],
)
def test_keys_and_values_are_checked_when_they_are_read(changes, message):
    with pytest.raises(ConfigError, match=message):
        make_settings(**changes)


def test_a_label_space_of_ones_own():
    space = get_label_space(make_settings(**OWN, labels__neutral="so-so"))
    assert (space.labels, space.neutral, space.task) == (("calm", "tense", "so-so"), "so-so", "multi-label")


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"language": "German"},
        {"provider__model": "another"},
        {"labels__passes": 2},
        {"labels__strays": {"bliss": "joy"}},
        {"steps__emotional": 7},
        {"sampling__temperature": 0.5},
        {"max_tokens__context": 7},
        {"quota__per_label": 5},
        {"quality__shortest_words": 4},
        {"splits__orig": [0.7, 0.2, 0.1]},
        {"narratives__n": 5},
    ],
)
def test_another_outcome_has_another_fingerprint(changes):
    assert fingerprint_outcome(make_settings(**changes)) != fingerprint_outcome(make_settings())


def test_where_and_how_fast_it_is_made_does_not_change_the_fingerprint():
    first = make_settings(provider=SERVER, labels__passes=2, second=SERVER)
    elsewhere = SERVER | {"base_url": "http://127.0.0.1:9/v1", "timeout_seconds": 5.0, "key_variable": "KEY"}
    second = make_settings(
        provider=elsewhere,
        labels__passes=2,
        second=elsewhere,
        limits__in_flight=3,
        retries__attempts=2,
        budget__calls=9,
        expect__actors=3,
    )
    assert fingerprint_outcome(first) == fingerprint_outcome(second)
    assert fingerprint_outcome(first) != fingerprint_outcome(make_settings(provider=SERVER, labels__passes=2))
    other = make_settings(provider=SERVER, labels__passes=2, second=SERVER | {"model": "large"})
    assert fingerprint_outcome(first) != fingerprint_outcome(other)


@pytest.mark.parametrize(
    ("provider", "change"),
    [
        ({"kind": "transformers", "model": "owner/small"}, {"revision": "0123abc"}),
        ({"kind": "vllm", "model": "owner/small"}, {"revision": "0123abc"}),
        (SERVER, {"extra": {"chat_template_kwargs": {"enable_thinking": False}}}),
        (SERVER, {"schema_form": "none"}),
    ],
)
def test_what_the_model_is_and_what_it_is_told_beside_the_prompt_is_in_the_fingerprint(provider, change):
    first, second = (make_settings(provider=one) for one in (provider, provider | change))
    assert fingerprint_outcome(first) != fingerprint_outcome(second)
