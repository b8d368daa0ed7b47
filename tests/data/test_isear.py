import pytest

from sentire.core.errors import DataError
from sentire.data.isear import CARD, clean_text, iter_records
from sentire.data.reading import Reading
from sentire.data.splits import assign_split

NAMES = (
    "ID|CITY|COUN|SUBJ|SEX|AGE|RELI|PRAC|FOCC|MOCC|FIEL|EMOT|WHEN|LONG|INTS|ERGO|TROPHO|TEMPER|EXPRES|MOVE|EXP1|EXP2|"
    "EXP10|PARAL|CON|EXPC|PLEA|PLAN|FAIR|CAUS|COPING|MORL|SELF|RELA|VERBAL|NEUTRO|Field1|Field3|Field2|MYKEY|SIT|STATE|"
)


def line(respondent, label, key, text):
    return "|".join([respondent, *["0"] * 35, label, "1", "1", key, text, "1", ""])


def write(root, *lines, header=NAMES):
    (root / "isear").mkdir()
    (root / "isear/isear.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("We lost the á oars and  rowed with á  a board. ", "We lost the oars and rowed with a board."),
        ('She said \\never again\\".', 'She said "never again".'),
        ('A \\quiet\\" street, á| then noise."', 'A "quiet" street, then noise.'),
        ('They called it \\the boat\\""', 'They called it "the boat"'),
        ('No backslash, so this quote stays"', 'No backslash, so this quote stays"'),
    ],
)
def test_texts_are_mended(raw, clean):
    assert clean_text(raw) == clean


def test_a_text_that_was_broken_into_fields_is_joined(tmp_path):
    write(tmp_path, line("11", "joy", "k1", 'We named the cat \\Mister á|Button\\" at á|once."'))
    (example,) = iter_records(tmp_path, "all", Reading())
    assert example.text == 'We named the cat "Mister Button" at once.'
    assert (example.id, example.labels, example.group) == ("k1", ("joy",), "11")


@pytest.mark.parametrize(
    "text",
    [
        "[ No response.]",
        "NO RESPONSE",
        "No response.",
        "[ Never á experienced.]",
        "[ Can not remember.]",
        "[ I have not felt this yet.]",
        '[ No answer, see \\above\\".]"',
    ],
)
def test_non_answers_are_counted(tmp_path, text):
    write(tmp_path, line("1", "joy", "k1", "A ship came in."), line("1", "fear", "k2", text))
    reading = Reading()
    assert [one.id for one in iter_records(tmp_path, "all", reading)] == ["k1"]
    assert reading.reports[0].reasons == {"non-answer": 1}


@pytest.mark.parametrize(
    "text", ["[ A long walk.]", "No response came from the harbour.", "Not applicable.", "[ Nobody came.]"]
)
def test_what_the_rule_does_not_name_is_kept(tmp_path, text):
    write(tmp_path, line("1", "joy", "k1", text))
    assert len(list(iter_records(tmp_path, "all", Reading()))) == 1


def test_other_defects_are_counted(tmp_path):
    lines = [line("1", "joy", f"k{number}", "Fine.") for number in range(4)]
    write(
        tmp_path,
        *lines,
        "1|2|3",
        line("1", "envy", "k8", "Theirs."),
        line("1", "joy", "k9", " á "),
        line("", "joy", "k", "x"),
    )
    reading = Reading()
    assert len(list(iter_records(tmp_path, "all", reading))) == 4
    assert reading.n_read == 8
    assert reading.reports[0].reasons == {
        "wrong number of fields": 1,
        "label outside the label space": 1,
        "empty text": 1,
        "no respondent or no key": 1,
    }


def test_splits_are_drawn_by_respondent(tmp_path):
    write(
        tmp_path, *(line(str(who), label, f"{who}-{label}", "Fine.") for who in range(60) for label in ("joy", "fear"))
    )
    splits = {split: list(iter_records(tmp_path, split, Reading())) for split in CARD.splits}
    assert len(splits["all"]) == 120
    assert {one.id for one in splits["all"]} == {one.id for split in ("train", "dev", "test") for one in splits[split]}
    for split in ("train", "dev", "test"):
        for one in splits[split]:
            assert assign_split(one.group, {"train": 0.8, "dev": 0.1, "test": 0.1}, 0) == split


def test_another_file_is_not_taken_for_isear(tmp_path):
    write(tmp_path, header=NAMES.replace("Field1", "label"))
    with pytest.raises(DataError, match="a header with Field1 as column 37"):
        list(iter_records(tmp_path, "all", Reading()))


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    reading = Reading()
    examples = list(iter_records(corpus_root, "all", reading))
    assert (reading.n_read, len(examples), reading.n_rejected) == (7666, 7541, 125)
    assert reading.reports[0].reasons == {"non-answer": 125}
    assert len({one.group for one in examples}) == 1096
    lines = (corpus_root / "isear/isear.csv").read_text(encoding="utf-8").splitlines()
    assert sum(one.count("|") > lines[0].count("|") for one in lines) == 163
    for one in examples:
        assert not set(one.text) & set("á|\\\n")
        # Mended quotes come in pairs, in every text of the release.
        assert one.text.count('"') % 2 == 0
