"""Statistics, counted once more by hand."""

from dataclasses import replace

import numpy as np
import pytest
from scripted_model import TEXTS, UTTERANCES, collect, count_words, make_settings

from sentire.synthesis.definitions import load_label_guide
from sentire.synthesis.statistics import measure_synthesis


def measure(utterances=UTTERANCES, encode=count_words, **changes):
    settings = make_settings(**changes)
    guide = load_label_guide(settings)
    return measure_synthesis(collect(utterances, settings), settings, guide, encode, "counted words")


FOUND = measure()


def test_counts_of_stories_and_calls():
    assert FOUND["stories"] == {"used": 2, "left_out": {"empty": 1, "too short": 3}}
    assert (FOUND["characters"], FOUND["utterances"], FOUND["still_to_be_made"]) == (3, 7, 4)
    assert FOUND["dropped"] == {
        "characters": {"more than steps.most_actors": 2, "name of more than 80 characters": 2},
        "utterances": {"more than were asked for": 1},
    }
    assert FOUND["calls"] == {
        "actors": {"answered": 2, "failed": {}},
        "context": {"answered": 0, "failed": {"no text": 1}},
        "utterances": {"answered": 3, "failed": {"timeout": 3}},
    }
    assert FOUND["quota"] == {
        "rounds": [{"missing": {"joy": 3}, "calls": 1}, {"missing": {"joy": 1}, "calls": 1}],
        "missing_in_the_end": {"joy": 1},
    }


def test_counts_of_rows_add_up():
    assert FOUND["rows"] == {"orig": 5, "corig": 1, "crewr": 1}
    assert FOUND["refused"] == {"orig": {"too few words": 1, "near-duplicate": 1}, "corig": {}, "crewr": {}}
    assert FOUND["rows"]["orig"] + sum(FOUND["refused"]["orig"].values()) == FOUND["utterances"]


def test_labels_before_and_after_the_rules():
    shown = {label: counts for label, counts in FOUND["labels"].items() if any(counts.values())}
    assert shown == {
        "anger": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
        "annoyance": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
        "fear": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
        "joy": {"before the rules": 3, "orig": 1, "corig": 1, "crewr": 1},
        "optimism": {"before the rules": 1, "orig": 1, "corig": 1, "crewr": 0},
        "relief": {"before the rules": 0, "orig": 0, "corig": 0, "crewr": 1},
        "sadness": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
        "surprise": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
        "neutral": {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0},
    }
    assert len(FOUND["labels"]) == 28


def test_soft_labels_are_counted_before_the_least_level_takes_any():
    levels = (("joy", 0.8), ("love", 0.1), ("fear", 0.0))
    shown = measure([replace(UTTERANCES[1], levels=levels)])["labels"]
    assert shown["joy"] == {"before the rules": 1, "orig": 1, "corig": 0, "crewr": 0}
    assert shown["love"] == {"before the rules": 1, "orig": 0, "corig": 0, "crewr": 0}
    assert shown["fear"]["before the rules"] == 0  # a level of 0 says that it is not there


def test_texts_without_blanks_have_words_too():
    rows = [replace(UTTERANCES[1], text="终于下雨了。")]
    assert measure(rows, language="Chinese")["words"]["orig"]["words_a_text"]["mean"] == 5.0


def test_what_was_intended():
    assert FOUND["intended"] == {"joy": 3, "neutral": 1, "anger": 1, "(outside the labels)": 1, "pride": 1}
    # Of the rows that were not made on purpose: joy and neutral first as intended, anger second, mauve nothing.
    assert FOUND["first_label_is_the_intended"] == 0.5


def test_words_outside_the_labels_come_most_frequent_first():
    more = [replace(one, intended="Beige") for one in UTTERANCES[:3]] + UTTERANCES[3:]
    assert measure(more)["strays"] == [
        {"word": "beige", "stands_for": "", "where": "intended", "n": 3},
        {"word": "hope", "stands_for": "optimism", "where": "first pass", "n": 1},
        {"word": "mauve", "stands_for": "", "where": "intended", "n": 1},
    ]


def test_means_and_spreads():
    n_labels = [2, 1, 3, 1, 1]
    assert FOUND["labels_a_row"]["orig"] == {
        "n": 5,
        "mean": pytest.approx(np.mean(n_labels)),
        "sd": pytest.approx(np.std(n_labels, ddof=1), abs=1e-6),
    }
    assert FOUND["labels_a_row"]["crewr"] == {"n": 1, "mean": 2.0, "sd": 0.0}
    assert FOUND["share_neutral"]["orig"] == pytest.approx(1 / 5)
    highest = [0.8, 0.9, 0.6, 0.5, 0.5]
    assert FOUND["measures"]["orig"]["expressiveness"]["mean"] == pytest.approx(np.mean(highest))
    assert set(FOUND["measures"]["orig"]) == {"expressiveness", "hiddenness"}
    assert set(FOUND["measures"]["crewr"]) == {
        "agreement",
        "cleaning_overlap",
        "expressiveness",
        "hiddenness",
        "rewriting_overlap",
    }
    n_words = [len(text.split()) for text in TEXTS]
    assert FOUND["words"]["orig"]["words_a_text"]["mean"] == pytest.approx(np.mean(n_words))
    tokens = [word.strip(".,").lower() for text in TEXTS for word in text.split()]
    assert FOUND["words"]["orig"]["distinct_1"] == pytest.approx(len(set(tokens)) / len(tokens), abs=1e-6)


def test_similarities_are_means_over_pairs():
    vectors = count_words(TEXTS).astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    speakers = ["Mira", "Mira", "Mira", "the ferryman", "the ferryman"]
    pairs = [(i, j) for i in range(5) for j in range(i)]
    within = [unit[i] @ unit[j] for i, j in pairs if speakers[i] == speakers[j]]
    across = [unit[i] @ unit[j] for i, j in pairs if speakers[i] != speakers[j]]
    found = FOUND["similarity"]
    assert found["encoder"] == "counted words"
    assert found["all"] == {
        "within_a_character": pytest.approx(np.mean(within), abs=1e-6),
        "across_characters": pytest.approx(np.mean(across), abs=1e-6),
    }
    assert "neutral" not in found  # one row makes no pair
    assert 1 <= found["topic_spread"] <= 5
    first, second = count_words(["The ferry has left, sad as it is.", "The ferry has left."])
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert found["clean_to_uncleaned_context"] == {"n": 1, "mean": pytest.approx(cosine, abs=1e-6), "sd": 0.0}


def test_a_character_is_another_in_another_story():
    several = [replace(one, group=f"story{n}", actor="Mira") for n, one in enumerate(UTTERANCES[:5])]
    vectors = count_words(TEXTS).astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = np.mean([unit[i] @ unit[j] for i in range(5) for j in range(i)])
    assert measure(several)["similarity"]["all"]["across_characters"] == pytest.approx(mean, abs=1e-6)


def test_a_mean_over_no_pair_is_not_shown_as_0():
    # A cosine of 0 would say that what a character says has nothing in common.
    several = [replace(one, group=f"story{n}", actor="Mira") for n, one in enumerate(UTTERANCES[:5])]
    assert measure(several)["similarity"]["all"].get("within_a_character") != 0.0
    alone = [replace(one, group="ferry", actor="Mira") for one in UTTERANCES[:5]]
    assert measure(alone)["similarity"]["all"].get("across_characters") != 0.0


def test_a_text_without_a_vector_does_not_end_the_statistics():
    def encode(texts):
        vectors = count_words(texts)
        vectors[0] = 0.0
        return vectors

    assert set(measure(encode=encode)["similarity"]["all"]) == {"within_a_character", "across_characters"}


def test_near_duplicates_are_a_share_of_all_utterances():
    assert FOUND["near_duplicate_share"] == pytest.approx(1 / 7, abs=1e-6)


def test_without_any_row_there_are_still_statistics():
    found = measure([])
    assert found["rows"] == {"orig": 0, "corig": 0, "crewr": 0}
    assert found["labels_a_row"]["orig"] == {"n": 0}
    assert found["similarity"] == {"encoder": "counted words"}
    assert found["strays"] == []
    assert found["measures"] == {"orig": {}, "corig": {}, "crewr": {}}


def test_where_no_label_is_neutral_none_is_counted():
    own = {"labels__labels": ["joy", "fear"], "steps__neutral": 0, "steps__emotional": 2}
    found = measure(UTTERANCES[:1], **own)
    assert found["share_neutral"]["orig"] == 0.0
    assert set(found["labels"]) == {"joy", "fear"}
