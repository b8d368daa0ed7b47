from collections import Counter

import pytest

from sentire.data.reading import Reading
from sentire.data.sarcasm import CARD, iter_records


def write(root, *lines):
    (root / "sarcasm_v2").mkdir()
    text = "\r\n".join(["class,id,text", *lines]) + "\r\n"
    (root / "sarcasm_v2/GEN-sarc-notsarc.csv").write_bytes(text.encode())


def test_classes_become_labels(tmp_path):
    write(tmp_path, 'notsarc,1,"Plain, and true."', 'sarc,2,"Oh, ""great"".\r\n\r\nAnother door."')
    first, second = iter_records(tmp_path, "all", Reading())
    assert (first.id, first.labels) == ("1", ("not sarcastic",))
    assert second.labels == ("sarcastic",)
    assert second.text.startswith('Oh, "great".')
    assert second.text.endswith("Another door.")


def test_equal_texts_stay_on_one_side(tmp_path):
    write(tmp_path, *(f"sarc,{number},Text {number // 2}{'!' if number % 2 else ''}" for number in range(120)))
    splits = {split: [one.id for one in iter_records(tmp_path, split, Reading())] for split in CARD.splits}
    assert sorted(splits["all"]) == sorted(one for split in ("train", "dev", "test") for one in splits[split])
    for split in ("train", "dev", "test"):
        assert {int(one) ^ 1 for one in splits[split]} == {int(one) for one in splits[split]}


def test_defects_are_counted(tmp_path):
    fine = [f"sarc,{number},Fine {number}" for number in range(4)]
    write(tmp_path, *fine, "sarc,8, ", "irony,9,x", "sarc,,x", "sarc,10")
    reading = Reading()
    assert len(list(iter_records(tmp_path, "all", reading))) == 4
    assert reading.reports[0].reasons == {
        "empty text": 1,
        "label outside the label space": 1,
        "no id": 1,
        "wrong number of fields": 1,
    }


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    examples = list(iter_records(corpus_root, "all", Reading()))
    assert Counter(one.labels for one in examples) == {("sarcastic",): 3260, ("not sarcastic",): 3260}
