import pytest

from sentire.classifiers.card import render_model_card
from sentire.classifiers.recipe import TfidfRecipe
from sentire.core.config import parse_config
from sentire.data.cards import DatasetCard

RECIPE = parse_config(
    TfidfRecipe,
    {"recipe": "tfidf", "name": "moods-nb", "seed": 3, "data": {"train": "moods:train", "dev": "moods:dev"}},
)
REPORT = {
    "n_features": 12_345,
    "n_train": 43_210,
    "n_dev": 5_432,
    "classifier": {"kind": "naive-bayes", "alpha": 0.5},
    "calibration": {
        "chosen": "isotonic",
        "cross_fitted_on_dev": {
            "none": {"micro_ece": 0.12345, "log_loss": 0.4},
            "isotonic": {"micro_ece": 0.01, "log_loss": 0.25004},
        },
    },
    "thresholds": {
        "chosen": "per-label",
        "shrinkage": 10.0,
        "cross_fitted_on_dev": {"fixed .5": {"macro_f1": 0.2345, "micro_f1": 0.4567}},
    },
}


def render(ships="no"):
    card = DatasetCard(
        name="moods",
        title="Moods of the Town",
        revision="2031-02",
        citation="Nobody 2031, Moods",
        homepage="",
        licence="for research alone",
        weights_may_ship=ships,
    )
    return render_model_card(RECIPE, [card], REPORT)


def test_it_says_where_the_model_comes_from_and_what_was_measured():
    text = render()
    for part in (
        "# moods-nb\n",
        "12,345 TF-IDF terms for the labels of Moods of the Town",
        "Settings: kind naive-bayes, alpha 0.5; seed 3.",
        "`moods:train`, 43,210 texts, revision 2031-02",
        "Nobody 2031, Moods",
        "cross-fitted on `moods:dev` (5,432 texts)",
        "| none | 0.1235 | 0.4000 |\n| isotonic | 0.0100 | 0.2500 |",
        "Chosen: isotonic.",
        "| fixed .5 | 0.234 | 0.457 |",
        "Chosen: per-label, shrinkage 10.0.",
        "do not use it to decide about a person",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    ("ships", "sentence"),
    [
        ("no", "The weights must **not** be given away: the data's licence does not allow it."),
        ("yes", "The weights may be given away."),
        ("with attribution", "The weights may be given away with the attribution above."),
        (
            "with attribution, same licence",
            "The weights may be given away with the attribution above and under the same licence.",
        ),
    ],
)
def test_it_says_whether_the_weights_may_be_given_away(ships, sentence):
    assert f"Licence of the data: for research alone. {sentence}\n" in render(ships)
