"""Originals and rewritings: how they find each other, which one is shown first, and who can tell."""

from dataclasses import asdict, replace
from itertools import pairwise

import orjson
import pytest

from sentire.annotation.pairs import Pair, draw_pairs, pair_versions
from sentire.annotation.questions import ALIKE, FIRST, MORE_EMOTIONAL, SECOND
from sentire.annotation.sample import KEY_NAME, SAMPLE_NAME, draw_sample, read_key, read_sample, write_sample
from sentire.core.errors import ArtifactError, DataError, UsageError
from sentire.core.labels import GOEMOTIONS
from sentire.core.records import Example


def make_sets(n=40):
    originals = [
        Example(id=f"e{k}", text=f"oh no, {k}!", context=(f"secret {k}",), group=f"story {k % 4}", labels=("fear",))
        for k in range(n)
    ]
    rewritings = [replace(one, text=f"well, {one.id[1:]}.", labels=("sadness",)) for one in reversed(originals)]
    return originals, rewritings


def pair(originals, rewritings):
    return pair_versions(originals, rewritings, original_name="corig:test", rewritten_name="crewr:test")


def draw(n=40, seed=0, n_pairs=40):
    return draw_pairs(pair(*make_sets(n_pairs)).pairs, name="own", n=n, seed=seed)


def test_versions_find_each_other_by_their_id_whatever_their_order():
    originals, rewritings = make_sets(5)
    found = pair(originals, rewritings)
    assert [one.original.id for one in found.pairs] == ["e0", "e1", "e2", "e3", "e4"]
    assert all(one.original.id == one.rewritten.id for one in found.pairs)
    assert (found.n_not_rewritten, found.n_without_original) == (0, 0)


def test_examples_without_a_partner_are_left_out_and_counted():
    originals, rewritings = make_sets(6)
    found = pair(originals[2:], [*rewritings[1:], Example(id="other", text="a")])
    assert [one.original.id for one in found.pairs] == ["e2", "e3", "e4"]
    assert (found.n_not_rewritten, found.n_without_original) == (1, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"group": "story 9"},
            r"the group of the original in corig:test, 'story 1', got 'story 9' at 'e1' in crewr:test",
        ),
        ({"context": ("another",)}, r"the context of the original .*'secret 1'.*got .*another.*one export"),
        ({"id": "e0"}, r"an id for each example, got 'e0' twice at crewr:test"),
    ],
)
def test_versions_that_do_not_fit_are_refused(change, words):
    originals, rewritings = make_sets(3)
    rewritings[1] = replace(rewritings[1], **change)
    with pytest.raises(DataError, match=words):
        pair(originals, rewritings)


def test_sets_that_have_nothing_to_do_with_one_another_are_refused():
    originals, rewritings = make_sets(8)
    with pytest.raises(
        DataError, match=r"\(e0, e1, e2 and 1 more\), got e7, e6, e5 and 1 more at crewr:test; name the"
    ):
        pair(originals[:4], rewritings[:4])
    with pytest.raises(DataError, match="got none"):
        pair(originals, [])
    with pytest.raises(DataError, match="expected rewritings of the texts of corig:test, got the same texts"):
        pair(originals, originals)


def test_a_context_or_group_that_one_side_does_not_tell_is_no_contradiction():
    originals, rewritings = make_sets(3)
    bare = [replace(one, context=(), group="") for one in originals]
    assert [one.context for one in pair(bare, rewritings).pairs] == [("secret 0",), ("secret 1",), ("secret 2",)]


def test_an_item_shows_both_versions_and_three_options():
    sample, key = draw()
    assert sample.question == MORE_EMOTIONAL
    assert len(sample.items) == len({item.id for item in sample.items}) == 40
    for item in sample.items:
        number = item.id[1:]
        versions = {1 - key.rewritten[item.id]: f"oh no, {number}!", key.rewritten[item.id]: f"well, {number}."}
        assert item.texts == (versions[0], versions[1])
        assert item.context == (f"secret {number}",)
        assert item.options == (FIRST, SECOND, ALIKE)


@pytest.mark.parametrize("n", [1, 2, 39, 40])
def test_the_rewriting_stands_first_in_half_of_the_items(n):
    counts = set()
    for seed in range(8):
        _, key = draw(n=n, seed=seed)
        assert len(key.rewritten) == n
        counts.add(sum(key.rewritten.values()))
    assert counts <= {n // 2, n - n // 2}
    assert len(counts) == 1 + n % 2  # an odd one is drawn as well


def test_the_place_is_drawn_for_each_item_and_follows_from_nothing_else():
    keys = [draw(seed=seed)[1].rewritten for seed in range(60)]
    for item in keys[0]:
        assert 12 <= sum(key[item] for key in keys) <= 48
    assert len({tuple(sorted(key.items())) for key in keys}) == 60


def test_the_places_of_one_sample_follow_no_pattern():
    for seed in range(20):
        sample, key = draw(seed=seed)
        places = [key.rewritten[item.id] for item in sample.items]
        n_changes = sum(one != other for one, other in pairwise(places))
        assert 8 <= n_changes <= 32  # 39 where they take turns, 1 where they stand in two blocks, 20 by chance


def test_the_same_seed_draws_the_same_and_of_too_few_pairs_all_are_drawn():
    assert draw(seed=3) == draw(seed=3)
    assert draw(seed=3)[0].fingerprint != draw(seed=4)[0].fingerprint
    assert len(draw(n=500)[0].items) == 40
    assert len(draw(n=7)[0].items) == 7


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UsageError, match="at least one item"):
        draw(n=0)
    with pytest.raises(DataError, match="utterances with their rewritings"):
        draw_pairs([], name="own", n=1)


def test_a_sample_of_pairs_comes_back_from_its_folder_and_tells_nothing_of_the_key(tmp_path):
    sample, key = draw()
    write_sample(tmp_path, sample, key)
    assert (read_sample(tmp_path), read_key(tmp_path)) == (sample, key)
    content = orjson.loads((tmp_path / SAMPLE_NAME).read_bytes())
    assert set(content) == {"format", "format_version", "name", "question", "fingerprint", "items"}
    assert all(set(item) == {"id", "texts", "context", "options"} for item in content["items"])
    assert b"rewritten" not in (tmp_path / SAMPLE_NAME).read_bytes()


def test_a_sample_says_the_same_whichever_version_is_the_rewritten_one():
    """Who exchanges both sets, and the places, gets the same items: nothing but the key knows."""
    pairs = [Pair(original=one, rewritten=other) for one, other in zip(*make_sets(1), strict=True)]
    turned = [Pair(original=one.rewritten, rewritten=one.original) for one in pairs]
    drawn = [draw_pairs(pairs, name="own", n=1, seed=seed) for seed in range(20)]
    exchanged = [draw_pairs(turned, name="own", n=1, seed=seed) for seed in range(20)]
    (sample, key) = drawn[0]
    same, other_key = next(one for one in exchanged if one[0].items[0].texts == sample.items[0].texts)
    assert same == sample
    assert other_key.rewritten["e0"] == 1 - key.rewritten["e0"]


@pytest.mark.parametrize("name", ["question", "texts", "context", "options"])
def test_the_fingerprint_covers_the_question_and_both_versions(tmp_path, name):
    write_sample(tmp_path, *draw())
    path = tmp_path / SAMPLE_NAME
    content = orjson.loads(path.read_bytes())
    if name == "question":
        content["question"] = "emotions"
    else:
        content["items"][0][name] = content["items"][0][name][::-1] if name != "context" else ["another"]
    path.write_bytes(orjson.dumps(content))
    with pytest.raises(ArtifactError, match="one that was changed"):
        read_sample(tmp_path)


def test_a_folder_keeps_its_kind_of_question(tmp_path):
    write_sample(tmp_path, *draw())
    with pytest.raises(UsageError, match="one with another sample"):
        write_sample(tmp_path, *draw_sample(make_sets()[0], GOEMOTIONS, name="own", n=40))


def test_a_question_or_key_that_is_none_is_refused(tmp_path):
    sample, key = draw()
    write_sample(tmp_path, sample, replace(key, rewritten={"e0": 2}))
    with pytest.raises(ArtifactError, match=r"0 or 1, the place of the rewritten text, got 2 at item e0"):
        read_key(tmp_path)
    path = tmp_path / KEY_NAME
    content = asdict(key)
    del content["rewritten"]
    path.write_bytes(orjson.dumps({"format": "sentire-annotation-key", "format_version": 1, **content}))
    with pytest.raises(ArtifactError, match="expected a key, got one without 'rewritten'"):
        read_key(tmp_path)
    path = tmp_path / SAMPLE_NAME
    path.write_bytes(path.read_bytes().replace(b'"more-emotional"', b'"more-rational"'))
    with pytest.raises(ArtifactError, match="one without 'more-rational'"):
        read_sample(tmp_path)
