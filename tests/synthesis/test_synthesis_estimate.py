"""What a synthesis will take: from the paper's sizes, and from what was measured."""

import pytest
from scripted_model import make_desk, make_story

from sentire.storage.ledger import Spending, TaskCount
from sentire.synthesis.estimate import FEWEST_MEASURED, estimate_synthesis
from sentire.synthesis.tasks import actors, utterances

STORIES = [make_story("a", "word " * 400, 0), make_story("b", "word " * 800, 1)]


def estimate(stories=STORIES, measured=(), n_stories=0, rate=None, **changes):
    return estimate_synthesis(
        make_desk(**changes), stories, measured=measured, n_stories=n_stories, output_tokens_per_second=rate
    )


def count(task, n, *, inputs=0, outputs=0, seconds=0.0, state="done"):
    spent = Spending(calls=n, input_tokens=inputs, output_tokens=outputs)
    return TaskCount(
        task=task, state=state, failure="" if state == "done" else "x", n_calls=n, spent=spent, seconds=seconds
    )


def calls(found):
    return {one.task: one.n_calls for one in found.tasks}


def test_the_sizes_of_the_paper_give_its_number_of_inferences():
    found = estimate(n_stories=2000)
    assert calls(found) == pytest.approx(
        {
            "actors": 2_000,
            "utterances": 30_000,
            "soft-labels": 300_000,
            "context": 100_000,
            "cleaning": 100_000,
            "rewriting": 100_000,
            "labels-in-context": 100_000,
        }
    )
    assert found.n_calls == pytest.approx(732_000)
    assert estimate(n_stories=2000, steps__relabel=False).n_calls == pytest.approx(632_000)
    assert found.n_stories == 2000
    assert not any(one.is_measured for one in found.tasks)


def test_the_steps_of_the_configuration_count():
    found = estimate(
        labels__passes=2,
        steps__relabel=False,
        steps__emotional=4,
        steps__neutral=1,
        steps__context_share=0.5,
        expect__actors=3.0,
    )
    assert calls(found) == pytest.approx(
        {
            "actors": 2,
            "utterances": 6,
            "soft-labels": 30,
            "soft-labels-2": 30,
            "context": 15,
            "cleaning": 15,
            "rewriting": 15,
        }
    )


def test_tokens_are_those_of_the_prompts_and_of_the_expected_share_of_the_longest_replies():
    found = estimate(expect__chars_per_token=2.0, expect__reply_fill=0.25, max_tokens__actors=80)
    tasks = {one.task: one for one in found.tasks}
    desk = make_desk()
    prompts = [
        sum(len(message.text) for message in actors.make_call(desk, story).request.messages) for story in STORIES
    ]
    assert tasks["actors"].input_tokens == pytest.approx(sum(prompts) / 2.0, rel=0.01)
    assert tasks["actors"].output_tokens == pytest.approx(2 * 80 * 0.25)
    one = utterances.make_call(desk, STORIES[0], "the ferryman").request.messages
    other = utterances.make_call(desk, STORIES[1], "the ferryman").request.messages
    mean = sum(len(message.text) for message in (*one, *other)) / 2
    assert tasks["utterances"].input_tokens == pytest.approx(30 * mean / 2.0, rel=0.01)
    assert tasks["soft-labels"].output_tokens == pytest.approx(300 * 100 * 0.25)
    assert found.input_tokens == pytest.approx(sum(one.input_tokens for one in found.tasks))
    assert found.output_tokens == pytest.approx(sum(one.output_tokens for one in found.tasks))


def test_only_what_reads_the_story_grows_with_it():
    short, long = ({one.task: one for one in estimate([make_story(text="x" * n)]).tasks} for n in (1000, 9000))
    for task, before in short.items():
        grown = (long[task].input_tokens - before.input_tokens) / before.n_calls
        assert grown == pytest.approx(8000 / 4 if task in ("actors", "utterances", "context") else 0)
        assert long[task].output_tokens == before.output_tokens


def test_more_stories_of_the_same_lengths_take_so_much_more():
    two, many = estimate(), estimate(n_stories=50)
    for before, after in zip(two.tasks, many.tasks, strict=True):
        assert after.n_calls == pytest.approx(25 * before.n_calls)
        assert after.input_tokens == pytest.approx(25 * before.input_tokens)
        assert after.output_tokens == pytest.approx(25 * before.output_tokens)


def test_measured_figures_win_when_there_are_enough_calls():
    measured = [
        count("actors", 40, inputs=40_000, outputs=2_000),
        count("utterances", 120, inputs=120_000, outputs=36_000),
        count("soft-labels", 600, inputs=300_000, outputs=24_000),
        count("context", FEWEST_MEASURED, inputs=20_000, outputs=1_000),
        count("cleaning", FEWEST_MEASURED - 1, inputs=999_999, outputs=999_999),
        count("rewriting", 500, inputs=999_999, outputs=999_999, state="failed"),
    ]
    found = estimate(measured=measured, n_stories=1000)
    # 3 characters a story and 5 utterances a character, as they were counted.
    assert calls(found) == pytest.approx(
        {
            "actors": 1000,
            "utterances": 3000,
            "soft-labels": 15_000,
            "context": 5000,
            "cleaning": 5000,
            "rewriting": 5000,
            "labels-in-context": 5000,
        }
    )
    tasks = {one.task: one for one in found.tasks}
    assert {task for task, one in tasks.items() if one.is_measured} == {
        "actors",
        "utterances",
        "soft-labels",
        "context",
    }
    assert (tasks["actors"].input_tokens, tasks["actors"].output_tokens) == pytest.approx((1_000_000, 50_000))
    assert (tasks["utterances"].input_tokens, tasks["utterances"].output_tokens) == pytest.approx((3_000_000, 900_000))
    assert (tasks["soft-labels"].input_tokens, tasks["soft-labels"].output_tokens) == pytest.approx((7.5e6, 600_000))
    assert (tasks["context"].input_tokens, tasks["context"].output_tokens) == pytest.approx((5_000_000, 250_000))
    unmeasured = {one.task: one for one in estimate(n_stories=1000).tasks}
    for task in ("cleaning", "rewriting"):
        assert tasks[task].output_tokens == pytest.approx(5000 * 150)
        assert tasks[task].input_tokens / 5000 == pytest.approx(
            unmeasured[task].input_tokens / unmeasured[task].n_calls
        )


def test_utterances_made_on_purpose_do_not_count_as_those_of_a_character():
    measured = [count("utterances", 100), count("soft-labels", 5000), count("targeted", 400)]
    assert calls(estimate(measured=measured, n_stories=10))["soft-labels"] == pytest.approx(10 * 15 * 10)


def test_money_is_by_the_prices_of_a_million_tokens():
    found = estimate(budget__input_price=0.5, budget__output_price=2.0)
    assert found.money == pytest.approx((found.input_tokens * 0.5 + found.output_tokens * 2.0) / 1_000_000)
    assert estimate().money == 0.0


def test_hours_are_by_the_rate():
    found = estimate(rate=100.0)
    assert found.hours == pytest.approx(found.output_tokens / 100.0 / 3600)
    assert estimate().hours is None
    assert estimate().output_tokens_per_second is None


def test_the_rate_may_be_measured():
    # 2,000 seconds of waiting, 20 at a time, are 100 seconds, in which 5,000 tokens came.
    measured = [
        count("actors", 5, outputs=4_000, seconds=1_500.0),
        count("cleaning", 5, outputs=1_000, seconds=500.0, state="failed"),
    ]
    assert estimate(measured=measured, limits__in_flight=20).output_tokens_per_second == pytest.approx(50.0)
    assert estimate(measured=measured, rate=7.0).output_tokens_per_second == 7.0
    assert estimate(measured=[count("actors", 5, seconds=100.0)]).output_tokens_per_second is None
    assert estimate(measured=[count("actors", 5, outputs=50, seconds=0.1)]).hours is None


def test_no_story_takes_nothing():
    found = estimate([])
    assert (found.n_stories, found.n_calls, found.input_tokens, found.output_tokens) == (0, 0, 0, 0)
