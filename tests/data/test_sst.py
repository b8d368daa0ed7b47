from collections import Counter

import pytest

from sentire.data.reading import Reading
from sentire.data.sst import SST_2_CARD, SST_5_CARD, iter_sst_2_records, iter_sst_5_records


def write(root, name, text):
    (root / "sst").mkdir(exist_ok=True)
    (root / "sst" / name).write_text(text, encoding="utf-8")


def test_numbers_become_labels(tmp_path):
    write(tmp_path, "stsa.binary.dev", "0 a dull , long walk .\n1 what a -lrb- small -rrb- joy !\n")
    write(tmp_path, "stsa.fine.dev", "".join(f"{number} text {number}\n" for number in range(5)))
    first, second = iter_sst_2_records(tmp_path, "dev", Reading())
    assert (first.id, first.text, first.labels) == ("dev-1", "a dull , long walk .", ("negative",))
    assert second.labels == ("positive",)
    five = [one.labels[0] for one in iter_sst_5_records(tmp_path, "dev", Reading())]
    assert five == ["very negative", "negative", "neutral", "positive", "very positive"]


def test_defects_are_counted(tmp_path):
    write(tmp_path, "stsa.binary.train", "1 a\n1 b\n0 c\n1 d\n2 too high\nno number\n1 \n\n0\n")
    reading = Reading()
    assert len(list(iter_sst_2_records(tmp_path, "train", reading))) == 4
    assert reading.reports[0].reasons == {"unknown label number": 2, "empty text": 2}
    assert reading.reports[0].n_blank == 1


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("card", "records", "first"),
    [(SST_2_CARD, iter_sst_2_records, 3310), (SST_5_CARD, iter_sst_5_records, 1092)],
)
def test_the_release_is_as_measured(corpus_root, card, records, first):
    splits = {split: list(records(corpus_root, split, Reading())) for split in card.splits}
    assert {split: len(examples) for split, examples in splits.items()} == card.split_counts
    counts = Counter(one.labels[0] for one in splits["train"])
    assert counts[card.label_space.labels[0]] == first
