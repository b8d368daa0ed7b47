"""Stories: none is lost in silence, none is torn so that a word is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import FERRY, make_settings

from sentire.core.errors import DataError, UsageError
from sentire.synthesis.stories import _cut, iterate_stories

LONGEST = 60


def write(folder, **stories):
    (folder / "stories").mkdir(exist_ok=True)
    for name, text in stories.items():
        (folder / "stories" / f"{name}.txt").write_text(text, encoding="utf-8")


def read(folder, left_out=None, **changes):
    if "narratives" not in changes:
        changes.setdefault("narratives__shortest_chars", 20)
    settings = make_settings(**changes)
    return list(iterate_stories(settings, folder, Counter() if left_out is None else left_out))


def test_stories_of_a_folder_come_in_the_order_of_their_names(tmp_path):
    write(tmp_path, zebra=f" {FERRY}\n\n", ant=FERRY, mole=FERRY)
    (tmp_path / "stories" / "bee.md").write_text(FERRY)
    stories = read(tmp_path)
    assert [(story.id, story.group, story.number) for story in stories] == [
        ("ant", "ant", 0),
        ("bee", "bee", 1),
        ("mole", "mole", 2),
        ("zebra", "zebra", 3),
    ]
    assert {story.text for story in stories} == {FERRY}


def test_what_is_no_story_is_not_read(tmp_path):
    write(tmp_path, ant=FERRY, README=FERRY)
    for name in ("README.md", ".hidden.txt", "replies.jsonl", "notes.csv", "noend"):
        (tmp_path / "stories" / name).write_text(FERRY)
    (tmp_path / "stories" / "more").mkdir()
    (tmp_path / "stories" / "more" / "bee.txt").write_text(FERRY)
    assert [story.id for story in read(tmp_path)] == ["ant"]


def test_what_is_left_out_is_counted_by_its_reason(tmp_path):
    german = "Die letzte Fähre war schon fort, als Mira ihre Schuhe fand, und sie zählte die Münzen auf den Steinen."
    write(tmp_path, a=FERRY, b=" \n\t", c="", d="The end.", e=german, f=FERRY, g="x" * 19)
    left_out = Counter()
    assert [story.id for story in read(tmp_path, left_out)] == ["a", "f"]
    assert left_out == {"empty": 2, "too short": 2, "in another language": 1}


def test_a_story_of_the_shortest_length_is_one(tmp_path):
    write(tmp_path, a="She waited for rain. ", b="She waited for rain")
    left_out = Counter()
    assert [story.id for story in read(tmp_path, left_out)] == ["a"]
    assert left_out == {"too short": 1}


def test_other_languages_may_be_used_and_are_where_another_one_is_asked_for(tmp_path):
    german = "Die letzte Fähre war schon fort, als Mira ihre Schuhe fand, und sie zählte die Münzen auf den Steinen."
    write(tmp_path, a=german)
    assert len(read(tmp_path, narratives__other_language="use")) == 1
    assert len(read(tmp_path, language="German")) == 1
    with pytest.raises(DataError, match="1 in another language"):
        read(tmp_path, language="english")


def test_long_stories_may_be_refused(tmp_path):
    write(tmp_path, a=FERRY, b=FERRY + " And so on.", c="  " + FERRY + "\n")
    left_out = Counter()
    length = {"narratives__too_long": "refuse", "narratives__longest_chars": len(FERRY)}
    assert [story.id for story in read(tmp_path, left_out, **length)] == ["a", "c"]
    assert left_out == {"too long": 1}


def test_a_long_story_is_cut_between_its_paragraphs_and_its_pieces_stay_one_group(tmp_path):
    paragraphs = [f"{word} was the first word of the paragraph." for word in ("One", "Two", "Three", "Four")]
    write(tmp_path, a="\n\n".join(paragraphs), b=FERRY[:90])
    stories = read(tmp_path, narratives__longest_chars=100)
    assert [(story.id, story.group, story.number) for story in stories] == [
        ("a#1", "a", 0),
        ("a#2", "a", 1),
        ("b", "b", 2),
    ]
    assert [story.text for story in stories[:2]] == ["\n\n".join(paragraphs[:2]), "\n\n".join(paragraphs[2:])]


def test_the_number_of_stories_counts_stories_and_neither_pieces_nor_what_was_left_out(tmp_path):
    write(tmp_path, a="The end.", b=f"{FERRY}\n\n{FERRY}", c=FERRY, d=FERRY)
    left_out = Counter()
    stories = read(tmp_path, left_out, narratives__n=2, narratives__longest_chars=len(FERRY))
    assert [story.id for story in stories] == ["b#1", "b#2", "c"]
    assert left_out == {"too short": 1}
    assert len(read(tmp_path, narratives__n=9)) == 3


def test_two_stories_of_one_name(tmp_path):
    write(tmp_path, a=FERRY)
    (tmp_path / "stories" / "a.md").write_text(FERRY)
    with pytest.raises(DataError, match=r"stories of different names, got 2 files at .*stories.a\.\*"):
        read(tmp_path)


def test_a_piece_never_has_the_name_of_another_story(tmp_path):
    # Utterances are known by the name of their story: two of one name would be one call, and one row lost.
    write(tmp_path, a=f"{FERRY}\n\n{FERRY}")
    (tmp_path / "stories" / "a#1.txt").write_text(FERRY)
    with pytest.raises(DataError, match="stories of different names, got two of one name at a#1"):
        read(tmp_path, narratives__longest_chars=len(FERRY))


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"a folder of stories, got no folder at .*stories; see narratives\.folder"):
        read(tmp_path)


def test_a_story_that_is_not_utf_8(tmp_path):
    write(tmp_path)
    (tmp_path / "stories" / "a.txt").write_bytes("Die Fähre".encode("latin-1"))
    with pytest.raises(DataError, match=r"a story in UTF-8, got .*a\.txt"):
        read(tmp_path)


def test_a_byte_order_mark_is_no_part_of_a_story(tmp_path):
    write(tmp_path)
    (tmp_path / "stories" / "a.txt").write_bytes(b"\xef\xbb\xbf" + FERRY.encode())
    assert read(tmp_path)[0].text == FERRY


def test_no_story_at_all(tmp_path):
    write(tmp_path)
    with pytest.raises(DataError, match=r"got none that can be used \(there is none\) at stories; see \[narratives\]"):
        read(tmp_path)
    write(tmp_path, a="", b="The end.", c="The end!")
    with pytest.raises(DataError, match=r"none that can be used \(1 empty, 2 too short\)"):
        read(tmp_path)


def test_a_data_set_of_ones_own_is_a_source(tmp_path):
    # Paths of data sets are as everywhere else: from where the command runs.
    (tmp_path / "mine.toml").write_text('[dataset]\nname = "mine"\n[columns]\nid = "nr"\n[splits]\nall = "all.jsonl"\n')
    (tmp_path / "all.jsonl").write_text(f'{{"nr": 7, "text": "{FERRY}"}}\n{{"nr": "b", "text": "Short."}}\n')
    left_out = Counter()
    stories = read(tmp_path, left_out, narratives={"data": f"{tmp_path}/mine.toml:all", "shortest_chars": 20})
    assert [(story.id, story.group, story.text) for story in stories] == [("7", "7", FERRY)]
    assert left_out == {"too short": 1}


def test_a_data_set_without_its_split(tmp_path):
    with pytest.raises(UsageError, match=r"a data set with a split \(fairytaleqa:train"):
        read(tmp_path, narratives={"data": "fairytaleqa"})


@pytest.mark.corpus
def test_fairy_tales_are_a_source(corpus_root, tmp_path):
    settings = make_settings(narratives={"data": "fairytaleqa:dev", "longest_chars": 8000})
    left_out = Counter()
    stories = list(iterate_stories(settings, tmp_path, left_out, data_root=corpus_root))
    groups = dict.fromkeys(story.group for story in stories)
    assert len(groups) + left_out.total() == 23
    assert len({story.id for story in stories}) == len(stories) > len(groups)
    assert [story.number for story in stories] == list(range(len(stories)))
    assert max(len(story.text) for story in stories) <= 8000


words = st.text("abcäß.!?", min_size=1, max_size=12)
gaps = st.sampled_from([" ", " ", " ", "\n", "\n\n", " \n \n", "\t"])


@given(st.lists(st.tuples(words, gaps), min_size=1, max_size=60), st.integers(12, LONGEST))
def test_pieces_hold_all_words_in_order_and_none_is_too_long(said, longest):
    text = "".join(word + gap for word, gap in said).strip()
    pieces = _cut(text, longest)
    assert all(0 < len(piece) <= longest for piece in pieces)
    assert " ".join(pieces).split() == text.split()


@given(st.text("ab .\n", max_size=300), st.integers(1, 30))
def test_not_even_words_without_end_make_a_piece_too_long(text, longest):
    pieces = _cut(text.strip(), longest)
    assert all(len(piece) <= longest for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


@given(st.lists(words, min_size=1, max_size=60), st.integers(12, LONGEST))
def test_a_text_that_fits_is_one_piece(said, longest):
    text = " ".join(said)
    assert (_cut(text, longest) == [text]) == (len(text) <= longest)


def test_a_story_is_cut_into_pieces_of_about_one_length():
    # A tail of one paragraph would be a story of its own, with characters of its own.
    paragraphs = ["word " * 9 + "end." for _ in range(21)]  # 49 characters each, 51 with the gap
    pieces = _cut("\n\n".join(paragraphs), 1000)
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 2 * 51


def test_a_long_paragraph_is_cut_after_a_sentence():
    text = "One came. Two went away! Three said nothing at all, four neither."
    assert _cut(text, 40) == ["One came. Two went away!", "Three said nothing at all, four neither."]


def test_a_long_paragraph_in_a_script_without_blanks_is_cut_after_a_sentence():
    text = "她来了。他问：「你好吗？」三个人什么也没说！！四个人也走了。"
    assert _cut(text, 18) == ["她来了。他问：「你好吗？」", "三个人什么也没说！！四个人也走了。"]
    assert "".join(_cut(text, 9)) == text
    assert _cut("वह आई। वह चला गया। बाकी चुप रहे।", 20) == ["वह आई। वह चला गया।", "बाकी चुप रहे।"]


@given(st.text("她来。！？」 \n", max_size=200), st.integers(1, 30))
def test_full_width_stops_lose_no_sign(text, longest):
    pieces = _cut(text.strip(), longest)
    assert all(0 < len(piece) <= longest for piece in pieces) or not text.strip()
    assert "".join("".join(pieces).split()) == "".join(text.split())
