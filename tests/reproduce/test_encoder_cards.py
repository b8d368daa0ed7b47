"""The cards of a suite's encoders: figures of the right one, with intervals, once."""

import pytest

pytest.importorskip("torch")

from sentire.core.errors import ArtifactError
from sentire.reproduce.encoder_cards import write_encoder_cards

FOUND = {
    "train.carl-1": {"n_texts": {"emobank:train": 9}, "best_step": 3, "shift_on_dev": 0.1},
    "affect.carl-1": {
        "probe": {"valence": {"pearson": {"value": 0.61234, "low": 0.5, "high": 0.7, "n": 9}}},
        "uniformity": {"value": -2.5, "low": -2.75, "high": -2.25},
        "n_test": 9,
    },
    "clusters.carl-1": {"ami": {"mean": 0.25, "sd": 0.1, "low": 0.2, "high": 0.3, "values": [0.2, 0.3]}},
    "affect.carl-12": {"uniformity": {"value": -9.0, "low": -9.5, "high": -8.5}},
    "affect.pretrained": {"uniformity": {"value": -3.0, "low": -3.5, "high": -2.5}},
}
ROWS = [
    "| affect: probe valence pearson | 0.6123 (0.5000 to 0.7000) |",
    "| affect: uniformity | -2.5000 (-2.7500 to -2.2500) |",
    "| clusters: ami | 0.2500 (0.2000 to 0.3000) |",
]


@pytest.fixture
def card(tmp_path):
    (tmp_path / "carl-1").mkdir()
    card = tmp_path / "carl-1" / "README.md"
    card.write_text("# carl-1\n\nHow it was trained.\n")
    return card


def test_a_card_gets_the_figures_of_its_own_encoder(tmp_path, card):
    write_encoder_cards("carl", tmp_path, FOUND)
    said = card.read_text()
    assert said.startswith("# carl-1\n\nHow it was trained.\n\n## Measured by `sentire reproduce carl`\n")
    assert [line for line in said.splitlines() if line.startswith("| ") and line != "| | |"] == ROWS


def test_a_second_run_replaces_what_the_first_one_wrote(tmp_path, card):
    write_encoder_cards("carl", tmp_path, {"affect.carl-1": FOUND["affect.carl-12"]})
    write_encoder_cards("carl", tmp_path, FOUND)
    said = card.read_text()
    write_encoder_cards("carl", tmp_path, FOUND)
    assert card.read_text() == said
    assert said.count("## Measured by") == 1
    assert "-9.0" not in said


def test_encoders_that_are_elsewhere_or_not_measured_are_passed_over(tmp_path, card):
    before = card.read_text()
    write_encoder_cards(
        "carl", tmp_path, {"train.carl-1": FOUND["train.carl-1"], "affect.ptd-1": FOUND["affect.carl-1"]}
    )
    write_encoder_cards("carl", tmp_path / "nothing", FOUND)
    assert card.read_text() == before
    assert [path.name for path in tmp_path.rglob("*.md")] == ["README.md"]


def test_a_card_that_cannot_be_read(tmp_path, card):
    card.write_bytes(b"\xff\xfe")
    with pytest.raises(ArtifactError, match=r"a card that can be read.*delete the file"):
        write_encoder_cards("carl", tmp_path, FOUND)
