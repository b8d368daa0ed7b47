import pytest

from sentire.data.reading import Reading
from sentire.data.vader import iter_records


def write(root, *lines):
    (root / "lexicons").mkdir()
    (root / "lexicons/vader_lexicon.txt").write_text("".join(f"{line}\n" for line in lines))


def test_words_with_their_ratings(tmp_path):
    write(tmp_path, "kettle\t0.5\t0.7\t[1, 0, -1, 2]", "( '}{' )\t1.6\t0.66\t[2, 1]", "kettle\t-1.0\t0.0\t[-1, -1]")
    first, smiley, again = iter_records(tmp_path, "all", Reading())
    assert (first.id, first.text, first.scores) == ("kettle", "kettle", {"valence": 0.5})
    assert [(one.annotator, one.scores["valence"]) for one in first.annotations] == [
        ("rater-1", 1.0),
        ("rater-2", 0.0),
        ("rater-3", -1.0),
        ("rater-4", 2.0),
    ]
    assert first.notes == {"valence_sd": "0.7"}
    assert smiley.text == "( '}{' )"
    assert (again.id, again.text, again.scores) == ("kettle#2", "kettle", {"valence": -1.0})


def test_defects_are_counted(tmp_path):
    fine = [f"word{number}\t1.0\t0.1\t[1]" for number in range(8)]
    broken = [
        "a\t4.5\t0\t[1]",
        "b\tx\t0\t[1]",
        " \t1\t0\t[1]",
        "c\t1\tx\t[1]",
        "d\t1\t0\t[9]",
        "e\t1\t0\t[",
        "f\t1\t0\t[]",
    ]
    write(tmp_path, *fine, *broken, "g\t1")
    reading = Reading()
    assert len(list(iter_records(tmp_path, "all", reading))) == 8
    assert reading.reports[0].reasons == {
        "valence that is no number from -4 to 4": 2,
        "empty text": 1,
        "standard deviation that is no number": 1,
        "ratings that are no list of numbers from -4 to 4": 3,
        "wrong number of fields": 1,
    }


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    entries = list(iter_records(corpus_root, "all", Reading()))
    assert len(entries) == 7520
    assert sum(one.id != one.text for one in entries) == 14
    assert {len(one.annotations) for one in entries} == {10}
    means = [sum(rating.scores["valence"] for rating in one.annotations) / 10 for one in entries]
    odd = [one.text for one, mean in zip(entries, means, strict=True) if abs(mean - one.scores["valence"]) > 0.0501]
    assert len(odd) == 1
