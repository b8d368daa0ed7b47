import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentire.runtime import batches
from sentire.runtime.batches import MOST_CHARS, MOST_TEXTS, iterate_batches


@given(
    lengths=st.lists(st.integers(0, 30), max_size=40),
    most_texts=st.integers(1, 9),
    most_chars=st.integers(1, 50),
)
def test_batches_cover_everything_in_order_and_are_bounded(lengths, most_texts, most_chars):
    texts = ["x" * length for length in lengths]
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(batches, "MOST_TEXTS", most_texts)
        changed.setattr(batches, "MOST_CHARS", most_chars)
        slices = list(iterate_batches(texts))
    assert [position for part in slices for position in range(part.start, part.stop)] == list(range(len(texts)))
    for number, part in enumerate(slices):
        batch = texts[part]
        assert 1 <= len(batch) <= most_texts
        assert len(batch) == 1 or sum(map(len, batch)) <= most_chars
        if number + 1 < len(slices):  # no batch ends before it has to
            grown = texts[part.start : part.stop + 1]
            assert len(grown) > most_texts or sum(map(len, grown)) > most_chars


def test_the_real_bounds():
    assert [part.stop - part.start for part in iterate_batches(["x"] * (2 * MOST_TEXTS + 1))] == [4096, 4096, 1]
    long = "x" * (MOST_CHARS // 4)
    assert [part.stop - part.start for part in iterate_batches([long] * 6)] == [4, 2]
    assert list(iterate_batches([])) == []
