"""A whole synthesis: what is asked, what is found again, what it costs, and what is left of it when it is stopped."""

import os
import signal
import threading
from collections import Counter

import pytest
from loopback import make_settings, read_counts, start_server, write_stories

from sentire.core.errors import BudgetError, ConfigError, DataError, GenerationError, HeldError
from sentire.storage.ledger import open_ledger
from sentire.synthesis.run import Site, collect, describe_run, run_synthesis


@pytest.fixture(scope="module")
def server():
    with start_server() as address:
        yield address


def run(site, output):
    with open_ledger(output, job=site.settings.name) as ledger:
        report = run_synthesis(site, ledger)
        return report, ledger.count(), ledger.sum_spent(), collect(site, ledger)


def count_states(counts):
    states = Counter()
    for one in counts:
        states[one.state] += one.n_calls
    return states


def test_a_second_run_asks_nothing_and_says_the_same(server, tmp_path):
    write_stories(tmp_path, 3)
    site = Site(settings=make_settings(server), base=tmp_path)
    first, _, spent, found = run(site, tmp_path / "out")
    assert first.n_done > 50
    assert first.n_done == spent.calls
    before = read_counts(server)["requests"]
    second, _, spent_again, found_again = run(site, tmp_path / "out")
    assert (second.n_done, second.n_known) == (0, first.n_done)
    assert read_counts(server)["requests"] == before
    assert (spent_again, found_again) == (spent, found)
    assert f"{first.n_done:,} known before" in describe_run(second)


def test_a_changed_setting_asks_only_what_depends_on_it(server, tmp_path):
    write_stories(tmp_path, 2)
    sections = {"steps": {"emotional": 3, "neutral": 1, "context_share": 0.5}}
    _, counts, _, _ = run(Site(settings=make_settings(server, **sections), base=tmp_path), tmp_path / "out")
    n_before = {one.task: one.n_calls for one in counts}
    longer = make_settings(server, **sections, max_tokens={"context": 301})
    report, counts, _, _ = run(Site(settings=longer, base=tmp_path), tmp_path / "out")
    n_after = {one.task: one.n_calls for one in counts}
    assert n_after["context"] == 2 * n_before["context"]
    # The server answers the same question in the same way, so that the cleaned contexts are those there were.
    assert report.n_done == n_before["context"]
    assert {task: n for task, n in n_after.items() if task != "context"} == {
        task: n for task, n in n_before.items() if task != "context"
    }


def test_words_that_are_mapped_otherwise_ask_nothing_again(server, tmp_path):
    write_stories(tmp_path, 1)
    run(Site(settings=make_settings(server), base=tmp_path), tmp_path / "out")
    mapped = make_settings(server, labels={"strays": {"melancholia": "sadness"}})
    report, *_ = run(Site(settings=mapped, base=tmp_path), tmp_path / "out")
    assert report.n_done == 0


def test_every_kind_of_fault_is_survived_and_the_counts_add_up(tmp_path):
    write_stories(tmp_path, 4)
    with start_server("--fault-share", 0.25, "--seed", 0) as address:
        settings = make_settings(
            address,
            provider={"kind": "openai", "base_url": address, "model": "loopback", "timeout_seconds": 0.3},
            # So many that none fails for good with this seed, also where a slow machine makes timeouts of its own.
            retries={"attempts": 20, "repairs": 10, "first_wait_seconds": 0.02},
        )
        report, counts, spent, found = run(Site(settings=settings, base=tmp_path), tmp_path / "out")
        seen = read_counts(address)
    states = count_states(counts)
    assert set(seen["faults"]) == {
        "429 with Retry-After",
        "429",
        "500",
        "503",
        "reset",
        "hang",
        "broken JSON",
        "cut JSON",
        "prose",
        "empty",
        "page",
    }
    assert states["failed"] == 0
    assert states["done"] == report.n_done == seen["questions"]
    assert spent.calls == seen["requests"] == states["done"] + sum(report.faults.values())
    assert states["pending"] == states["claimed"] == 0
    assert found.n_unknown == 0
    with start_server() as address:
        plain = Site(settings=make_settings(address), base=tmp_path)
        _, _, _, undisturbed = run(plain, tmp_path / "undisturbed")
    assert found == undisturbed


def test_a_call_that_fails_for_good_is_counted_and_can_be_made_again(tmp_path):
    write_stories(tmp_path, 2)
    with start_server("--nonsense") as address:
        site = Site(settings=make_settings(address), base=tmp_path)
        report, counts, _, found = run(site, tmp_path / "out")
        assert (report.n_done, report.n_failed) == (0, 2)
        assert [(one.task, one.failure, one.n_calls) for one in counts] == [("actors", "no name in the list", 2)]
        assert sum((work.failures for work in found.works), Counter()) == {("actors", "no name in the list"): 2}
        again, *_ = run(site, tmp_path / "out")
        assert again.n_known == 2
    with start_server() as address:
        site = Site(settings=make_settings(address), base=tmp_path)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            assert ledger.retry_failed() == 2
        report, counts, _, _ = run(site, tmp_path / "out")
        assert count_states(counts)["failed"] == 0
        assert report.n_done > 30


@pytest.mark.parametrize("n_calls", [1, 7, 40])
def test_a_budget_of_calls_is_never_exceeded_not_even_by_one(tmp_path, n_calls):
    write_stories(tmp_path, 4)
    with start_server("--fault-share", 0.1) as address:
        site = Site(settings=make_settings(address, budget={"calls": n_calls}), base=tmp_path)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            with pytest.raises(BudgetError, match=rf"within the budget of {n_calls} calls.*goes on where it is"):
                run_synthesis(site, ledger)
            assert ledger.sum_spent().calls == n_calls
        assert read_counts(address)["requests"] == n_calls
        more = Site(settings=make_settings(address, budget={"calls": 10_000}), base=tmp_path)
        _, counts, _, _ = run(more, tmp_path / "out")
        assert count_states(counts)["pending"] == 0
        seen = read_counts(address)
    assert seen["answered_twice"] == 0


@pytest.mark.parametrize(
    ("budget", "pattern"),
    [
        ({"tokens": 20_000}, "within the budget of 20,000 tokens"),
        ({"money": 0.01, "input_price": 1.0, "output_price": 4.0}, r"within the budget of 0\.01 of money"),
    ],
)
def test_budgets_of_tokens_and_money_hold_as_well(server, tmp_path, budget, pattern):
    write_stories(tmp_path, 4)
    site = Site(settings=make_settings(server, budget=budget), base=tmp_path)
    with open_ledger(tmp_path / "out", job="loopback") as ledger:
        with pytest.raises(BudgetError, match=pattern):
            run_synthesis(site, ledger)
        spent = ledger.sum_spent()
    assert 0 < spent.tokens <= budget.get("tokens", spent.tokens)
    assert spent.cost <= budget.get("money", spent.cost)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"model": "loopbak"}, 'a model that the server has.*did you mean "loopback"'),
        ({"base_url": "http://127.0.0.1:9/v1"}, "speaks OpenAI's protocol at http://127.0.0.1:9/v1"),
        ({"base_url": "not an address"}, "provider.base_url"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told_before_any_call(server, tmp_path, change, pattern):
    write_stories(tmp_path, 1)
    provider = {"kind": "openai", "base_url": server, "model": "loopback"} | change
    site = Site(settings=make_settings(server, provider=provider), base=tmp_path)
    with open_ledger(tmp_path / "out", job="loopback") as ledger:
        with pytest.raises(GenerationError, match=pattern):
            run_synthesis(site, ledger)
        assert ledger.count() == []


def test_a_wrong_key_is_told_by_the_name_of_its_variable_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("LOOPBACK_KEY", "sesame-closed")
    write_stories(tmp_path, 1)
    with start_server("--key", "sesame") as address:
        provider = {"kind": "openai", "base_url": address, "model": "loopback", "key_variable": "LOOPBACK_KEY"}
        site = Site(settings=make_settings(address, provider=provider), base=tmp_path)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            with pytest.raises(GenerationError, match="variable LOOPBACK_KEY, which holds another one") as refused:
                run_synthesis(site, ledger)
            assert "sesame" not in str(refused.value)
            monkeypatch.setenv("LOOPBACK_KEY", "sesame")
            assert run_synthesis(site, ledger).n_done > 10
    held = b"".join(path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file())
    assert b"sesame" not in held


def test_a_story_too_long_for_the_model_is_a_counted_failure(tmp_path):
    write_stories(tmp_path, 1)
    (tmp_path / "stories" / "epic.txt").write_text(
        "The river rose, and the river fell, and nobody wrote it down. " * 300
    )
    with start_server("--context-bytes", 9_000) as address:
        site = Site(settings=make_settings(address), base=tmp_path)
        _, counts, _, _ = run(site, tmp_path / "out")
        failed = {one.task: one.failure for one in counts if one.state == "failed"}
        assert failed["actors"] == "question longer than the model's context"
        cut = make_settings(address, narratives={"folder": "stories", "longest_chars": 3000})
        _, counts, _, found = run(Site(settings=cut, base=tmp_path), tmp_path / "cut")
        assert count_states(counts)["failed"] == 0
        assert [work.story.id for work in found.works][:2] == ["epic#1", "epic#2"]


def test_a_server_without_schemas_is_asked_without_them(tmp_path):
    write_stories(tmp_path, 1)
    with start_server("--no-schema") as address:
        report, *_ = run(Site(settings=make_settings(address), base=tmp_path), tmp_path / "out")
    assert report.n_failed == 0
    assert report.n_done > 10


def test_quotas_are_filled_and_planned_again_from_the_ledger_alone(server, tmp_path):
    write_stories(tmp_path, 3)
    settings = make_settings(server, quota={"per_label": 12, "labels": ["grief", "pride"], "rounds": 4})
    site = Site(settings=settings, base=tmp_path)
    _, counts, _, found = run(site, tmp_path / "out")
    n_planned = sum(n_calls for _, n_calls in found.rounds)
    assert n_planned == sum(one.n_calls for one in counts if one.task == "targeted") > 0
    expressed = Counter(label for row in found.judgement.rows["orig"] for label in row.labels)
    for label in ("grief", "pride"):
        assert expressed[label] + found.shortages.get(label, 0) >= 12
    made_for = {one.target for work in found.works for one in work.utterances}
    assert made_for == {"", "grief", "pride"}


def test_two_jobs_on_one_ledger_and_the_ledger_of_another_job_are_refused(server, tmp_path):
    write_stories(tmp_path, 1)
    run(Site(settings=make_settings(server), base=tmp_path), tmp_path / "out")
    with (
        open_ledger(tmp_path / "out", job="loopback"),
        pytest.raises(HeldError, match="another job is writing"),
        open_ledger(tmp_path / "out", job="loopback"),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r"ledger of 'loopback'.*name 'other'"),
        open_ledger(tmp_path / "out", job="other"),
    ):
        pass


def test_no_story_at_all_is_told_before_any_call(server, tmp_path):
    (tmp_path / "stories").mkdir()
    (tmp_path / "stories" / "empty.txt").write_text("\n")
    site = Site(settings=make_settings(server), base=tmp_path)
    with (
        open_ledger(tmp_path / "out", job="loopback") as ledger,
        pytest.raises(DataError, match=r"none that can be used.*1 empty"),
    ):
        run_synthesis(site, ledger)


def test_an_interrupt_lets_what_is_under_way_come_to_its_end(tmp_path):
    write_stories(tmp_path, 8)
    with start_server("--latency", 0.1) as address:
        site = Site(settings=make_settings(address), base=tmp_path)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            timer = threading.Timer(0.6, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            report = run_synthesis(site, ledger)
            assert report.signal == signal.SIGINT
            assert 0 < report.n_done == read_counts(address)["answers"]
            # What was claimed and not sent yet waits for the next run, and costs nothing.
            assert count_states(ledger.count()).keys() <= {"done", "pending"}
            assert ledger.sum_spent().calls == report.n_done
        whole, *_ = run(site, tmp_path / "out")
        assert whole.n_done + report.n_done == read_counts(address)["questions"]
        assert read_counts(address)["answered_twice"] == 0


def test_a_second_interrupt_drops_what_is_under_way_and_counts_it_as_spent(tmp_path):
    write_stories(tmp_path, 2)
    with start_server("--latency", 5.0) as address:
        site = Site(settings=make_settings(address), base=tmp_path)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            timers = [threading.Timer(wait, os.kill, (os.getpid(), signal.SIGINT)) for wait in (0.5, 0.8)]
            for timer in timers:
                timer.start()
            with pytest.raises(KeyboardInterrupt):
                run_synthesis(site, ledger)
        with open_ledger(tmp_path / "out", job="loopback") as ledger:
            assert count_states(ledger.count()) == {"pending": 2}
            assert ledger.sum_spent().calls == 2
