import pytest

from sentire.core.errors import DataError
from sentire.data.emobank import CARD, iter_records
from sentire.data.inspect import inspect_dataset
from sentire.data.reading import Reading
from sentire.data.registry import load_dataset

MAIN = """id,split,V,A,D,text
d1_1,train,3.0,3.2,2.8,"The boat ""Ida"", at last."
d1_2,test,4.5,3.0,3.0,We waited.
d2_1,train,1.0,5.0,3.0,It broke.
d2_2,dev,3.0,3.0,3.0,Fine.
"""
META = """id\tdocument\tcategory\tsubcategory
d1_1\td1\tblog\t\x20
d1_2\td1\tblog\t\x20
d2_1\td2\tletters\twsj
d2_2\td2\tletters\twsj
"""


def write(root, main=MAIN, meta=META, reader="", writer=""):
    (root / "emobank").mkdir()
    (root / "emobank/emobank.csv").write_text(main)
    (root / "emobank/meta.tsv").write_text(meta)
    for name, text in (("reader", reader), ("writer", writer)):
        if text:
            (root / f"emobank/individual_{name}_ratings.csv").write_text(text)


def test_a_split_with_scores_and_documents(tmp_path):
    write(tmp_path)
    reading = Reading()
    first, second = iter_records(tmp_path, "train", reading)
    assert first.text == 'The boat "Ida", at last.'
    assert first.scores == {"valence": 3.0, "arousal": 3.2, "dominance": 2.8}
    assert (first.group, first.notes) == ("d1", {"category": "blog"})
    assert second.notes == {"category": "letters", "subcategory": "wsj"}
    assert first.annotations == ()
    assert reading.n_read == reading.n_accepted == 2


def test_single_ratings_are_numbered_in_the_order_of_the_file(tmp_path):
    reader = "id,V,A,D\nd1_1,3,3,3\nd2_1,1,5,3\nd1_1,4,2,3\nunknown,1,1,1\n"
    write(tmp_path, reader=reader, writer="id,V,A,D\nd1_1,5,1,2\n")
    first, second = iter_records(tmp_path, "train", Reading())
    assert [(one.annotator, one.scores["valence"]) for one in first.annotations] == [
        ("reader-1", 3.0),
        ("reader-2", 4.0),
        ("writer-1", 5.0),
    ]
    assert [one.annotator for one in second.annotations] == ["reader-1"]


def test_defects_are_counted(tmp_path):
    extra = (
        "d1_3,train,6.0,3,3,Off the scale.\nd1_4,train,a,3,3,No number.\nd1_5,train,3,3,3, \n"
        "d9_9,train,3,3,3,Lost.\nd1_6,trian,3,3,3,Split.\n"
    )
    write(tmp_path, main=MAIN + extra, reader="id,V,A,D\nd1_1,3,3,3\nd1_1,0,3,3\nd1_1,4,3,3\n")
    reading = Reading(max_rejected_fraction=0.9)
    examples = list(iter_records(tmp_path, "train", reading))
    assert [one.id for one in examples] == ["d1_1", "d2_1"]
    assert reading.reports[-1].reasons == {
        "score that is no number from 1 to 5": 2,
        "empty text": 1,
        "no document in meta.tsv": 1,
        "unknown split": 1,
    }
    # A rating that cannot be used is counted too, in the report of its own file, and takes no number.
    assert reading.reports[1].n_rejected == 1
    assert [(one.annotator, one.scores["valence"]) for one in examples[0].annotations] == [
        ("reader-1", 3.0),
        ("reader-2", 4.0),
    ]


def test_documents_are_needed(tmp_path):
    write(tmp_path)
    (tmp_path / "emobank/meta.tsv").unlink()
    with pytest.raises(DataError, match=r"emobank/meta\.tsv of EmoBank"):
        list(iter_records(tmp_path, "train", Reading()))


def test_splits_of_one_file_and_of_equal_size_are_all_counted(tmp_path):
    ratings = "id,V,A,D\nd1_1,3,3,3\nd1_1,0,3,3\n"
    write(tmp_path, reader=ratings)
    check = inspect_dataset(load_dataset("emobank"), root=tmp_path, with_near_duplicates=False)
    assert [(file.file, file.split, file.n_read, file.n_rejected) for file in check.files] == [
        ("emobank.csv", "train", 2, 0),
        ("emobank.csv", "dev", 1, 0),
        ("emobank.csv", "test", 1, 0),
        ("meta.tsv", "", 4, 0),
        ("individual_reader_ratings.csv", "", 2, 1),
    ]


@pytest.mark.corpus
def test_the_release_is_as_measured(corpus_root):
    splits = {split: list(iter_records(corpus_root, split, Reading())) for split in CARD.splits}
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 8062, "dev": 1000, "test": 1000}
    documents = {split: {one.group for one in examples} for split, examples in splits.items()}
    every = set.union(*documents.values())
    assert len(every) == 136
    assert sum(sum(name in found for found in documents.values()) > 1 for name in every) == 126
    for examples in splits.values():
        for one in examples:
            names = [annotation.annotator for annotation in one.annotations]
            assert {"reader-1", "reader-5", "writer-1", "writer-5"} <= set(names)
            assert len(set(names)) == len(names)
