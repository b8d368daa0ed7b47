"""Rounds, sources and export: what is made for which label, when it ends, and that a second run makes the same."""

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import orjson
import pytest

pytest.importorskip("rensa")
pytest.importorskip("httpx2")

from sentire.augmentation.asked_sources import _choose
from sentire.augmentation.candidates import Candidate, Seed
from sentire.augmentation.config import AugmentationConfig, check_augmentation
from sentire.augmentation.export import export_augmentation
from sentire.augmentation.rounds import augment
from sentire.augmentation.rules import Rules
from sentire.augmentation.run import run_augmentation
from sentire.augmentation.templates import TemplateSource
from sentire.classifiers.labelled import join_labelled, read_labelled
from sentire.core.config import parse_config
from sentire.core.errors import BudgetError, ConfigError, DataError, LabelError, UsageError
from sentire.core.labels import GOEMOTIONS
from sentire.core.seeding import make_generator
from sentire.data.registry import load_dataset
from sentire.llm.caller import StoppedError
from sentire.runtime.load import load
from sentire.storage.ledger import open_ledger

ROOT = Path(__file__).resolve().parents[2]
SUBJECTS = "harbour kitchen ladder violin orchard platform notebook chimney tunnel bakery attic ferry".split()  # noqa: SIM905


def make_row(identity: str, text: str, label: str) -> dict:
    return {"id": identity, "text": text, "labels": [label]}


def write_data(folder: Path, *, n_grief=4, n_joy=40):
    def write(name, start, n_rare):
        rows = [
            {
                "id": f"{name}-g{k}",
                "text": f"Since the {SUBJECTS[(start + k) % 12]} burned I cry at {k} o'clock.",
                "labels": ["grief"],
            }
            for k in range(n_rare)
        ]
        rows += [
            {
                "id": f"{name}-j{k}",
                "text": f"What a day at the {SUBJECTS[k % 12]}, number {start + k}, we danced!",
                "labels": ["joy"],
            }
            for k in range(n_joy)
        ]
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))

    write("train", 0, n_grief)
    write("dev", 500, 3)
    (folder / "own.toml").write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nid = "id"\nlabels = "labels"\n'
        '[splits]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\n'
    )
    return str(folder / "own.toml")


def make_settings(data, **sections):
    table = {
        "name": "rich",
        "sources": ["templates"],
        "data": {"train": f"{data}:train", "apart": [f"{data}:dev"]},
        "labels": {"names": ["grief"], "until": 30},
    }
    return parse_config(AugmentationConfig, table | sections)


def run(settings, folder, name="out"):
    with open_ledger(folder / name, job=settings.name) as ledger:
        augmented, train = run_augmentation(settings, folder, ledger)
        return augmented, train, ledger.count(), ledger.sum_spent()


@pytest.fixture
def server():
    script = ROOT / "benchmarks" / "loopback_server.py"
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        yield {"kind": "openai", "base_url": process.stdout.readline().strip(), "model": "loopback"}
        process.kill()


def say(text):
    """What a model replies that says a text."""
    return orjson.dumps({"text": text}).decode()


def name_rephrasings(*, rounds=6, seeds=4, turns=3):
    """Names of the calls in which examples of grief are rephrased."""
    return [
        f"rephrase/grief/rephrase/{round_number}/train-g{seed}/{turn}"
        for round_number in range(1, rounds + 1)
        for seed in range(seeds)
        for turn in range(1, turns + 1)
    ]


class Listed:
    """A source that makes what is listed for each round, with labels of its own."""

    def __init__(self, n_by_round, labels=("grief",), name="listed"):
        self.n_by_round, self.labels, self.name = n_by_round, labels, name

    async def make(self, label, seeds, n, round_number, failed):  # noqa: ARG002
        n_made = self.n_by_round[round_number - 1] if round_number <= len(self.n_by_round) else 0
        names = [f"{label}/{self.name}/{round_number}/{k}" for k in range(min(n_made, n))]
        return [
            Candidate(
                id=name,
                text=" ".join(make_generator(0, name).permutation(SUBJECTS)) + ".",
                labels=self.labels,
                label=label,
                source=self.name,
            )
            for name in names
        ]


def follow(folder, *sources, **sections):
    """Return how labels fare with some sources, where every text is good."""
    settings = make_settings(write_data(folder), **sections)
    train = read_labelled(settings.data.train)
    rules = Rules(settings.quality, {}, is_english=False)
    return asyncio.run(augment(train, settings, sources, rules))


def write_replies(folder, rows):
    (folder / "replies.jsonl").write_bytes(b"".join(orjson.dumps({"name": n, "reply": r}) + b"\n" for n, r in rows))
    return {"kind": "replay", "path": "replies.jsonl"}


def test_templates_fill_a_label_up_to_its_quota_round_by_round(tmp_path):
    augmented, train, _, _ = run(make_settings(write_data(tmp_path)), tmp_path)
    course = augmented.courses["grief"]
    assert (course.before, course.made, course.end) == (4, 26, "reached")
    assert course.rounds == 5  # 4, 6, 9, 14, 21, 30
    assert len({row.text for row in augmented.rows}) == 26
    assert {row.labels for row in augmented.rows} == {("grief",)}
    assert {row.text for row in augmented.rows}.isdisjoint(train.texts)


def test_the_same_seed_makes_the_same_and_another_one_another(tmp_path):
    data = write_data(tmp_path)
    first, second = run(make_settings(data), tmp_path)[0], run(make_settings(data), tmp_path, "again")[0]
    assert first == second
    assert run(make_settings(data, seed=1), tmp_path, "other")[0].rows != first.rows


def test_a_quota_that_cannot_be_reached_ends_by_its_stop_rule_and_says_so(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"names": ["grief"], "until": 5_000_000}, rounds={"most": 4})
    course = run(settings, tmp_path)[0].courses["grief"]
    assert (course.rounds, course.end) == (4, "after 4 rounds")
    assert course.before + course.made < 5_000_000


def test_patience_counts_rounds_without_a_row_one_after_another(tmp_path):
    """Two of them, then a row, then three: the third ends it, and what would come after it is not asked for."""
    course = follow(tmp_path, Listed([1, 0, 0, 1, 0, 0, 0, 1])).courses["grief"]
    assert (course.made, course.rounds, course.end) == (2, 7, "no source made a text in 3 rounds")
    assert course.no_source == 5


def test_every_source_keeps_its_share_where_all_of_its_texts_are_good(tmp_path):
    """Half more is asked for than is needed: what is left out must not be the last source's alone."""
    sources = [Listed([99] * 9, name=name) for name in ("first", "second", "third")]
    found = follow(tmp_path, *sources, labels={"names": ["grief"], "until": 304}, rounds={"growth": 100.0})
    made = [row.id.split("/")[1] for row in found.rows]
    assert {name: made.count(name) for name in set(made)} == {"first": 100, "second": 100, "third": 100}
    assert made[:4] == ["first", "second", "third", "first"]
    assert follow(tmp_path, *sources, labels={"names": ["grief"], "until": 304}, rounds={"growth": 100.0}) == found


def test_what_a_source_has_not_the_others_make(tmp_path):
    sources = [Listed([2], name="short"), Listed([9], name="long")]
    found = follow(tmp_path, *sources, labels={"names": ["grief"], "until": 11}, rounds={"most": 1, "growth": 9.0})
    assert [row.id.split("/")[1] for row in found.rows] == ["short", "long", "short", "long", "long", "long", "long"]


def test_a_quota_is_not_exceeded(tmp_path):
    found = follow(tmp_path, Listed([9] * 5), labels={"names": ["grief"], "until": 7}).courses["grief"]
    assert (found.made, found.rounds, found.end) == (3, 2, "reached")  # 4, 6, 7
    enough = follow(tmp_path, Listed([9] * 5), labels={"names": ["grief"], "until": 4}).courses["grief"]
    assert (enough.made, enough.rounds, enough.end) == (0, 0, "enough already")


def test_rows_made_for_one_label_count_for_the_others_that_they_carry(tmp_path):
    """Pride has none and grief has four: the first two that are made for pride give grief its six."""
    labels = {"names": ["grief", "pride"], "until": 6}
    courses = follow(tmp_path, Listed([12] * 9, labels=("grief", "pride")), labels=labels).courses
    assert (courses["grief"].rounds, courses["grief"].made, courses["grief"].end) == (0, 0, "reached")
    assert (courses["pride"].rounds, courses["pride"].made, courses["pride"].end) == (4, 6, "reached")  # 2, 3, 5, 6
    assert (courses["grief"].made_for_others, courses["pride"].made_for_others) == (6, 0)


@pytest.mark.parametrize("sources", [["templates"], ["rephrase"], ["back-translation"], ["rephrase", "templates"]])
def test_a_label_without_template_or_source_text_is_given_up_asks_nobody_and_is_told(tmp_path, sources):
    settings = make_settings(
        write_data(tmp_path),
        labels={"names": ["gratitude"], "until": 10},
        sources=sources,
        provider=write_replies(tmp_path, [("x", "x")]),
    )
    augmented, train, counts, spent = run(settings, tmp_path)
    course = augmented.courses["gratitude"]
    assert (course.before, course.made, course.rounds, course.no_source) == (0, 0, 3, 3)
    assert (course.end, course.failed, counts, spent.calls) == ("no source made a text in 3 rounds", {}, [], 0)
    assert export_augmentation(settings, augmented, train, tmp_path / "data")["n_made"] == 0
    card = (tmp_path / "data" / "README.md").read_text()
    assert "| gratitude | 0 | 0 | 3 | no source made a text in 3 rounds | none | none |" in card
    assert (tmp_path / "data" / "train.jsonl").read_bytes() == b""


def test_rare_labels_are_found_by_their_share(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"rarer_than": 0.1, "until": 6})
    courses = run(settings, tmp_path)[0].courses
    assert "joy" not in courses
    assert courses["grief"].before == 4
    assert list(courses)[:2] == ["admiration", "amusement"]  # none at all: the rarest first


def test_rephrasings_keep_the_labels_of_their_example_and_name_it(tmp_path):
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    augmented, _, counts, _ = run(settings, tmp_path)
    assert augmented.rows == ()
    assert {one.failure for one in counts} == {"no reply in the file"}

    import sqlite3

    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        names = [name for (name,) in ledger.execute("SELECT subject FROM calls")]
    replies = [
        (
            name,
            orjson.dumps(
                {"text": f"The {SUBJECTS[k % 12]} is ashes and my {SUBJECTS[-k % 12]} too, {k} times over."}
            ).decode(),
        )
        for k, name in enumerate(sorted(names))
    ]
    settings = make_settings(
        data, sources=["rephrase"], provider=write_replies(tmp_path, replies), labels={"names": ["grief"], "until": 6}
    )
    augmented, train, _, _ = run(settings, tmp_path, "second")
    assert augmented.rows
    for row in augmented.rows:
        assert row.labels == ("grief",)
        assert row.source_id in train.ids
        assert row.source == "rephrase"
        assert row.key


def test_a_provider_that_repeats_itself_gives_one_row_and_ends(tmp_path):
    """Whatever it is asked, it says the same: the second time it is a duplicate, and the label is given up."""
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    run(settings, tmp_path)
    import sqlite3

    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as ledger:
        names = [name for (name,) in ledger.execute("SELECT subject FROM calls")]
    same = say("All that is left of the house is one blue door.")
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [(n, same) for n in names]))
    course = run(settings, tmp_path, "second")[0].courses["grief"]
    assert course.made == 1
    assert course.refused["duplicate of a text made before"] >= 2
    assert course.end.startswith("no new row")


@pytest.mark.parametrize(
    ("reply", "failed"),
    [
        (say("I'm sorry, but I cannot create such content."), "talk about the task"),
        ("I'm sorry, I would rather not.", "talk about the task"),
        ('{"answer": "no"}', "no text"),
        ("", "empty text in the reply"),
    ],
)
def test_a_provider_that_refuses_gives_no_row_ends_and_is_told(tmp_path, reply, failed):
    replies = write_replies(tmp_path, [(name, reply) for name in name_rephrasings()])
    settings = make_settings(write_data(tmp_path), sources=["rephrase"], provider=replies)
    augmented, train, counts, _ = run(settings, tmp_path)
    course = augmented.courses["grief"]
    n_calls = sum(one.n_calls for one in counts)
    assert n_calls == 9  # three of four examples, three rounds
    assert (augmented.rows, course.rounds, course.end) == ((), 3, "no source made a text in 3 rounds")
    assert course.failed == {failed: n_calls}
    export_augmentation(settings, augmented, train, tmp_path / "data")
    assert f"| none | {failed} {n_calls} |" in (tmp_path / "data" / "README.md").read_text()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("I can’t rephrase this for you, whoever asks.", "a refusal, or talk about the task"),
        ("Seit das Haus brannte, weine ich und finde keine Ruhe mehr.", "in another language"),
        ("С тех пор как дом сгорел, я плачу каждую ночь.", "in another language"),
        ("My grandmother hid the sweets behind the blue flour tin!", "duplicate of a text in {}:dev"),
        ("My grandmother hides the sweets behind the blue flour tin.", "near-duplicate of a text in {}:dev"),
        ("Since the harbour burned I cry at 0 o’clock", "no whole sentence"),
        ("Since the harbour burned I cry at 0 o'clock!", "duplicate of a text in train"),
        ("Since the harbour burned I cried at 0 o'clock!", "near-duplicate of a text in train"),
    ],
)
def test_what_a_provider_says_wrongly_is_caught_by_its_rule_and_the_label_given_up(tmp_path, text, rule):
    data = write_data(tmp_path)
    with (tmp_path / "dev.jsonl").open("ab") as dev:
        row = make_row("dev-sweets", "My grandmother hid the sweets behind the blue flour tin.", "joy")
        dev.write(orjson.dumps(row) + b"\n")
    replies = write_replies(tmp_path, [(name, say(text)) for name in name_rephrasings()])
    augmented, _, _, _ = run(make_settings(data, sources=["rephrase"], provider=replies), tmp_path)
    course = augmented.courses["grief"]
    refused = {name: n for name, n in course.refused.items() if n}
    assert augmented.rows == ()
    assert (course.end, course.failed) == ("no new row in 3 rounds", {})
    # Of one reply said three times in a round, two repeat the first.
    assert refused.pop("duplicate of a text made before", 0) == (6 if rule.startswith("near") else 0)
    assert refused == {rule.format(data): 3 if rule.startswith("near") else 9}


def test_back_translation_goes_there_and_back_through_each_pivot_once(tmp_path):
    pivots = ["German", "Czech"]
    replies = {}
    for name in [f"translate/grief/back-translation/{pivot}/train-g{k}" for pivot in pivots for k in range(4)]:
        replies[f"{name}/there"] = say(f"{name} in words that nobody here understands")
        replies[f"{name}/back"] = say(" ".join(make_generator(0, name).permutation(SUBJECTS)) + ".")
    settings = make_settings(
        write_data(tmp_path),
        sources=["back-translation"],
        provider=write_replies(tmp_path, replies.items()),
        pivots=pivots,
    )
    augmented, train, counts, spent = run(settings, tmp_path)
    course = augmented.courses["grief"]
    assert augmented.rows
    assert len({row.id for row in augmented.rows}) == len(augmented.rows)
    for row in augmented.rows:
        _, _, pivot, example = row.id.split("/")
        assert pivot in pivots
        assert (row.source, row.source_id, row.labels) == ("back-translation", example, ("grief",))
        assert example in train.ids
        assert row.text == orjson.loads(replies[f"translate/{row.id}/back"])["text"]
        assert row.key
    assert {row.id.split("/")[2] for row in augmented.rows} == set(pivots)
    assert {one.task for one in counts} == {"translate"}
    assert spent.calls == 2 * (3 + 4)  # there and back, three examples in the first round and all four in the second
    assert (course.rounds, course.end, course.failed) == (5, "no source made a text in 3 rounds", {})


def test_a_server_that_answers_another_question_gives_no_back_translation(tmp_path, server):
    settings = make_settings(
        write_data(tmp_path), sources=["back-translation"], provider=server, pivots=["German", "Czech"]
    )
    augmented, _, counts, spent = run(settings, tmp_path)
    # The loopback server answers the translation prompts with an object of another key: failures, not rows.
    assert {one.task for one in counts} == {"translate"}
    assert augmented.rows == ()
    assert spent.calls > 0
    assert set(augmented.courses["grief"].failed) == {"no text"}


def test_examples_are_chosen_all_once_before_one_comes_twice_and_otherwise_by_the_seed():
    seeds = [Seed(id=f"e{k}", text=f"text {k}", labels=("grief",)) for k in range(6)]

    def choose(n, seed=0, purpose="rephrase, grief, round 1"):
        return [(one.id, turn) for one, turn in _choose(seeds, n, seed, purpose)]

    assert {one for one, _ in choose(6)} == {seed.id for seed in seeds}
    assert [turn for _, turn in choose(15)] == [1] * 6 + [2] * 6 + [3] * 3
    assert len(set(choose(15))) == 15
    assert choose(6) == choose(6) != choose(6, seed=1)
    assert choose(6) != choose(6, purpose="rephrase, grief, round 2")
    assert {choose(3, seed=seed)[0][0] for seed in range(40)} == {seed.id for seed in seeds}
    assert _choose([], 5, 0, "nobody") == []


def test_a_second_run_pays_for_nothing(tmp_path):
    data = write_data(tmp_path)
    settings = make_settings(data, sources=["rephrase"], provider=write_replies(tmp_path, [("x", "x")]))
    _, _, _, first = run(settings, tmp_path)
    _, _, _, second = run(settings, tmp_path)
    assert first == second


def test_a_wish_for_the_end_is_heard_between_two_labels(tmp_path):
    settings = make_settings(write_data(tmp_path), labels={"names": ["grief", "pride"], "until": 500})
    train = read_labelled(settings.data.train)
    wishes = iter([False, False, True])
    sources, rules = [TemplateSource(0)], Rules(settings.quality, {}, is_english=True)
    found = asyncio.run(augment(train, settings, sources, rules, is_ending=lambda: next(wishes)))
    assert next(wishes, "all heard") == "all heard"
    assert not found.is_whole
    assert {label: (one.rounds, one.end) for label, one in found.courses.items()} == {
        "pride": (1, "the job ended"),
        "grief": (1, "the job ended"),
    }
    assert {row.label for row in found.rows} == {"pride", "grief"}


def test_ctrl_c_ends_it_even_where_nobody_is_asked(tmp_path):
    settings = make_settings(
        write_data(tmp_path),
        labels={"names": ["grief"], "until": 5_000_000},
        rounds={"most": 10_000, "patience": 10_000},
    )
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with open_ledger(tmp_path / "out", job="rich") as ledger:
        augmented, _ = run_augmentation(settings, tmp_path, ledger)
    assert (augmented.is_whole, augmented.stopped, augmented.signal) == (False, None, signal.SIGINT)
    assert augmented.rows
    assert augmented.courses["grief"].made == len(augmented.rows)


def test_a_budget_ends_it_and_keeps_what_there_is(tmp_path):
    data = write_data(tmp_path)
    provider = write_replies(tmp_path, [("x", "x")])
    settings = make_settings(data, sources=["rephrase"], provider=provider, budget={"calls": 2})
    with open_ledger(tmp_path / "out", job="rich") as ledger:
        stopped, _ = run_augmentation(settings, tmp_path, ledger)
        assert isinstance(stopped.stopped, BudgetError)
        assert "budget of 2 calls" in str(stopped.stopped)
        assert ledger.sum_spent().calls == 2
        run_augmentation(make_settings(data, sources=["rephrase"], provider=provider), tmp_path, ledger)
        assert ledger.sum_spent().calls == sum(one.n_calls for one in ledger.count()) == 9  # and none was asked twice


@pytest.mark.parametrize("n_calls", [1, 3, 6, 7, 11, 14, 60])
def test_where_the_budget_ends_it_is_the_beginning_of_the_unbroken_run_which_more_budget_completes(tmp_path, n_calls):
    names = name_rephrasings()
    replies = {name: say(" ".join(make_generator(0, name).permutation(SUBJECTS)) + ".") for name in names}
    replies |= {name: say("I'm sorry, I can't do that.") for name in names[::5]}
    sections = {
        "sources": ["templates", "rephrase"],
        "provider": write_replies(tmp_path, replies.items()),
        "labels": {"names": ["pride", "grief"], "until": 24},
        "limits": {"in_flight": 2},
    }
    data = write_data(tmp_path)
    unbroken, train, counts, _ = run(make_settings(data, **sections), tmp_path, "unbroken")
    assert unbroken.is_whole
    n_all = sum(one.n_calls for one in counts)
    stopped, _, _, spent = run(make_settings(data, **sections, budget={"calls": n_calls}), tmp_path)
    assert spent.calls == min(n_calls, n_all)
    assert stopped.rows == unbroken.rows[: len(stopped.rows)]
    assert stopped.is_whole == (n_calls >= n_all) == (stopped.stopped is None)
    if not stopped.is_whole:
        assert stopped.rows  # templates of the labels before it, at least
        assert "the job ended" in {course.end for course in stopped.courses.values()}
    # Whatever was counted belongs to a round that was kept.
    for label, course in stopped.courses.items():
        assert course.rounds <= unbroken.courses[label].rounds
        assert all(n <= unbroken.courses[label].failed.get(why, 0) for why, n in course.failed.items())
        assert course.made == sum(row.label == label for row in stopped.rows)
    resumed, _, _, spent = run(make_settings(data, **sections), tmp_path)
    assert (resumed, spent.calls) == (unbroken, n_all)
    for found, folder in ((unbroken, "a"), (resumed, "b")):
        export_augmentation(make_settings(data, **sections), found, train, tmp_path / folder)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_calls_of_a_round_that_is_not_kept_are_not_counted(tmp_path):
    class Stopping(Listed):
        async def make(self, label, seeds, n, round_number, failed):
            failed["no answer"] += 1
            if round_number == 2:
                raise StoppedError
            return await super().make(label, seeds, n, round_number, failed)

    found = follow(tmp_path, Listed([1] * 9, name="first"), Stopping([1] * 9), rounds={"growth": 1.1})
    course = found.courses["grief"]
    assert (course.made, course.rounds, course.end, course.failed) == (1, 1, "the job ended", {"no answer": 1})


def test_what_is_exported_can_be_learned_from_and_not_measured_on(tmp_path):
    settings = make_settings(write_data(tmp_path))
    augmented, train, _, _ = run(settings, tmp_path)
    statistics = export_augmentation(settings, augmented, train, tmp_path / "data")
    digest = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "data").iterdir()}
    export_augmentation(settings, augmented, train, tmp_path / "data")
    assert digest == {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (tmp_path / "data").iterdir()}
    dataset = load_dataset(str(tmp_path / "data" / "augmented.toml"))
    assert dataset.card.splits == ("train",)
    examples = dataset.read_split("train")
    assert len(examples) == statistics["n_made"] == 26
    assert all(example.is_synthetic for example in examples)
    assert "| grief | 4 | 26 | 5 | reached |" in (tmp_path / "data" / "README.md").read_text()


def test_a_model_judges_whether_the_label_is_expressed(tmp_path):
    quality = {"check_model": "linear", "least_proba": 0.2}
    settings = make_settings(write_data(tmp_path), quality=quality)
    augmented, _, _, _ = run(settings, tmp_path)
    proba = load("linear").predict_proba([row.text for row in augmented.rows])
    assert len(augmented.rows) > 0
    assert (proba[:, GOEMOTIONS.index("grief")] >= 0.2).all()
    assert augmented.courses["grief"].refused["the label is not expressed"] > 0


def test_a_judge_of_other_labels_is_refused(tmp_path):
    data = write_data(tmp_path)
    path = tmp_path / "own.toml"
    path.write_text(path.read_text().replace('label_space = "goemotions"', 'labels = ["joy", "grief"]'))
    with pytest.raises(UsageError, match=r"answers in own\.v1, got goemotions.* at quality\.check_model; name a model"):
        run(make_settings(data, quality={"check_model": "linear"}), tmp_path)


def test_rows_for_labels_of_ones_own_are_rows_of_their_label_space(tmp_path):
    data = write_data(tmp_path)
    path = tmp_path / "own.toml"
    path.write_text(path.read_text().replace('label_space = "goemotions"', 'labels = ["joy", "grief"]'))
    settings = make_settings(data)
    augmented, train, _, _ = run(settings, tmp_path)
    export_augmentation(settings, augmented, train, tmp_path / "data")
    made = read_labelled(f"{tmp_path}/data/augmented.toml:train", train.space)
    joined = join_labelled(train, made)
    assert joined.targets.sum(axis=0).tolist() == [40, 30]


@pytest.mark.parametrize(
    ("sections", "error", "words"),
    [
        ({"sources": ["rephrase"]}, ConfigError, "a provider for rephrase"),
        ({"sources": ["templates", "templates"]}, ConfigError, "different sources"),
        ({"labels": {"names": ["grif"]}}, LabelError, 'did you mean "grief"'),
        ({"labels": {"rarer_than": 0.0}}, DataError, "labels rarer than 0 of the rows"),
        ({"quality": {"shortest_words": 5, "longest_words": 3}}, ConfigError, "at most 3"),
        (
            {"experiment": {"recipe": "r.toml", "test": "a:test"}},
            ConfigError,
            r"a:test, on which .*at data\.apart; add it",
        ),
    ],
)
def test_what_cannot_be_is_told(tmp_path, sections, error, words):
    with pytest.raises(error, match=words):
        run(make_settings(write_data(tmp_path), **sections), tmp_path)


def test_train_cannot_be_kept_apart_from_itself(tmp_path):
    data = write_data(tmp_path)
    table = {"name": "rich", "sources": ["templates"], "data": {"train": f"{data}:train", "apart": [f"{data}:train"]}}
    settings = parse_config(AugmentationConfig, table)
    with pytest.raises(ConfigError, match="splits other than train"):
        check_augmentation(settings)


def test_every_template_fills_and_reads_as_a_sentence():
    from sentire.augmentation.rules import _SENTENCE_END
    from sentire.augmentation.templates import _read_templates, fill

    templates, slots = _read_templates()
    used = set()
    for label, texts in templates.items():
        assert label in GOEMOTIONS
        assert len(texts) >= 10
        for text in texts:
            filled = fill(text, slots, make_generator(0, text))
            assert "{" not in filled
            assert _SENTENCE_END.search(filled)
            assert 3 <= len(filled.split()) <= 40
            used |= {part.split("}")[0] for part in text.split("{")[1:]}
    assert used == set(slots)  # no slot is left over, none is missing
