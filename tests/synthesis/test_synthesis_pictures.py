import pytest

pytest.importorskip("matplotlib")

from sentire.core.labels import GOEMOTIONS
from sentire.synthesis.pictures import draw_synthesis


def make_statistics(**refused):
    counts = {"before the rules": 9, "orig": 5, "corig": 2, "crewr": 1}
    return {
        "labels": {
            label: {name: n + place for name, n in counts.items()} for place, label in enumerate(GOEMOTIONS.labels)
        },
        "refused": {"orig": refused, "corig": {}, "crewr": {}},
    }


STATISTICS = make_statistics(**{"too few words": 3, "duplicate": 1})


@pytest.fixture(scope="module")
def pictures():
    return draw_synthesis(STATISTICS)


def test_every_label_and_every_rule_is_in_its_picture(pictures):
    assert set(pictures) == {"labels.svg", "refused.svg"}
    labels, refused = (pictures[name].decode() for name in ("labels.svg", "refused.svg"))
    assert all(f">{label}<" in labels for label in GOEMOTIONS.labels)
    assert ">orig: too few words<" in refused
    assert ">orig: duplicate<" in refused


def test_where_nothing_was_left_out_there_is_no_picture_of_it():
    assert set(draw_synthesis(make_statistics())) == {"labels.svg"}


def test_the_same_statistics_give_the_same_bytes(pictures):
    assert draw_synthesis(STATISTICS) == pictures
    assert b"<dc:date>" not in pictures["labels.svg"]
