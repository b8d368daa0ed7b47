"""The ledger of a job: one row a call in SQLite, on the disk before it is sent and again before its reply is used.

A call is claimed, with what it may cost at most, before it is sent; it is settled, with what it did cost, when it has
come back. Both are commits with ``synchronous = FULL``. Whatever kills the job, every reply that was paid for and
recorded is found again, and a call of which nobody knows whether it arrived counts as spent in full.

    claimed ──settle──▶ pending (to be asked again)   ──claim──▶ claimed
            ──settle──▶ done (the raw reply)
            ──settle──▶ failed (the reason; the raw reply where there is one)  ──retry──▶ pending
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from sentire.core.errors import ArtifactError, ConfigError, OutputError, quote
from sentire.storage.atomic import make_directory
from sentire.storage.locks import hold_lock

LEDGER_NAME = "ledger.sqlite"
RESERVE_NAME = "ledger.reserve"

FORMAT_VERSION = 1

RESERVE_BYTES = 8 << 20
"""Room that is given back to a full disk, so that the replies that are still under way can be written."""

State = Literal["pending", "claimed", "done", "failed"]

_FULL = {"SQLITE_FULL", "SQLITE_IOERR_WRITE"}
_UNWRITABLE = (*_FULL, "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_BUSY", "SQLITE_LOCKED")
"""How the names of errors begin that are nobody's damage; some go on, as SQLITE_READONLY_DIRECTORY does."""

_MICRO = 1_000_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    subject TEXT NOT NULL,
    prompt TEXT NOT NULL,
    model TEXT NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'claimed', 'done', 'failed')),
    attempts INTEGER NOT NULL,
    faults TEXT NOT NULL,
    failure TEXT NOT NULL,
    reply TEXT,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_micros INTEGER NOT NULL,
    seconds REAL NOT NULL,
    reserved_input_tokens INTEGER NOT NULL,
    reserved_output_tokens INTEGER NOT NULL,
    reserved_cost_micros INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS calls_by_state ON calls (task, state, failure, attempts,
    input_tokens, output_tokens, cost_micros, seconds);
"""

_CLAIM = """
INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, 'claimed', 1, '[]', '', NULL, 0, 0, 0, 0.0, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET state = 'claimed', attempts = attempts + 1, failure = '',
    reserved_input_tokens = excluded.reserved_input_tokens,
    reserved_output_tokens = excluded.reserved_output_tokens,
    reserved_cost_micros = excluded.reserved_cost_micros
"""

_SETTLE = """
UPDATE calls SET state = ?, failure = ?, reply = coalesce(?, reply), attempts = attempts - ?,
    faults = CASE WHEN ? = '' THEN faults ELSE json_insert(faults, '$[#]', ?) END,
    input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, cost_micros = cost_micros + ?,
    seconds = seconds + ?, reserved_input_tokens = 0, reserved_output_tokens = 0, reserved_cost_micros = 0
WHERE key = ?
"""

_RECOVER = """
UPDATE calls SET state = 'pending', faults = json_insert(faults, '$[#]', 'the job ended while it was under way'),
    input_tokens = input_tokens + reserved_input_tokens, output_tokens = output_tokens + reserved_output_tokens,
    cost_micros = cost_micros + reserved_cost_micros,
    reserved_input_tokens = 0, reserved_output_tokens = 0, reserved_cost_micros = 0
WHERE state = 'claimed'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What calls cost.

    Attributes:
        calls: Attempts that were sent, or may have been.
        input_tokens: Of their prompts.
        output_tokens: Of their replies.
        cost_micros: Millionths of the unit of money.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0

    @property
    def tokens(self) -> int:
        """Of prompts and replies together."""
        return self.input_tokens + self.output_tokens

    @property
    def cost(self) -> float:
        """In units of money."""
        return self.cost_micros / _MICRO

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_micros=self.cost_micros + other.cost_micros,
        )

    def __sub__(self, other: "Spending") -> "Spending":
        return Spending(
            calls=self.calls - other.calls,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cost_micros=self.cost_micros - other.cost_micros,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call that is about to be sent.

    Attributes:
        key: Of what is asked, of whom, and how.
        task: What kind of call it is.
        subject: What it is about, such as a story and a character.
        prompt: Name and version of the prompt.
        model: Of the provider.
        settings: How it is sampled, as JSON.
        reserved: What it may cost at most.
    """

    key: str
    task: str
    subject: str
    prompt: str
    model: str
    settings: str
    reserved: Spending


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of a claimed call.

    Attributes:
        key: Of the call.
        state: ``done``, ``failed``, or ``pending`` where it will be asked again.
        spent: What it cost, as far as is known; ``calls`` is not used.
        seconds: It took.
        reply: The raw text; None where none came.
        fault: What was wrong with this attempt; empty where nothing was.
        was_sent: Whether the attempt counts; False where the job ended before it was sent.
        failure: Why it failed for good, in words that do not change from call to call; empty unless it did.
    """

    key: str
    state: State
    spent: Spending = Spending()
    seconds: float = 0.0
    reply: str | None = None
    fault: str = ""
    failure: str = ""
    was_sent: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the ledger knows of a call.

    Attributes:
        state: See the module.
        reply: The raw text; None where none came.
        failure: Why it failed for good.
        attempts: That were claimed.
        faults: Of earlier attempts, in order.
    """

    state: State
    reply: str | None
    failure: str
    attempts: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCount:
    """The calls of one task in one state.

    Attributes:
        task: Its name.
        state: See the module.
        failure: The reason where they failed.
        n_calls: Rows of the ledger.
        spent: Of all their attempts.
        seconds: That all their attempts took together.
    """

    task: str
    state: State
    failure: str
    n_calls: int
    spent: Spending
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A finished call as it is handed on: what was asked and what came, without how often and how long."""

    key: str
    task: str
    subject: str
    prompt: str
    model: str
    settings: str
    state: State
    failure: str
    reply: str | None


class LedgerReader:
    """A ledger that is only looked at, also while a job writes it.

    Whatever is read raises ArtifactError where the file is damaged, and OutputError where it cannot be read for want
    of room or rights, or because somebody holds it.
    """

    def __init__(self, path: Path, reader: sqlite3.Connection) -> None:
        self.path, self._reader = path, reader

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def get(self, key: str) -> Entry | None:
        """Return what is known of a call; None where it was never claimed."""
        rows = self._fetch("SELECT state, reply, failure, attempts, faults FROM calls WHERE key = ?", key)
        if not rows:
            return None
        state, reply, failure, attempts, faults = rows[0]
        try:
            listed = tuple(orjson.loads(faults))
        except (orjson.JSONDecodeError, TypeError) as error:  # TypeError: JSON, but no list
            raise _damaged(self.path, error) from error
        return Entry(state=state, reply=reply, failure=failure, attempts=attempts, faults=listed)

    def sum_spent(self) -> Spending:
        """Return what all calls cost; one that is claimed counts with all that it may cost."""
        (row,) = self._fetch(
            "SELECT total(attempts), total(input_tokens + reserved_input_tokens), "
            "total(output_tokens + reserved_output_tokens), total(cost_micros + reserved_cost_micros) FROM calls"
        )
        calls, input_tokens, output_tokens, cost = (int(value) for value in row)
        return Spending(calls=calls, input_tokens=input_tokens, output_tokens=output_tokens, cost_micros=cost)

    def count(self) -> list[TaskCount]:
        """Return the calls by task, state and reason of failure."""
        rows = self._fetch(
            "SELECT task, state, failure, count(*), total(attempts), total(input_tokens), total(output_tokens), "
            "total(cost_micros), total(seconds) FROM calls GROUP BY task, state, failure ORDER BY task, state, failure"
        )
        return [
            TaskCount(
                task=task,
                state=state,
                failure=failure,
                n_calls=n_calls,
                spent=Spending(
                    calls=int(calls),
                    input_tokens=int(input_tokens),
                    output_tokens=int(output_tokens),
                    cost_micros=int(cost),
                ),
                seconds=seconds,
            )
            for task, state, failure, n_calls, calls, input_tokens, output_tokens, cost, seconds in rows
        ]

    def records(self, keys: Iterable[str]) -> Iterator[Record]:
        """Yield the finished calls of some keys, in their order; those that are not finished are left out."""
        for key in keys:
            rows = self._fetch(
                "SELECT key, task, subject, prompt, model, settings, state, failure, reply FROM calls "
                "WHERE key = ? AND state IN ('done', 'failed')",
                key,
            )
            for row in rows:
                names = ("key", "task", "subject", "prompt", "model", "settings", "state", "failure", "reply")
                yield Record(**dict(zip(names, row, strict=True)))

    def _fetch(self, query: str, *values: str) -> list[Any]:
        # Errors are told for what they are here, where the file is read: those of the block that has it open are not
        # the ledger's.
        try:
            return self._reader.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            if _name_error(error).startswith(_UNWRITABLE):
                raise OutputError(
                    expected="a ledger that can be read",
                    got=str(error),
                    where=str(self.path),
                    hint="make room, mend the rights or wait for whoever holds it, then do it again",
                ) from error
            raise _damaged(self.path, error) from error


class Ledger(LedgerReader):
    """The open ledger of one job; one thread may write while another reads.

    Attributes:
        is_full: The disk had no more room; what was under way has been written, and no call should be begun.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / LEDGER_NAME
        super().__init__(path, _connect(path))
        self._writer = _connect(path)
        self._reserve = folder / RESERVE_NAME
        self.is_full = False

    def close(self) -> None:
        """Close the file; what was applied is in it."""
        super().close()
        self._writer.close()

    def apply(self, changes: Sequence[Claim | Settlement]) -> None:
        """Make changes durable, all in one commit.

        Raises:
            OutputError: They cannot be written, and none of them is.
        """
        try:
            self._write(changes)
        except (UnicodeError, OverflowError) as error:  # what no database takes
            raise self._refused(error) from error
        except sqlite3.Error as error:
            if _name_error(error) not in _FULL or not self._reserve.exists():
                raise self._refused(error) from error
            self.is_full = True
            self._reserve.unlink(missing_ok=True)
            try:
                self._write(changes)
            except sqlite3.Error as again:
                raise self._refused(again) from again

    def retry_failed(self) -> int:
        """Let every call that failed be asked again, and return how many these are."""
        try:
            with self._writer:
                return self._writer.execute("UPDATE calls SET state = 'pending' WHERE state = 'failed'").rowcount
        except sqlite3.Error as error:
            raise self._refused(error) from error

    def _write(self, changes: Sequence[Claim | Settlement]) -> None:
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            for change in changes:
                if isinstance(change, Claim):
                    reserved = change.reserved
                    own = (change.key, change.task, change.subject, change.prompt, change.model, change.settings)
                    sums = (reserved.input_tokens, reserved.output_tokens, reserved.cost_micros)
                    self._writer.execute(_CLAIM, own + sums)
                else:
                    spent = change.spent
                    self._writer.execute(
                        _SETTLE,
                        (
                            change.state,
                            change.failure,
                            change.reply,
                            0 if change.was_sent else 1,
                            change.fault,
                            change.fault,
                            spent.input_tokens,
                            spent.output_tokens,
                            spent.cost_micros,
                            change.seconds,
                            change.key,
                        ),
                    )

    def _prepare(self, job: str) -> None:
        own = {"format": f"sentire-ledger {FORMAT_VERSION}", "job": job}
        known = self._read_facts()
        if known and known.get("format") != own["format"]:
            raise ArtifactError(expected=own["format"], got=quote(known.get("format")), where=str(self.path))
        if known and known.get("job") != job:
            raise ConfigError(
                expected=f"the ledger of {quote(known.get('job'))}, which is in this folder",
                got=f"a configuration with the name {quote(job)}",
                where=str(self.path),
                hint="choose another folder, or give the configuration its old name; nothing was changed",
            )
        self._writer.executescript(_SCHEMA)
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", own.items())
            self._writer.execute(_RECOVER)

    def _read_facts(self) -> dict[str, str]:
        """Return what the file says of itself; nothing where it is new, or was killed while it was begun."""
        tables = {name for (name,) in self._writer.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables:
            return {}
        if "meta" not in tables:
            raise ArtifactError(
                expected="the ledger of a job", got="the database of another program", where=str(self.path)
            )
        return dict(self._writer.execute("SELECT name, value FROM meta").fetchall())

    def _make_reserve(self) -> None:
        if self._reserve.exists() and self._reserve.stat().st_size == RESERVE_BYTES:
            return
        try:
            with self._reserve.open("wb") as file:
                for _ in range(RESERVE_BYTES >> 20):
                    file.write(bytes(1 << 20))  # written, since a hole would hold no room
        except OSError as error:
            with suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            raise OutputError(
                expected=f"{RESERVE_BYTES >> 20} MiB of room beside the ledger",
                got=error.strerror or type(error).__name__,
                where=str(self._reserve),
                hint="make room, then run it again: nothing is lost",
            ) from error

    def _refused(self, error: Exception) -> OutputError:
        return OutputError(
            expected="a ledger that can be written",
            got=str(error),
            where=str(self.path),
            hint="make room or mend the disk, then run it again: what was recorded is there",
        )


def _name_error(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))  # some errors have none


def _damaged(path: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        expected="the ledger of a job",
        got=f"a damaged one ({error})",
        where=str(path),
        hint="bring back a copy of the folder; sqlite3's .recover saves what can be read",
    )


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


@contextmanager
def read_ledger(folder: Path) -> Iterator[LedgerReader]:
    """Look at the ledger of a folder, which another process may be writing.

    Raises:
        ArtifactError: There is none, or it cannot be read. What the block raises comes out as it is.
    """
    path = folder / LEDGER_NAME
    try:
        if not path.is_file():
            raise ArtifactError(
                expected="the ledger of a job",
                got="none",
                where=str(path),
                hint="run the job first, or name its folder",
            )
        ledger = LedgerReader(path, sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30))
    except sqlite3.Error as error:
        raise ArtifactError(expected="the ledger of a job", got=str(error), where=str(path)) from error
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def open_ledger(folder: Path, *, job: str) -> Iterator[Ledger]:
    """Open the ledger of a folder for one job, or begin one; calls that were under way are to be asked again.

    Args:
        folder: Of the job; made where it is not there.
        job: Its name: the ledger of another job is refused.

    Raises:
        HeldError: Another process has it open.
        ConfigError: It belongs to another job.
        ArtifactError: It is no ledger, of another version, or damaged.
        OutputError: It cannot be written. What the block raises comes out as it is.
    """
    make_directory(folder)
    with hold_lock(folder, holder="job"):
        ledger: Ledger | None = None
        try:
            ledger = Ledger(folder)
            ledger._prepare(job)
            ledger._make_reserve()
        except sqlite3.DatabaseError as error:
            if ledger is not None:
                ledger.close()
            if _name_error(error).startswith(_UNWRITABLE):
                raise OutputError(
                    expected="a ledger that can be written", got=str(error), where=str(folder / LEDGER_NAME)
                ) from error
            raise ArtifactError(
                expected="the ledger of a job", got=str(error), where=str(folder / LEDGER_NAME)
            ) from error
        except BaseException:
            if ledger is not None:
                ledger.close()
            raise
        try:
            yield ledger
        finally:
            ledger.close()
