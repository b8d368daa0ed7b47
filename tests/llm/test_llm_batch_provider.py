"""Models in this process: questions gather while the last batch is answered, and everybody gets their own answer."""

import asyncio
import threading

import pytest
from questions import HANGING_SECONDS, make_request, run

from sentire.core.errors import GenerationError
from sentire.llm.batch_provider import BatchProvider
from sentire.llm.exchange import FaultError, Reply


class Model:
    """Says the name of each question; works until it is let go on."""

    def __init__(self, answer=None):
        self.batches, self.n_loaded = [], 0
        self.may_work = threading.Event()
        self.may_work.set()
        self._answer = answer or (lambda requests: [Reply(text=request.name) for request in requests])

    def load(self):
        self.n_loaded += 1

    def answer(self, requests):
        self.batches.append([request.name for request in requests])
        assert self.may_work.wait(10)
        return self._answer(requests)


def provide(model, batch_size=4):
    return BatchProvider(model, model="tiny", batch_size=batch_size)


async def ask(provider, *names):
    asked = (provider.complete(make_request(name)) for name in names)
    return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 5.0)


async def begin(provider, model):
    """Let a first question be under way."""
    model.may_work.clear()
    asking = asyncio.create_task(provider.complete(make_request("first")))
    while not model.batches:
        await asyncio.sleep(0.001)
    return asking


def test_who_asks_in_the_same_moment_is_answered_together():
    model = Model()
    replies = run(ask(provide(model, batch_size=10), *"abcde"))
    assert [reply.text for reply in replies] == list("abcde")
    assert model.batches == [list("abcde")]


def test_a_batch_is_never_larger_than_it_may_be_and_keeps_the_order():
    model = Model()
    names = [str(n) for n in range(10)]
    replies = run(ask(provide(model), *names))
    assert [reply.text for reply in replies] == names
    assert model.batches == [names[:4], names[4:8], names[8:]]


def test_questions_gather_while_a_batch_is_answered():
    model = Model()

    async def work():
        provider = provide(model)
        first = await begin(provider, model)
        others = [asyncio.create_task(provider.complete(make_request(name))) for name in "abc"]
        await asyncio.sleep(0.01)
        assert len(model.batches) == 1  # one batch at a time
        model.may_work.set()
        assert (await first).text == "first"
        assert [reply.text for reply in await asyncio.gather(*others)] == list("abc")

    run(work())
    assert model.batches == [["first"], ["a", "b", "c"]]


def test_it_can_be_asked_again_after_it_had_nothing_to_do():
    model = Model()

    async def work():
        provider = provide(model)
        for name in "abc":
            assert (await ask(provider, name))[0].text == name

    run(work())
    assert model.batches == [["a"], ["b"], ["c"]]


def test_the_event_loop_goes_on_while_the_model_works():
    model = Model()

    async def work():
        first = await begin(provide(model), model)
        for _ in range(5):
            await asyncio.sleep(0.001)
        assert not first.done()
        model.may_work.set()
        await first

    run(work())


def test_a_fault_is_for_the_one_whose_question_it_was():
    def answer(requests):
        return [FaultError("too long", "give up") if one.name == "b" else Reply(text=one.name) for one in requests]

    a, b, c = run(ask(provide(Model(answer)), *"abc"))
    assert (a.text, c.text) == ("a", "c")
    assert isinstance(b, FaultError)
    assert (b.reason, b.verdict) == ("too long", "give up")


def test_an_error_of_the_model_reaches_all_of_its_batch_and_the_next_batch_is_answered():
    def answer(requests):
        if requests[0].name == "a":
            raise RuntimeError("out of memory")
        return [Reply(text=one.name) for one in requests]

    results = run(ask(provide(Model(answer), batch_size=3), *"abcde"))
    for fault in results[:3]:
        assert isinstance(fault, FaultError)
        assert (fault.reason, fault.verdict) == ("model failed", "again")
        assert fault.detail == "RuntimeError: out of memory"
    assert [reply.text for reply in results[3:]] == ["d", "e"]


@pytest.mark.parametrize("n_answers", [0, 1, 3])
def test_a_model_that_answers_too_little_or_too_much_leaves_nobody_hanging(n_answers):
    """Nor does anybody get the answer to another question."""
    model = Model(lambda _: [Reply(text="?")] * n_answers)

    async def work():
        provider = provide(model)
        asking = [asyncio.create_task(provider.complete(make_request(name))) for name in "ab"]
        done, hanging = await asyncio.wait(asking, timeout=HANGING_SECONDS)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert not hanging
        assert {type(task.exception()) for task in done} == {FaultError}

    run(work())


def test_who_stops_waiting_does_not_disturb_the_others():
    model = Model()

    async def work():
        provider = provide(model)
        first = await begin(provider, model)
        tasks = [asyncio.create_task(provider.complete(make_request(name))) for name in "abc"]
        await asyncio.sleep(0)
        tasks[1].cancel()
        first.cancel()
        model.may_work.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [results[0].text, results[2].text] == ["a", "c"]
        await provider.close()

    run(work())


def test_the_model_is_loaded_when_it_is_checked_and_what_is_wrong_with_it_comes_out():
    model = Model()
    provider = provide(model)
    assert model.n_loaded == 0
    run(provider.check())
    assert model.n_loaded == 1

    def fail():
        raise GenerationError(expected="a model", got="none")

    model.load = fail
    with pytest.raises(GenerationError, match="a model, got none"):
        run(provider.check())


def test_closing_waits_for_the_batch_that_is_answered():
    model = Model()

    async def work():
        provider = provide(model)
        await provider.close()  # before anything was asked
        first = await begin(provider, model)
        closing = asyncio.create_task(provider.close())
        await asyncio.sleep(0.01)
        assert not closing.done()
        model.may_work.set()
        await closing
        assert first.done()
        assert (await first).text == "first"

    run(work())
