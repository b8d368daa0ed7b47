import pytest

from sentire.core.errors import DataError
from sentire.data.narratives import iter_classic_fiction_records, iter_fairytaleqa_records
from sentire.data.reading import Reading


def write_tales(root, meta, **stories):
    folder = root / "narratives/fairytaleqa"
    for split in ("train", "val", "test"):
        (folder / split).mkdir(parents=True)
    (folder / "story_meta.csv").write_text("filename,origin,split,sections\n" + meta)
    for name, text in stories.items():
        (folder / "val" / f"{name}-story.csv").write_text(text)
    return folder


def test_sections_are_joined_and_case_does_not_matter(tmp_path):
    tales = {"Kettle": 'section,text\n1,"A kettle, once,\nsang."\n\n2, It stopped. \n'}
    tales["pot"] = "section,text\n1,Once.\n"
    meta = "kettle,our-book,val,2\nother,our-book,train,1\nPot,our-book,val,1\n"
    write_tales(tmp_path, meta, **tales)
    reading = Reading()
    story, other = iter_fairytaleqa_records(tmp_path, "dev", reading)
    assert story.text == "A kettle, once,\nsang.\n\nIt stopped."
    assert (story.id, story.group, story.notes) == ("kettle", "kettle", {"title": "kettle", "origin": "our-book"})
    assert (other.id, other.text) == ("Pot", "Once.")
    assert reading.n_read == reading.n_accepted == 2


def test_what_is_wrong_with_tales_is_counted(tmp_path):
    text = "section,text\n1,Once.\n2,Then.\n3, \n"
    meta = "a,o,val,1\nb,o,val,1\nmissing,o,val,1\nc,o,valid,1\n"
    write_tales(tmp_path, meta, a=text, b=text)
    reading = Reading()
    assert [story.text for story in iter_fairytaleqa_records(tmp_path, "dev", reading)] == ["Once.\n\nThen."] * 2
    assert reading.reports[0].reasons == {"no story file": 1, "unknown split": 1}
    assert reading.reports[1].reasons == {"empty section": 1}


def write_book(root, author, title, text):
    folder = root / "narratives/classic_books" / author
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{title}.md").write_bytes(text.encode())


BOOK = (
    "# Title: The Tea \r\n\r\n## Author: Ida Own\r\n\r\n## Year: 1899\r\n\r\n-------\r\n\r\n"
    "###  I \r\n\r\nIt rained.\r\n\r\n*Still* # it rained.\r\n"
)


def test_a_book_without_its_header(tmp_path):
    write_book(tmp_path, "Ida Own", "The Tea ", BOOK)
    write_book(tmp_path, "Ida Own", "._The Tea", "junk")
    (book,) = iter_classic_fiction_records(tmp_path, "all", Reading())
    assert book.text == "I\n\nIt rained.\n\n*Still* # it rained."
    assert (book.id, book.group) == ("Ida Own/The Tea", "Ida Own/The Tea")
    assert book.notes == {"title": "The Tea", "author": "Ida Own", "year": "1899"}


def test_what_is_wrong_with_books_is_counted(tmp_path):
    for title in ("A", "B", "C"):
        write_book(tmp_path, "Ida Own", title, BOOK)
    write_book(tmp_path, "Zoe Own", "D", "It rained.\n")
    write_book(tmp_path, "Zoe Own", "E", BOOK[: BOOK.index("###")])
    (tmp_path / "narratives/classic_books/Zoe Own/F.md").write_bytes(b"# Title: \xff\n")
    reading = Reading()
    assert len(list(iter_classic_fiction_records(tmp_path, "all", reading))) == 3
    assert reading.n_read == 6
    assert reading.reports[0].reasons == {
        "no header of title, author and year": 1,
        "empty text": 1,
        "text that is not UTF-8": 1,
    }


def test_missing_folders_are_named(tmp_path):
    with pytest.raises(DataError, match="narratives/classic_books of Classic fiction"):
        list(iter_classic_fiction_records(tmp_path, "all", Reading()))
    with pytest.raises(DataError, match=r"story_meta\.csv of FairytaleQA"):
        list(iter_fairytaleqa_records(tmp_path, "dev", Reading()))


@pytest.mark.corpus
def test_the_releases_are_as_measured(corpus_root):
    reading = Reading()
    tales = {split: list(iter_fairytaleqa_records(corpus_root, split, reading)) for split in ("train", "dev", "test")}
    assert {split: len(stories) for split, stories in tales.items()} == {"train": 232, "dev": 23, "test": 23}
    assert sum(map(len, tales.values())) == 278
    assert not any(report.n_rejected for report in reading.reports)
    books = list(iter_classic_fiction_records(corpus_root, "all", Reading()))
    assert len(books) == 52
    assert not any(line.startswith("#") for book in books for line in book.text.splitlines())
    assert {book.notes["year"] for book in books} <= {str(year) for year in range(1819, 1912)}
