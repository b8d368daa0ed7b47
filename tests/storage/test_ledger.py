"""The ledger of a job: what was paid for and recorded is found again, and nobody pays twice."""

import asyncio
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sentire.core.errors import ArtifactError, ConfigError, HeldError, OutputError, SentireError
from sentire.storage import ledger as ledger_module
from sentire.storage.ledger import (
    LEDGER_NAME,
    RESERVE_BYTES,
    RESERVE_NAME,
    Claim,
    Ledger,
    Settlement,
    Spending,
    open_ledger,
    read_ledger,
)

BOUND = Spending(calls=1, input_tokens=100, output_tokens=1000, cost_micros=77)
COST = Spending(calls=1, input_tokens=12, output_tokens=34, cost_micros=5)
LOST_JOB = "the job ended while it was under way"


def make_claim(key="a", **changes):
    claim = Claim(
        key=key, task="affect", subject="story 1", prompt="affect/2", model="m", settings="{}", reserved=BOUND
    )
    return replace(claim, **changes)


def settle(key="a", state="done", **changes):
    return Settlement(key=key, state=state, spent=COST, seconds=0.5, **changes)


def finish(key="a", reply="fine"):
    return [make_claim(key), settle(key, reply=reply)]


def open_it(folder):
    return open_ledger(folder, job="winter")


def add(spent, times):
    return Spending(
        calls=spent.calls * times,
        input_tokens=spent.input_tokens * times,
        output_tokens=spent.output_tokens * times,
        cost_micros=spent.cost_micros * times,
    )


def dump(folder):
    with closing(sqlite3.connect(folder / LEDGER_NAME)) as connection:
        return list(connection.iterdump())


def start(code, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )


def read_all(open_any, folder):
    with open_any(folder) as ledger:
        ledger.count()
        ledger.sum_spent()
        for number in range(60):
            ledger.get(f"{number:032}")
        list(ledger.records(f"{number:032}" for number in range(60)))


def run(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- From claim to reply ----------------------------------------------------------------------------------------------


def test_a_call_from_its_claim_to_its_reply(tmp_path):
    with open_it(tmp_path) as ledger:
        assert ledger.get("a") is None
        ledger.apply([make_claim()])
        entry = ledger.get("a")
        assert (entry.state, entry.reply, entry.failure, entry.attempts, entry.faults) == ("claimed", None, "", 1, ())
        ledger.apply([settle(reply="glad")])
        entry = ledger.get("a")
        assert (entry.state, entry.reply, entry.failure, entry.attempts, entry.faults) == ("done", "glad", "", 1, ())
        assert ledger.get("b") is None


def test_a_call_that_needs_three_attempts_pays_for_all_of_them(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim(), settle(state="pending", fault="timeout: 3 s")])
        assert ledger.get("a").state == "pending"
        ledger.apply([make_claim(), settle(state="pending", reply="{", fault="no JSON")])
        assert ledger.get("a").reply == "{"
        ledger.apply([make_claim(), settle(reply="{}")])
        entry = ledger.get("a")
        assert (entry.state, entry.reply, entry.attempts) == ("done", "{}", 3)
        assert entry.faults == ("timeout: 3 s", "no JSON")
        assert ledger.sum_spent() == add(COST, 3)
        assert ledger.count()[0].seconds == 1.5


def test_a_call_that_fails_keeps_the_reply_that_was_no_good(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim(), settle(state="pending", reply="lorem", fault="no JSON")])
        ledger.apply([make_claim(), settle(state="failed", fault="timeout: 9 s", failure="timeout")])
        entry = ledger.get("a")
        assert (entry.state, entry.reply, entry.failure) == ("failed", "lorem", "timeout")
        assert entry.faults == ("no JSON", "timeout: 9 s")


def test_an_empty_reply_is_not_none(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply(finish(reply=""))
        assert ledger.get("a").reply == ""
        assert [record.reply for record in ledger.records("a")] == [""]


def test_what_is_claimed_counts_with_all_that_it_may_cost(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("a"), make_claim("b")])
        assert ledger.sum_spent() == add(BOUND, 2)
        ledger.apply([settle("a")])
        assert ledger.sum_spent() == BOUND + COST
        ledger.apply([settle("b", state="failed", failure="timeout")])
        assert ledger.sum_spent() == add(COST, 2)


def test_a_second_attempt_reserves_its_own_bound_and_not_both(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim(), settle(state="pending")])
        larger = Spending(calls=1, input_tokens=500, output_tokens=1000, cost_micros=90)
        ledger.apply([make_claim(reserved=larger)])
        assert ledger.sum_spent() == COST + larger


def test_an_empty_ledger_has_spent_nothing(tmp_path):
    with open_it(tmp_path) as ledger:
        assert ledger.sum_spent() == Spending()
        assert ledger.count() == []
        assert list(ledger.records(["a"])) == []
        ledger.apply([])


def test_counts_are_by_task_state_and_reason(tmp_path):
    with open_it(tmp_path) as ledger:
        for key in "abc":
            ledger.apply(finish(key))
        for key, failure in (("d", "timeout"), ("e", "no JSON"), ("f", "timeout")):
            ledger.apply([make_claim(key, task="story"), settle(key, state="failed", failure=failure)])
        ledger.apply([make_claim("g", task="story")])
        counted = {(one.task, one.state, one.failure): one for one in ledger.count()}
    assert {name: one.n_calls for name, one in counted.items()} == {
        ("affect", "done", ""): 3,
        ("story", "failed", "timeout"): 2,
        ("story", "failed", "no JSON"): 1,
        ("story", "claimed", ""): 1,
    }
    assert counted["affect", "done", ""].spent == add(COST, 3)
    assert counted["story", "failed", "timeout"].seconds == 1.0


def test_sums_are_exact_to_the_last_micro(tmp_path):
    """A thousand times a tenth of a micro's decimal neighbours: floats of money would not add up to this."""
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim(str(n)) for n in range(1000)])
        costs = [Spending(cost_micros=100_001 + n, input_tokens=n, output_tokens=2**33) for n in range(1000)]
        ledger.apply([Settlement(key=str(n), state="done", spent=cost) for n, cost in enumerate(costs)])
        spent = ledger.sum_spent()
    assert spent.cost_micros == 1000 * 100_001 + sum(range(1000))
    assert spent.output_tokens == 1000 * 2**33
    assert spent.cost == 100.5005
    assert spent.tokens == sum(range(1000)) + 1000 * 2**33


def test_spending_adds_and_subtracts_every_part():
    one = Spending(calls=1, input_tokens=20, output_tokens=300, cost_micros=4000)
    two = Spending(calls=5, input_tokens=60, output_tokens=700, cost_micros=8000)
    assert one + two == Spending(calls=6, input_tokens=80, output_tokens=1000, cost_micros=12000)
    assert one + two - one == two
    assert (one.tokens, one.cost) == (320, 0.004)


KEYS = st.sampled_from("abc")
SPENT = st.builds(
    Spending,
    input_tokens=st.integers(0, 99),
    output_tokens=st.integers(0, 99),
    cost_micros=st.integers(0, 99),
)
CHANGES = st.one_of(
    st.builds(make_claim, KEYS, reserved=SPENT, task=st.just("affect")),
    st.builds(
        Settlement,
        key=KEYS,
        state=st.sampled_from(["done", "failed", "pending"]),
        spent=SPENT,
        reply=st.one_of(st.none(), st.sampled_from(["", "glad", "\x00"])),
        fault=st.sampled_from(["", "timeout", "no 'JSON'"]),
        failure=st.sampled_from(["", "timeout"]),
    ),
    st.just("reopen"),
)


class Slow:
    """The rules of the ledger once more, with dictionaries."""

    def __init__(self):
        self.rows = {}

    def apply(self, change):
        if isinstance(change, Claim):
            row = self.rows.setdefault(change.key, {"reply": None, "attempts": 0, "faults": (), "spent": Spending()})
            row |= {"state": "claimed", "failure": "", "reserved": change.reserved, "attempts": row["attempts"] + 1}
        elif change == "reopen":
            for row in self.rows.values():
                if row["state"] == "claimed":
                    row["spent"] += row["reserved"]
                    row |= {"state": "pending", "reserved": Spending(), "faults": (*row["faults"], LOST_JOB)}
        elif change.key in self.rows:
            row = self.rows[change.key]
            row["spent"] += change.spent
            row |= {"state": change.state, "failure": change.failure, "reserved": Spending()}
            row["faults"] += (change.fault,) if change.fault else ()
            row["reply"] = row["reply"] if change.reply is None else change.reply

    def sum_spent(self):
        sums = sum((row["spent"] + row["reserved"] for row in self.rows.values()), Spending())
        return replace(sums, calls=sum(row["attempts"] for row in self.rows.values()))


@settings(max_examples=20)
@given(st.lists(CHANGES, max_size=20))
def test_any_course_of_a_job_is_that_of_a_slow_model(tmp_path_factory, changes):
    folder, slow = tmp_path_factory.mktemp("ledger"), Slow()
    courses = [[]]
    for change in changes:
        if change == "reopen":
            courses.append([])
        else:
            courses[-1].append(change)
    for number, course in enumerate(courses):
        with open_it(folder) as ledger:
            if number:
                slow.apply("reopen")
            ledger.apply(course)
            for change in course:
                slow.apply(change)
            assert ledger.sum_spent() == slow.sum_spent()
            for key in "abc":
                entry, row = ledger.get(key), slow.rows.get(key)
                assert (entry is None) == (row is None)
                if row is not None:
                    found = (entry.state, entry.reply, entry.failure, entry.attempts, entry.faults)
                    assert found == tuple(row[name] for name in ("state", "reply", "failure", "attempts", "faults"))
            counted = Counter()
            for one in ledger.count():
                counted[one.state, one.failure] += one.n_calls
            assert counted == Counter((row["state"], row["failure"]) for row in slow.rows.values())


# --- Texts ------------------------------------------------------------------------------------------------------------

TEXTS = {
    "NUL": 'a\x00b\x00{"label": "joy"}',
    "right to left": "שמחה \u202eگریه\u202c مرحبا",
    "astral": "😀🏳️‍🌈\U0010ffff\uffff\ufeff",
    "lines": "one\r\ntwo\u2028three\x85\x1b[31m",
    "quotes": "'; DROP TABLE calls; -- \"",
    "a megabyte": "żółw " * 200_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_come_back_as_they_were(tmp_path, text):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim(subject=text), settle(state="pending", fault=text)])
        ledger.apply([make_claim("b", task=text), settle("b", state="failed", failure=text, reply=text)])
        ledger.apply([make_claim(subject=text), settle(reply=text)])
    with read_ledger(tmp_path) as ledger:
        assert ledger.get("a").reply == text
        assert ledger.get("a").faults == (text,)
        assert ledger.get("b").failure == text
        records = list(ledger.records("ab"))
        assert (records[0].subject, records[0].reply) == (text, text)
        assert (records[1].task, records[1].failure) == (text, text)
        assert text in [one.task for one in ledger.count()]


@settings(max_examples=10)
@given(st.lists(st.text(), max_size=5))
def test_faults_are_listed_in_order(tmp_path_factory, faults):
    with open_it(tmp_path_factory.mktemp("ledger")) as ledger:
        for fault in faults:
            ledger.apply([make_claim(), settle(state="pending", fault=fault)])
        ledger.apply([make_claim()])
        assert ledger.get("a").faults == tuple(fault for fault in faults if fault)


@pytest.mark.parametrize(
    "change",
    [
        settle("b", reply="half of a smile: \ud83d"),
        settle("b", state="pending", fault="\udc00"),
        make_claim("c", subject="\ud83d"),
        Settlement(key="b", state="done", spent=Spending(input_tokens=2**64 - 1)),
        settle("b", state="lost"),
    ],
    ids=["surrogate reply", "surrogate fault", "surrogate subject", "more tokens than fit", "unknown state"],
)
def test_a_change_that_no_database_takes_is_an_output_error_and_none_of_its_batch_is_made(tmp_path, change):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("a"), make_claim("b")])
        with pytest.raises(OutputError, match=r"a ledger that can be written, got .* at .*ledger\.sqlite"):
            ledger.apply([settle("a", reply="paid"), change, make_claim("d")])
        assert ledger.get("a").state == ledger.get("b").state == "claimed"
        assert ledger.get("a").reply is None
        assert ledger.get("d") is None
        assert not ledger.is_full
        ledger.apply([settle("a", reply="paid")])  # and it goes on
        assert ledger.get("a").reply == "paid"


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_failing_change_anywhere_in_a_batch_applies_none(tmp_path, place):
    changes = [make_claim("a"), settle("b", reply="paid")]
    changes.insert(place, settle("b", state="lost"))
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("b")])
        before = dump(tmp_path)
        with pytest.raises(OutputError, match="CHECK constraint failed"):
            ledger.apply(changes)
        assert dump(tmp_path) == before


# --- Opened again -----------------------------------------------------------------------------------------------------


def test_opened_again_what_was_under_way_is_pending_and_counts_as_spent(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([*finish("a"), make_claim("b"), settle("b", state="pending", fault="timeout"), make_claim("b")])
        ledger.apply([make_claim("c"), settle("c", state="failed", failure="timeout")])
        before = ledger.sum_spent()
    for _ in range(2):  # the second time there is nothing left to recover
        with open_it(tmp_path) as ledger:
            assert ledger.sum_spent() == before == add(COST, 3) + replace(BOUND, calls=1)
            entry = ledger.get("b")
            assert (entry.state, entry.attempts, entry.faults) == ("pending", 2, ("timeout", LOST_JOB))
            assert ledger.get("a").state == "done"
            assert ledger.get("c").state == "failed"
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("b"), settle("b", reply="late")])
        assert ledger.get("b").reply == "late"
        assert ledger.sum_spent() == before + COST


SETTLE_FOREVER = """
import sys
from pathlib import Path
from sentire.storage.ledger import Claim, Settlement, Spending, open_ledger
bound = Spending(calls=1, input_tokens=10, output_tokens=100, cost_micros=7)
cost = Spending(calls=1, input_tokens=1, output_tokens=2, cost_micros=3)
with open_ledger(Path(sys.argv[1]), job="winter") as ledger:
    for n in range(10**9):
        rest = dict(task="t", subject="s", prompt="p", model="m", settings="{}", reserved=bound)
        ledger.apply([Claim(key=str(n), **rest)])
        print(f"claimed {n}", flush=True)
        ledger.apply([Settlement(key=str(n), state="done", spent=cost, reply="paid " * n)])
        print(f"done {n}", flush=True)
"""


@pytest.mark.parametrize("n_lines", [1, 2, 61])
def test_kill_9_loses_nothing_that_was_said_to_be_recorded(tmp_path, n_lines):
    process = start(SETTLE_FOREVER, tmp_path)
    with process.stdout as output:
        said = [output.readline() for _ in range(n_lines)]
        with pytest.raises(HeldError), open_it(tmp_path):
            pytest.fail("two held it")
        process.send_signal(signal.SIGKILL)
        said += output.read().splitlines()
    assert process.wait(timeout=30) == -signal.SIGKILL
    with read_ledger(tmp_path) as ledger:  # nobody has tidied up after it
        left = {key: ledger.get(str(key)).state for key in range(sum(line.startswith("claimed") for line in said))}
        before = ledger.sum_spent()
    with open_it(tmp_path) as ledger:
        assert ledger.sum_spent() == before
        for line in said:
            state, key = line.split()
            entry = ledger.get(key)
            if state == "done":
                assert entry.reply == "paid " * int(key)
            else:
                assert entry.state == {"claimed": "pending", "done": "done"}[left[int(key)]]


def test_a_second_opener_is_refused_and_disturbs_nothing(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim()])
        with pytest.raises(HeldError, match="got one that another job is writing now"), open_it(tmp_path):
            pytest.fail("two held it")
        assert ledger.get("a").state == "claimed"
        ledger.apply([settle(reply="fine")])
    with open_it(tmp_path) as ledger:
        assert ledger.get("a").reply == "fine"


def test_the_ledger_of_another_job_is_refused_and_unchanged(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim()])
    before, text = (tmp_path / LEDGER_NAME).read_bytes(), dump(tmp_path)
    with (
        pytest.raises(ConfigError, match=r"the ledger of 'winter', which is in this folder, got .* the name 'summer'"),
        open_ledger(tmp_path, job="summer"),
    ):
        pytest.fail("opened")
    assert (tmp_path / LEDGER_NAME).read_bytes() == before
    assert dump(tmp_path) == text
    with read_ledger(tmp_path) as ledger:
        assert ledger.get("a").state == "claimed"
    with open_it(tmp_path):  # and the lock is free
        pass


def test_a_ledger_of_another_version_is_refused(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply(finish())
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection, connection:
        connection.execute("UPDATE meta SET value = 'sentire-ledger 2' WHERE name = 'format'")
    before = dump(tmp_path)
    with pytest.raises(ArtifactError, match="sentire-ledger 1, got 'sentire-ledger 2'"), open_it(tmp_path):
        pytest.fail("opened")
    assert dump(tmp_path) == before


def test_a_later_version_with_other_columns_is_refused_as_that(tmp_path):
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection, connection:
        connection.execute("CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO meta VALUES ('format', 'sentire-ledger 2'), ('job', 'winter')")
        connection.execute("CREATE TABLE calls (key TEXT PRIMARY KEY, told TEXT NOT NULL)")
    before = dump(tmp_path)
    with pytest.raises(ArtifactError, match="sentire-ledger 1, got 'sentire-ledger 2'"), open_it(tmp_path):
        pytest.fail("opened")
    assert dump(tmp_path) == before


def test_the_database_of_another_program_is_refused_and_unchanged(tmp_path):
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection, connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
        connection.execute("INSERT INTO recipes VALUES ('soup')")
    before = dump(tmp_path)
    with pytest.raises(ArtifactError), open_it(tmp_path):
        pytest.fail("opened")
    assert dump(tmp_path) == before


def test_a_job_that_was_killed_while_it_began_its_ledger_begins_it_again(tmp_path):
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection:
        connection.executescript(ledger_module._SCHEMA)
    with open_it(tmp_path) as ledger:
        ledger.apply(finish())
    with pytest.raises(ConfigError), open_ledger(tmp_path, job="summer"):
        pytest.fail("opened")


def test_a_folder_is_made_and_a_file_in_its_place_is_refused(tmp_path):
    with open_it(tmp_path / "runs" / "winter") as ledger:
        ledger.apply(finish())
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="File exists"), open_it(tmp_path / "file"):
        pytest.fail("opened")
    (tmp_path / "odd" / LEDGER_NAME).mkdir(parents=True)
    with pytest.raises(SentireError), open_it(tmp_path / "odd"):
        pytest.fail("opened")


# --- Damage -----------------------------------------------------------------------------------------------------------


def fill(folder, n_calls=60):
    with open_it(folder) as ledger:
        for n in range(n_calls):
            ledger.apply(finish(f"{n:032}", reply=f"reply {n} " * 20))
    return folder / LEDGER_NAME


def garble(content, start, end):
    return content[:start] + bytes((7 * n) % 251 for n in range(end - start)) + content[end:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"this is a shopping list, not a database\n" * 40,
        lambda content: garble(content, 0, 100),
        lambda content: garble(content, 100, 4096),
        lambda content: garble(content, 4096, len(content)),
        lambda content: content[: len(content) // 8],
        lambda content: content[:1000],
    ],
    ids=["a list", "header", "schema", "pages", "cut", "cut in the first page"],
)
def test_a_damaged_ledger_is_refused_and_left_as_it_is(tmp_path, damage):
    path = fill(tmp_path)
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(ArtifactError, match=r"the ledger of a job, got .* at .*ledger\.sqlite"), open_it(tmp_path):
        pytest.fail("opened")
    assert path.read_bytes() == damaged
    with pytest.raises(ArtifactError, match=r"the ledger of a job, got .* at .*ledger\.sqlite"):
        read_all(read_ledger, tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The path, not the bytes, which hypothesis would want to show."""
    return fill(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(
    "damage",
    [
        "reply = CAST(X'6A80' AS TEXT)",
        "faults = '[\"timeout'",
        "faults = ''",
        "faults = '7'",
        "failure = CAST(X'FF' AS TEXT)",
    ],
    ids=["reply", "half a list", "no list", "a number", "failure"],
)
@pytest.mark.parametrize("open_any", [open_it, read_ledger], ids=["written", "only looked at"])
def test_damage_that_comes_to_light_late_is_said_as_that(tmp_path, damage, open_any):
    """A row that cannot be read is neither an unknown call, which would be paid again, nor a traceback."""
    fill(tmp_path, n_calls=3)
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as connection, connection:
        connection.execute(f"UPDATE calls SET {damage}")  # noqa: S608  our own words
    with pytest.raises(ArtifactError, match=r"the ledger of a job, got .* at .*ledger\.sqlite"):
        read_all(open_any, tmp_path)


@settings(max_examples=30)
@example(share=0.640625, n_bytes=32, value=0)
@example(share=0.71875, n_bytes=18, value=0xFF)
@example(share=0.71875, n_bytes=17, value=0xFF)
@example(share=0.75, n_bytes=1, value=0x80)
@given(share=st.floats(0, 1, exclude_max=True), n_bytes=st.integers(1, 40), value=st.sampled_from([0, 1, 0x80, 0xFF]))
def test_whatever_bytes_are_broken_only_our_errors_come(tmp_path_factory, whole, share, n_bytes, value):
    folder = tmp_path_factory.mktemp("broken")
    content = whole.read_bytes()
    place = int(share * len(content))
    (folder / LEDGER_NAME).write_bytes(content[:place] + bytes([value]) * n_bytes + content[place + n_bytes :])
    for open_any, known in ((read_ledger, ArtifactError), (open_it, SentireError)):
        with suppress(known):
            read_all(open_any, folder)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database is locked"),
        sqlite3.DatabaseError("file is not a database"),
        orjson.JSONDecodeError("unexpected end of data", "{", 1),
    ],
    ids=["locked", "no database", "no JSON"],
)
@pytest.mark.parametrize("open_any", [open_it, read_ledger], ids=["written", "only looked at"])
def test_an_error_of_the_block_is_not_laid_to_the_ledger(tmp_path, error, open_any):
    """Whoever has a ledger open may read JSON and databases of his own."""
    fill(tmp_path, n_calls=1)
    with pytest.raises(type(error)) as raised, open_any(tmp_path):
        raise error
    assert raised.value is error


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SQLITE_FULL", OutputError),
        ("SQLITE_READONLY_DIRECTORY", OutputError),
        ("SQLITE_BUSY", OutputError),
        ("SQLITE_CORRUPT", ArtifactError),
        ("", ArtifactError),
    ],
)
@pytest.mark.parametrize("open_any", [open_it, read_ledger], ids=["written", "only looked at"])
def test_a_ledger_that_cannot_be_read_for_want_of_room_is_not_called_damaged(tmp_path, name, expected, open_any):
    class Refusing:
        def execute(self, *_):
            error = sqlite3.OperationalError("as the database says")
            error.sqlite_errorname = name
            raise error

    fill(tmp_path, n_calls=1)
    with open_any(tmp_path) as ledger:
        reader, ledger._reader = ledger._reader, Refusing()
        try:
            for read in (
                lambda: ledger.get("a"),
                ledger.sum_spent,
                ledger.count,
                lambda: list(ledger.records(["a"])),
            ):
                with pytest.raises(expected, match=r"as the database says.* at .*ledger\.sqlite"):
                    read()
        finally:
            ledger._reader = reader


# --- Only looked at ---------------------------------------------------------------------------------------------------


def test_there_is_nothing_to_look_at(tmp_path):
    with (
        pytest.raises(ArtifactError, match=r"ledger of a job, got none at .*; run the job first"),
        read_ledger(tmp_path),
    ):
        pytest.fail("opened")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / LEDGER_NAME).write_bytes(b"")
    with pytest.raises(ArtifactError, match="no such table"), read_ledger(tmp_path) as ledger:
        ledger.count()


def test_a_ledger_that_somebody_writes_can_be_looked_at(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply(finish("a"))
        ledger._writer.execute("BEGIN IMMEDIATE")
        ledger._writer.execute("DELETE FROM calls")
        with read_ledger(tmp_path) as reader:
            assert reader.get("a").reply == "fine"  # what was committed, at once
            ledger._writer.execute("ROLLBACK")
            ledger.apply(finish("b"))
            assert reader.get("b").reply == "fine"
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._reader.execute("DELETE FROM calls")
        ledger.apply(finish("c"))
    with read_ledger(tmp_path) as reader:
        assert reader.sum_spent() == add(COST, 3)


def test_looking_leaves_what_is_claimed_claimed(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim()])
    before = (tmp_path / LEDGER_NAME).read_bytes()
    with read_ledger(tmp_path) as reader:
        assert reader.get("a").state == "claimed"
        assert reader.sum_spent() == BOUND
    assert (tmp_path / LEDGER_NAME).read_bytes() == before


def test_a_name_with_odd_characters_can_be_looked_at(tmp_path):
    folder = tmp_path / "50% of ?all# \u017c"
    with open_it(folder) as ledger:
        ledger.apply(finish())
    with read_ledger(folder) as reader:
        assert reader.get("a").reply == "fine"


def test_records_come_in_the_order_of_the_keys_and_only_finished_ones(tmp_path):
    with open_it(tmp_path) as ledger:
        for key in "cab":
            ledger.apply(finish(key, reply=key))
        ledger.apply([make_claim("d"), settle("d", state="failed", failure="timeout")])
        ledger.apply([make_claim("e"), make_claim("f"), settle("f", state="pending", reply="half", fault="cut")])
        records = list(ledger.records(iter("bfadecx")))
    assert [(record.key, record.state, record.failure, record.reply) for record in records] == [
        ("b", "done", "", "b"),
        ("a", "done", "", "a"),
        ("d", "failed", "timeout", None),
        ("c", "done", "", "c"),
    ]
    first = records[0]
    claim = make_claim("b")
    assert (first.task, first.subject, first.prompt, first.model, first.settings) == (
        claim.task,
        claim.subject,
        claim.prompt,
        claim.model,
        claim.settings,
    )


def test_what_failed_is_asked_again_and_nothing_else(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([*finish("a"), make_claim("b"), settle("b", state="failed", failure="no JSON", reply="lorem")])
        ledger.apply([make_claim("c"), settle("c", state="failed", failure="timeout"), make_claim("d")])
        before = ledger.sum_spent()
        assert ledger.retry_failed() == 2
        assert ledger.retry_failed() == 0
        assert [ledger.get(key).state for key in "abcd"] == ["done", "pending", "pending", "claimed"]
        assert ledger.sum_spent() == before
        ledger.apply([make_claim("b"), settle("b", reply="{}")])
        entry = ledger.get("b")
        assert (entry.state, entry.failure, entry.reply, entry.attempts) == ("done", "", "{}", 2)


# --- A full disk ------------------------------------------------------------------------------------------------------


def fill_disk(ledger):
    (n_pages,) = ledger._writer.execute("PRAGMA page_count").fetchone()
    ledger._writer.execute(f"PRAGMA max_page_count = {n_pages}")


def free_disk(ledger):
    ledger._writer.execute("PRAGMA max_page_count = 1000000")


class OnFullDisk(Ledger):
    """The disk has as much room as the reserve file takes."""

    def _write(self, changes):
        if not self._reserve.exists():
            free_disk(self)
        super()._write(changes)


LONG = "a long reply " * 2000


def test_a_full_disk_without_reserve_is_a_clear_error_and_changes_nothing(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("a"), make_claim("b")])
        (tmp_path / RESERVE_NAME).unlink()
        before = dump(tmp_path)
        fill_disk(ledger)
        with pytest.raises(OutputError, match=r"a ledger that can be written, got .*full.*; make room"):
            ledger.apply([settle("a", reply="short"), settle("b", reply=LONG), make_claim("c")])
        assert dump(tmp_path) == before
        free_disk(ledger)
        ledger.apply([settle("a", reply="short"), settle("b", reply=LONG)])
        assert ledger.get("b").reply == LONG


def test_a_disk_that_is_full_even_without_the_reserve_changes_nothing(tmp_path):
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("a"), make_claim("b")])
        before = dump(tmp_path)
        fill_disk(ledger)
        with pytest.raises(OutputError, match=r"got .*full"):
            ledger.apply([settle("a", reply="short"), settle("b", reply=LONG)])
        assert ledger.is_full
        assert dump(tmp_path) == before


def test_the_reserve_is_given_up_for_the_replies_that_are_under_way(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger_module, "Ledger", OnFullDisk)
    with open_it(tmp_path) as ledger:
        assert (tmp_path / RESERVE_NAME).stat().st_size == RESERVE_BYTES
        ledger.apply([make_claim("a"), make_claim("b"), make_claim("c")])
        assert not ledger.is_full
        fill_disk(ledger)
        ledger.apply([settle("a", reply="short"), settle("b", reply=LONG)])
        assert ledger.is_full
        assert not (tmp_path / RESERVE_NAME).exists()
        assert (ledger.get("a").reply, ledger.get("b").reply) == ("short", LONG)
        assert ledger.get("a").attempts == 1
        assert ledger.sum_spent() == add(COST, 2) + BOUND  # once, not twice
        ledger.apply([settle("c", reply=LONG)])
        assert ledger.is_full
    with open_it(tmp_path) as ledger:
        assert not ledger.is_full
        assert ledger.get("c").reply == LONG
        assert (tmp_path / RESERVE_NAME).stat().st_size == RESERVE_BYTES


def test_a_fault_that_room_does_not_mend_keeps_the_reserve(tmp_path):
    with open_it(tmp_path) as ledger:
        with pytest.raises(OutputError, match="CHECK"):
            ledger.apply([make_claim("a"), settle("a", state="lost")])
        assert (tmp_path / RESERVE_NAME).exists()
        assert not ledger.is_full


def test_a_reserve_holds_real_room_and_a_half_one_is_written_anew(tmp_path):
    (tmp_path / RESERVE_NAME).write_bytes(b"half")
    with open_it(tmp_path):
        path = tmp_path / RESERVE_NAME
        assert path.stat().st_size == RESERVE_BYTES
        assert path.stat().st_blocks * 512 >= RESERVE_BYTES


def test_no_room_for_the_reserve_is_said_before_any_call_is_made(tmp_path):
    """A limit on the size of files stands for the full disk."""
    done = run(
        """
        import resource, signal, sys
        from pathlib import Path
        from sentire.core.errors import OutputError
        from sentire.storage.ledger import open_ledger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_500_000, 3_500_000))
        try:
            with open_ledger(Path(sys.argv[1]), job="winter"):
                print("opened")
        except OutputError as error:
            print(error)
        """,
        tmp_path,
    )
    assert "8 MiB of room beside the ledger, got File too large" in done.stdout, done.stderr
    assert "opened" not in done.stdout
    assert not (tmp_path / RESERVE_NAME).exists()
    with open_it(tmp_path) as ledger:
        ledger.apply(finish())


def test_a_file_that_may_not_grow_is_a_clear_error_and_changes_nothing(tmp_path):
    """The system's own refusal in the middle of a commit, which the reserve does not mend."""
    with open_it(tmp_path) as ledger:
        ledger.apply([make_claim("a")])
    done = run(
        """
        import resource, signal, sys
        from pathlib import Path
        from sentire.core.errors import OutputError
        from sentire.storage.ledger import RESERVE_BYTES, Settlement, open_ledger
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (RESERVE_BYTES, RESERVE_BYTES))
        with open_ledger(Path(sys.argv[1]), job="winter") as ledger:
            before = ledger.get("a")
            try:
                ledger.apply([Settlement(key="a", state="done", reply="x" * 9_000_000)])
            except OutputError as error:
                print(error)
            assert ledger.get("a") == before
            assert ledger.is_full
            ledger.apply([Settlement(key="a", state="done", reply="short")])
        """,
        tmp_path,
    )
    assert "a ledger that can be written, got " in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr
    with read_ledger(tmp_path) as ledger:
        assert ledger.get("a").reply == "short"


def test_one_thread_writes_while_another_reads(tmp_path):
    async def work():
        with open_it(tmp_path) as ledger:
            seen = []
            for n in range(30):
                writing = asyncio.create_task(asyncio.to_thread(ledger.apply, finish(f"{n}")))
                while not writing.done():
                    seen.append(ledger.sum_spent())
                    await asyncio.sleep(0)
                await writing
            assert ledger.sum_spent() == add(COST, 30)
        # Never half a batch: each adds one whole call.
        assert all(spent == add(COST, spent.calls) for spent in seen)

    asyncio.run(work())
