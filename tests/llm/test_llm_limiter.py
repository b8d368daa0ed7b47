"""Places for requests: never more than allowed, the oldest story first, and as many as the server takes."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from questions import run, wait_until

from sentire.llm.limiter import Limiter


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def queue(limiter, name, came, priority=0, turns=1):
    async with limiter.place(priority):
        came.append(name)
        for _ in range(turns):
            await asyncio.sleep(0)


# --- Places -----------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    most=st.integers(1, 6),
    works=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 4)), max_size=25),
)
def test_never_more_than_the_limit_at_once_and_all_get_through(most, works):
    """Each comes after some turns of the event loop, stays for some, and may be refused or answered."""
    n_inside, most_inside, done = 0, 0, []

    async def ask(limiter, number, priority, before, turns):
        nonlocal n_inside, most_inside
        for _ in range(before):
            await asyncio.sleep(0)
        async with limiter.place(priority):
            n_inside += 1
            most_inside = max(most_inside, n_inside)
            for _ in range(turns):
                await asyncio.sleep(0)
            n_inside -= 1
        limiter.succeed()
        done.append(number)

    async def work():
        limiter = Limiter(most)
        await asyncio.gather(*(ask(limiter, number, *one) for number, one in enumerate(works)))

    run(work())
    assert most_inside <= most
    assert sorted(done) == list(range(len(works)))


def test_all_places_are_used():
    async def work():
        limiter, came = Limiter(3), []
        tasks = [asyncio.create_task(queue(limiter, n, came, turns=50)) for n in range(5)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert came == [0, 1, 2]
        await asyncio.gather(*tasks)
        assert came == [0, 1, 2, 3, 4]

    run(work())


def test_the_lowest_priority_goes_first_and_equals_go_in_order():
    async def work():
        limiter, came = Limiter(1), []
        tasks = [asyncio.create_task(queue(limiter, "first", came, priority=99, turns=3))]
        await asyncio.sleep(0)
        for name, priority in [("c", 5), ("a", 1), ("d", 7), ("b", 1), ("e", 7)]:
            tasks.append(asyncio.create_task(queue(limiter, name, came, priority)))
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)
        assert came == ["first", "a", "b", "c", "d", "e"]

    run(work())


def test_a_block_that_fails_gives_its_place_back():
    async def work():
        limiter, came = Limiter(1), []
        for _ in range(3):
            with pytest.raises(RuntimeError, match="broken"):
                async with limiter.place(0):
                    raise RuntimeError("broken")
        await queue(limiter, "last", came)
        assert came == ["last"]

    run(work())


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_one_who_stops_waiting_leaves_the_place_to_others(turns):
    """Also where the place was given in the same moment, which some of these turns meet."""

    async def work():
        limiter, came = Limiter(1), []
        released = asyncio.Event()

        async def hold():
            async with limiter.place(0):
                await released.wait()

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(queue(limiter, name, came)) for name in "abc"]
        await asyncio.sleep(0)
        waiting[1].cancel()
        released.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.gather(holding, *waiting, return_exceptions=True)
        assert "c" in came
        assert "b" not in came
        await queue(limiter, "later", came)

    run(work())


def test_a_place_given_and_dropped_in_the_same_moment_is_not_lost():
    async def work():
        limiter, came = Limiter(1), []
        context = limiter.place(0)
        await context.__aenter__()
        waiting = [asyncio.create_task(queue(limiter, name, came)) for name in "ab"]
        await asyncio.sleep(0)
        await context.__aexit__(None, None, None)  # gives the place to a, who has not run yet
        waiting[0].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert came == ["b"]

    run(work())


# --- How many ---------------------------------------------------------------------------------------------------------


def test_a_burst_of_refusals_shrinks_it_once():
    """All hundred requests under way are refused: those that were sent before the places went say nothing new."""

    async def work():
        limiter = Limiter(100)

        async def be_refused():
            async with limiter.place(0):
                await asyncio.sleep(0)
                limiter.throttle(None)

        await asyncio.gather(*(be_refused() for _ in range(100)))
        assert limiter.limit == 60
        await asyncio.gather(*(be_refused() for _ in range(60)))
        assert limiter.limit == 36

    run(work())


def test_a_refusal_now_and_then_shrinks_nothing():
    limiter = Limiter(200)
    for number in range(1, 2001):
        if number % 40:
            limiter.succeed()
        else:
            limiter.throttle(None)
    assert limiter.limit == 200


def test_refusals_beyond_what_can_be_borne_shrink_it_within_their_round():
    limiter = Limiter(100)
    for _ in range(5):
        limiter.throttle(None)
    assert limiter.limit == 100
    limiter.throttle(None)
    assert limiter.limit == 60


def test_there_is_always_one_place():
    limiter = Limiter(2)
    for _ in range(50):
        limiter.throttle(None)
    assert limiter.limit == 1
    came = []
    run(queue(limiter, "a", came))
    assert came == ["a"]


def test_it_grows_back_by_eight_a_round_and_never_beyond_the_most():
    limiter = Limiter(1000)
    for _ in range(51):
        limiter.throttle(None)
    assert limiter.limit == 600
    for expected in (608, 616, 624):
        for _ in range(limiter.limit):
            limiter.succeed()
        assert limiter.limit == expected
    for _ in range(100_000):
        limiter.succeed()
    assert limiter.limit == 1000


@given(st.integers(1, 40), st.lists(st.sampled_from(["refused", "answered", "a second passes"]), max_size=60))
def test_the_limit_stays_between_one_and_the_most(most, events):
    clock = Clock()
    limiter = Limiter(most, clock=clock)
    before = limiter.limit
    for event in events:
        if event == "refused":
            limiter.throttle(None)
            assert limiter.limit <= before
        elif event == "answered":
            limiter.succeed()
            assert limiter.limit >= before
        else:
            clock.now += 1.0
        assert 1 <= limiter.limit <= most
        before = limiter.limit


def test_fewer_places_are_kept_to_while_those_who_are_inside_finish():
    async def work():
        limiter, inside, may_go = Limiter(10), [], asyncio.Semaphore(0)

        async def ask(number):
            async with limiter.place(0):
                inside.append(number)
                await may_go.acquire()
                inside.remove(number)

        tasks = [asyncio.create_task(ask(number)) for number in range(20)]
        await wait_until(lambda: len(inside) == 10)
        limiter.throttle(None)
        limiter.throttle(None)
        assert limiter.limit == 6
        for _ in range(4):
            may_go.release()
            await asyncio.sleep(0.001)
        assert len(inside) == 6
        may_go.release()
        await asyncio.sleep(0.001)
        assert len(inside) == 6  # one went, one came
        for _ in range(20):
            may_go.release()
        await asyncio.gather(*tasks)

    run(work())


# --- Pauses -----------------------------------------------------------------------------------------------------------


def test_a_server_that_wants_to_be_left_alone_is_left_alone_by_everybody():
    async def work():
        limiter, came = Limiter(4), []
        started = time.monotonic()
        limiter.throttle(0.08)

        async def ask(name):
            await queue(limiter, name, came)
            assert time.monotonic() - started >= 0.08

        await asyncio.gather(*(ask(n) for n in range(6)))
        assert len(came) == 6

    run(work())


def test_a_pause_that_is_made_longer_lasts_longer_and_is_never_made_shorter():
    async def work():
        limiter, came = Limiter(4), []
        started = time.monotonic()
        limiter.throttle(0.03)
        task = asyncio.create_task(queue(limiter, "a", came))
        await asyncio.sleep(0.01)
        limiter.throttle(0.12)
        limiter.throttle(0.0)
        limiter.throttle(None)
        await task
        assert time.monotonic() - started >= 0.12

    run(work())


def test_a_pause_without_end_ends():
    async def work():
        limiter, came = Limiter(1, longest_pause_seconds=0.05), []
        limiter.throttle(1e9)
        started = time.monotonic()
        await queue(limiter, "a", came)
        assert 0.04 <= time.monotonic() - started < 3

    run(work())


def test_who_gives_up_during_a_pause_takes_no_place():
    async def work():
        limiter, came = Limiter(1), []
        limiter.throttle(0.05)
        given_up = asyncio.create_task(queue(limiter, "a", came))
        stays = asyncio.create_task(queue(limiter, "b", came))
        await asyncio.sleep(0)
        given_up.cancel()
        await stays
        assert came == ["b"]
        await queue(limiter, "c", came)

    run(work())


def test_priority_holds_after_a_pause():
    async def work():
        limiter, came = Limiter(1), []
        limiter.throttle(0.03)
        await asyncio.gather(*(queue(limiter, name, came, priority) for name, priority in [("b", 2), ("a", 1)]))
        assert came == ["a", "b"]

    run(work())
