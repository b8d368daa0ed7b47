"""Labels beside words for what somebody is: only what chance does not explain is told."""

import csv

import numpy as np
import pytest

pytest.importorskip("torch")

from scipy.stats import hypergeom

from sentire.reproduce.data_bias import audit_data
from sentire.reproduce.retrofit_page import render_retrofit_page
from sentire.reproduce.suites import SUITES, make_settings

FILLERS = ("it rained", "he came late", "no bus today", "soup again")


@pytest.fixture
def write(tmp_path):
    """``write([(text, label), …])`` gives the description of a data set with these train rows."""

    def write_rows(rows):
        with (tmp_path / "train.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("text", "labels"), *rows])
        path = tmp_path / "words.toml"
        path.write_text(
            '[dataset]\nname = "words"\nlabels = ["joy", "anger", "calm"]\n[columns]\nlabels = "labels"\n'
            '[splits]\ntrain = "train.csv"\n'
        )
        return str(path)

    return write_rows


def make_rows(said, labels, n_rest=400):
    """Rows with a word, with the given labels in turn, and many others with all three labels in equal parts."""
    rest = [(f"{FILLERS[n % 4]} {n}", ("joy", "anger", "calm")[n % 3]) for n in range(n_rest)]
    return [(text, labels[n % len(labels)]) for n, text in enumerate(said)] + rest


def test_what_chance_does_not_explain_is_told_with_its_p_value(write):
    found = audit_data(write(make_rows([f"my young cousin {n}" for n in range(30)], ["anger"])), None)
    entry = found["terms"]["young"]
    assert (entry["n"], entry["group"], found["n_texts"]) == (30, "age", 430)
    told = {label: (share, in_all, p) for label, share, in_all, p in entry["differences"]}
    assert told["anger"][:2] == (1.0, pytest.approx((30 + 133) / 430))
    assert told["joy"][:2] == (0.0, pytest.approx(134 / 430))
    # Fisher's exact test by hand: every outcome that is as unlikely as the one seen; then Holm over three labels.
    lay = hypergeom(430, 134, 30)
    likely = lay.pmf(np.arange(31))
    by_hand = likely[likely <= lay.pmf(0) * (1 + 1e-7)].sum()
    assert told["joy"][2] == pytest.approx(2 * by_hand, rel=1e-6)  # anger is the surest, joy and calm are alike
    assert found["n_compared"] == 3


def test_what_may_be_chance_is_not_told(write):
    found = audit_data(write(make_rows([f"a young cook {n}" for n in range(30)], ["joy", "anger", "calm"])), None)
    assert found["terms"]["young"] == {"group": "age", "n": 30, "differences": []}


def test_words_are_those_for_people_as_they_are_spelled(write):
    said = ["Polish it well", "polish the shoes", "the Polish nurse", "two Americans", "AMERICAN"]
    said += ["white house", "a white woman", "White people", "straight ahead", "that straight guy", "Young and old"]
    found = audit_data(write(make_rows(said, ["joy"])), None)["terms"]
    counts = {word: found[word]["n"] for word in ("Polish", "American", "white", "straight", "young", "Black")}
    assert counts == {"Polish": 2, "American": 1, "white": 2, "straight": 1, "young": 1, "Black": 0}
    assert all(entry["differences"] is None for entry in found.values())  # too few of each


def test_masks_are_counted(write):
    said = [f"I told [NAME] and [NAME] twice {n}" for n in range(25)] + ["[RARE] thing"]
    assert audit_data(write(make_rows(said, ["joy"])), None)["n_masked"] == {"[NAME]": 25}


def test_the_page_tells_the_differences_and_what_was_compared():
    settings = make_settings(SUITES["retrofit"], is_quick=True, overrides={"n_tuning_train": 0})
    terms = {
        "young": {"n": 1234, "group": "age", "differences": [["joy", 0.25, 0.0625, 0.0123], ["fear", 0.0, 0.1, 1e-9]]},
        "gay": {"n": 21, "group": "orientation", "differences": []},
        "deaf": {"n": 3, "group": "disability", "differences": None},
    }
    audit = {"n_texts": 5000, "n_masked": {"[NAME]": 60, "[TEAM]": 40}, "n_compared": 56, "terms": terms}
    page = render_retrofit_page(settings, {"bias.data": audit})
    assert "all 5,000 texts: 56 comparisons of 2 words" in page
    assert "of which 2 differ by more than chance (p < 0.05). 1 more words stand in fewer than 20 texts" in page
    assert "cannot be asked about them: `[NAME]` in 60, `[TEAM]` in 40 texts." in page
    assert "| young | 1,234 | joy | 25.0% | 6.2% | .012 |" in page
    assert "| young | 1,234 | fear | 0.0% | 10.0% | < .001 |" in page
    assert "| gay |" not in page
    assert "sst-2: better when fine-tuned on all texts" in page
    none = audit | {"n_masked": {}, "terms": {"gay": terms["gay"]}}
    page = render_retrofit_page(settings, {"bias.data": none})
    assert "of which 0 differ by more than chance" in page
    assert "| word |" not in page
    assert "masks" not in page
