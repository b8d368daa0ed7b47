import pytest

from sentire.core.errors import DataError
from sentire.data.iemocap import (
    IEMOCAP_4_CARD,
    IEMOCAP_6_CARD,
    NO_USABLE_CLASS,
    iter_iemocap_4_records,
    iter_iemocap_6_records,
    iter_turns,
)
from sentire.data.reading import Reading

SPOKEN = """\
Ses02F_impro01_F000 [001.0000-002.0000]: Is the ladder yours?
Ses02F_impro01_FXX0 [002.0000-002.1000]: [LAUGHTER]
Ses02F_impro01_M000 [002.2000-003.0000]: It was.
M: Nobody heard this.
Ses02F_impro01_F001 [003.1000-004.0000]: Wonderful!
Ses02F_impro01_M001 [004.1000-005.0000]: Take it, then.
"""

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"

JUDGED = """\
[1.0000 - 2.0000]\tSes02F_impro01_F000\tneu\t[2.5000, 3.0000, 5.5000]
C-E1:\tNeutral;\t()
C-E2:\tExcited; Frustration; Other;\t(a remark)
A-E1:\tval 3; act 2; dom  ;\t()
A-E2:\tval 9; act 3; dom  4;\t()

[2.2000 - 3.0000]\tSes02F_impro01_M000\txxx\t[2.0000, 3.0000, 3.0000]
C-E1:\tSadness;\t()

[3.1000 - 4.0000]\tSes02F_impro01_F001\texc\t[4.5000, 4.0000, 3.5000]
C-E1:\tExcited;\t()

[4.1000 - 5.0000]\tSes02F_impro01_M001\tfru\t[2.0000, 3.5000, 3.5000]
C-F1:\tFrustration;\t()
"""


def write(root, session=2, name="Ses02F_impro01", judged=HEAD + JUDGED, spoken=SPOKEN, folder="iemocap"):
    dialog = root / folder / "IEMOCAP_full_release" / f"Session{session}" / "dialog"
    for part, text in (("EmoEvaluation", judged), ("transcriptions", spoken)):
        (dialog / part).mkdir(parents=True, exist_ok=True)
        (dialog / part / f"{name}.txt").write_text(text)
    (dialog / "EmoEvaluation/._stub.txt").write_bytes(b"\x00\x05\x16\x07")
    (dialog / "EmoEvaluation/Categorical").mkdir(exist_ok=True)


def test_four_ways(tmp_path):
    write(tmp_path)
    reading = Reading()
    first, second = iter_iemocap_4_records(tmp_path, "session2", reading)
    assert (first.id, first.labels, first.context) == ("Ses02F_impro01_F000", ("neutral",), ())
    assert (second.id, second.labels) == ("Ses02F_impro01_F001", ("happiness",))
    assert second.context == ("Is the ladder yours?", "It was.")
    assert second.group == "Ses02F_impro01"
    assert second.notes == {"speaker": "Ses02_F", "class": "exc"}
    assert (reading.n_read, reading.n_accepted, reading.n_rejected) == (4, 2, 2)
    assert sum(report.reasons[NO_USABLE_CLASS] for report in reading.reports) == 2


def test_six_ways(tmp_path):
    write(tmp_path)
    examples = list(iter_iemocap_6_records(tmp_path, "train", Reading()))
    assert [one.labels[0] for one in examples] == ["neutral", "excitement", "frustration"]


def test_what_the_raters_said(tmp_path):
    write(tmp_path)
    four = next(iter_iemocap_4_records(tmp_path, "all", Reading()))
    six = next(iter_iemocap_6_records(tmp_path, "all", Reading()))
    assert [(one.annotator, one.labels) for one in four.annotations] == [("E1", ("neutral",)), ("E2", ("happiness",))]
    assert six.annotations[1].labels == ("excitement", "frustration")
    assert four.annotations[0].scores == {"valence": 3.0, "arousal": 2.0}
    assert four.annotations[1].scores == {"arousal": 3.0, "dominance": 4.0}


def test_a_rating_off_the_scale_is_left_out_and_named(tmp_path):
    write(tmp_path)
    first = next(iter_iemocap_4_records(tmp_path, "all", Reading()))
    assert first.scores == {"valence": 2.5, "arousal": 3.0}
    assert first.notes["off_scale"] == "dominance 5.5"


def test_turns_of_every_class(tmp_path):
    write(tmp_path)
    reading = Reading()
    turns = list(iter_turns(tmp_path, "all", reading))
    assert [turn.emotion for turn in turns] == ["neu", "xxx", "exc", "fru"]
    assert turns[3].context == ("Is the ladder yours?", "It was.", "Wonderful!")
    assert turns[1].annotations[0].labels == ("Sadness",)
    assert (turns[1].row, turns[1].speaker, turns[1].dialogue) == (9, "M", "Ses02F_impro01")
    assert reading.n_rejected == 0


def test_structural_faults_are_counted(tmp_path):
    judged = JUDGED + "\n[broken\tSes02F_impro01_F009\tneu\t[1, 1, 1]\nC-E1:\tAnger;\t()\n"
    judged += "\n[6.0 - 7.0]\tSes02F_impro01_F010\tneu\t[3.0, 3.0, 3.0]\n"
    judged += "\n[7.0 - 8.0]\tSes02F_impro01_M001\tneu\t[3.0, 3.0]\n"
    spoken = SPOKEN + "Ses02F_impro01_F002 [5.0-6.0]: \nSes02F_impro01_F003 no colon\n"
    write(tmp_path, judged=HEAD + judged, spoken=spoken)
    reading = Reading()
    assert len(list(iter_iemocap_6_records(tmp_path, "all", reading))) == 3
    beside, main = reading.reports
    assert beside.reasons == {"empty text": 1, "broken line of a turn": 1}
    assert main.reasons == {
        NO_USABLE_CLASS: 1,
        "broken head of a turn": 1,
        "turn without a transcription": 1,
        "ratings that are not three numbers": 1,
    }
    # The judgements below a broken head belong to no other turn.
    turns = list(iter_turns(tmp_path, "all", Reading()))
    assert turns[3].annotations[0].labels == ("Frustration",)


def test_a_dialogue_without_any_usable_class_is_no_fault(tmp_path):
    write(tmp_path)
    write(tmp_path, name="Ses02F_impro02", judged=HEAD + JUDGED.replace("neu\t", "oth\t").replace("exc\t", "oth\t"))
    assert len(list(iter_iemocap_4_records(tmp_path, "all", Reading()))) == 2


def test_no_usable_turn_at_all_is_an_error(tmp_path):
    write(tmp_path, judged=HEAD + JUDGED.replace("neu\t", "oth\t").replace("exc\t", "oth\t"))
    with pytest.raises(DataError, match="4 turns, none of them with such a class"):
        list(iter_iemocap_4_records(tmp_path, "all", Reading()))


def test_sessions_make_the_splits(tmp_path):
    write(tmp_path, session=2)
    judged, spoken = (text.replace("Ses02F", "Ses05M") for text in (HEAD + JUDGED, SPOKEN))
    write(tmp_path, session=5, name="Ses05M_impro01", judged=judged, spoken=spoken)
    sizes = {split: len(list(iter_iemocap_6_records(tmp_path, split, Reading()))) for split in ("all", "train", "test")}
    assert sizes == {"all": 6, "train": 3, "test": 3}
    with pytest.raises(DataError, match=r"Session3/dialog.*signed with its makers"):
        list(iter_iemocap_6_records(tmp_path, "session3", Reading()))


def test_invented_dialogues_never_stand_in_for_the_corpus(tmp_path):
    write(tmp_path, folder="iemocap_fixture_invented")
    for records in (iter_turns, iter_iemocap_4_records, iter_iemocap_6_records):
        with pytest.raises(DataError, match=r"iemocap/IEMOCAP_full_release/Session1/dialog.*signed with its makers"):
            next(iter(records(tmp_path, "all", Reading())))


def test_published_counts_add_up():
    counts = IEMOCAP_4_CARD.split_counts
    assert sum(counts[f"session{number}"] for number in range(1, 6)) == counts["all"]
    assert sum(counts[f"session{number}"] for number in range(1, 5)) == counts["train"]
    assert counts["session5"] == counts["test"]
    # Of the 6-way reading only the whole is published; the rest is not guessed.
    assert {split: n for split, n in IEMOCAP_6_CARD.split_counts.items() if n} == {"all": 7380}


@pytest.mark.corpus
def test_the_invented_release_has_seven_labelled_turns(corpus_root, tmp_path):
    (tmp_path / "iemocap").symlink_to(corpus_root / "iemocap_fixture_invented")
    assert len(list(iter_turns(tmp_path, "all", Reading()))) == 7
    found = {}
    for name, records in (("4", iter_iemocap_4_records), ("6", iter_iemocap_6_records)):
        reading = Reading()
        examples = list(records(tmp_path, "all", reading))
        found[name] = (reading.n_read, len(examples), reading.n_rejected)
    assert found == {"4": (7, 5, 2), "6": (7, 6, 1)}
