import pytest

from sentire.core.errors import DataError
from sentire.data.glasgow import iter_records
from sentire.data.reading import Reading

HEADER = "Word,Length,Arousal,ArousalSD,ArousalN,Valence,ValenceSD,ValenceN,Dominance,DominanceSD"


def write(root, *lines, header=HEADER):
    (root / "lexicons").mkdir()
    (root / "lexicons/glasgow_norms.csv").write_text("\n".join([header, *lines]) + "\n")


def test_scores_are_told_apart_by_their_names(tmp_path):
    write(tmp_path, "harbour,7,4.5,1.1,30,6.5,1.2,31,5.5,1.3")
    (entry,) = iter_records(tmp_path, "all", Reading())
    assert entry.scores == {"valence": 6.5, "arousal": 4.5, "dominance": 5.5}
    assert entry.notes == {"valence_sd": "1.2", "arousal_sd": "1.1", "dominance_sd": "1.3"}


def test_a_sense_leaves_the_text(tmp_path):
    scores = "4,1,30,6,1,31,5,1"
    write(tmp_path, f"post,4,{scores}", f"post (mail service),4,{scores}", f"odd (a) b,4,{scores}")
    plain, sense, odd = iter_records(tmp_path, "all", Reading())
    assert (plain.id, plain.text) == ("post", "post")
    assert (sense.id, sense.text, sense.notes["sense"]) == ("post (mail service)", "post", "mail service")
    assert "sense" not in plain.notes
    assert odd.text == "odd (a) b"


def test_defects_are_counted(tmp_path):
    fine = "4,1,30,6,1,31,5,1"
    write(
        tmp_path,
        f"a,1,{fine}",
        f"b,1,{fine}",
        f"c,1,{fine}",
        "d,1,4,1,30,9.5,1,31,5,1",
        "e,1,,1,30,6,1,31,5,1",
        f" ,1,{fine}",
    )
    reading = Reading()
    assert len(list(iter_records(tmp_path, "all", reading))) == 3
    assert reading.reports[0].reasons == {"score that is no number from 1 to 9": 2, "empty text": 1}
    assert "(valence)" in str(reading.reports[0].first_rejections[0])


def test_another_release_is_refused(tmp_path):
    write(tmp_path, "a,1", header="Words,Length")
    with pytest.raises(DataError, match=r'a column .Word., got the columns Words, Length.*did you mean "Words"'):
        list(iter_records(tmp_path, "all", Reading()))


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    entries = list(iter_records(corpus_root, "all", Reading()))
    assert len(entries) == 5553
    senses = [one for one in entries if "sense" in one.notes]
    assert len(senses) == 871
    assert not any("(" in one.text for one in entries)
    bare = {one.id for one in entries}
    assert sum(one.text not in bare for one in senses) == 1
