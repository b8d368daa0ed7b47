"""Exit codes and messages of the whole command, and the small things that its tables are made of."""

import re

import pytest

import sentire.cli.main as cli
import sentire.core.errors as errors
from sentire.cli.bars import draw_bar, label_colour
from sentire.core.errors import FetchError, MissingExtraError, SentireError

STATED = dict(re.findall(r"[├└]── (\w+) .*exit\s+(\d+)$", errors.__doc__, flags=re.MULTILINE))
GROUPS = {"2": "usage or configuration", "4": "model or result file", "6": "missing extra", "7": "download"}
GROUPS |= {"3": "data", "5": "output", "8": "training", "9": "language model", "10": "budget"}


def walk(kind):
    yield kind
    for child in kind.__subclasses__():
        yield from walk(child)


ERRORS = [kind for kind in walk(SentireError) if kind is not SentireError]


def make(kind):
    if kind is MissingExtraError:
        return MissingExtraError(extra="hub", needed_for="this")
    return kind(expected="a cat", got="a dog", where="here", hint="look again")


def test_the_tree_is_drawn_whole():
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__))
    assert drawn == {kind.__name__ for kind in ERRORS}
    assert len(STATED) >= 9


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_becomes_its_exit_code_and_one_line(sentire, monkeypatch, kind):
    def fail():
        raise make(kind)

    monkeypatch.setattr(cli, "app", fail)
    ran = sentire()
    stated = next(STATED[base.__name__] for base in kind.__mro__ if base.__name__ in STATED)
    assert (ran.code, ran.out) == (int(stated), b"")
    assert ran.err == f"error: {make(kind)}\n"
    assert stated in GROUPS


def test_help_states_the_exit_codes(sentire):
    ran = sentire("--help")
    assert ran.code == 0
    shown = " ".join(ran.text.split())
    assert "Exit codes: 0 done" in shown
    for code, group in GROUPS.items():
        assert f"{code} {group}" in shown
    assert "129 terminal closed, 130 interrupted, 143 terminated" in shown
    for name in ("analyze", "train", "evaluate", "compare", "data"):
        assert f" {name} " in shown


@pytest.mark.parametrize(("code", "is_told"), [(0, False), (2, False), (129, True), (130, True), (143, True)])
def test_a_stopped_command_says_so(sentire, monkeypatch, code, is_told):
    def stop():
        raise SystemExit(code)

    monkeypatch.setattr(cli, "app", stop)
    if code == 2:
        monkeypatch.setattr(cli, "app", lambda: (_ for _ in ()).throw(make(errors.UsageError)))
    ran = sentire()
    assert (ran.code, "stopped by a signal" in ran.err) == (code, is_told)


def test_a_fault_of_the_machine_is_no_traceback(sentire, monkeypatch):
    def fail():
        raise OSError(5, "Input/output error", "table.csv")

    monkeypatch.setattr(cli, "app", fail)
    ran = sentire()
    assert ran.code == 5
    assert ran.err == "error: expected a place that can be written, got Input/output error at table.csv\n"


def test_a_long_message_keeps_its_lines(sentire, monkeypatch):
    def fail():
        raise FetchError(expected="a", got="b", hint="put there by hand:\n  one\n  two")

    monkeypatch.setattr(cli, "app", fail)
    assert sentire().err.splitlines()[1:] == ["  one", "  two"]


def test_the_version(sentire):
    import sentire as package

    for arguments in (["--version"], ["--version", "analyze", "x"]):
        ran = sentire(*arguments)
        assert (ran.code, ran.text) == (0, f"sentire {package.__version__}\n")


def test_a_wrong_command(sentire):
    ran = sentire("analyse", "x")
    assert (ran.code, ran.out) == (2, b"")
    assert "No such command 'analyse'" in ran.err
    assert sentire().code == 2


@pytest.mark.parametrize("width", [1, 7, 24])
def test_a_bar_is_as_long_as_its_fraction(width):
    eighths = " ▏▎▍▌▋▊▉█"
    for step in range(101):
        bar = draw_bar(step / 100, width)
        assert len(bar) <= width
        drawn = sum(eighths.index(cell) for cell in bar) / (8 * width)
        assert drawn == pytest.approx(step / 100, abs=0.5 / (8 * width) + 1e-9)
    assert draw_bar(-1, width) == ""
    assert draw_bar(7, width) == "█" * width


def test_colours_tell_the_sentiment():
    shown = [label_colour("goemotions", label) for label in ("joy", "anger", "surprise", "neutral")]
    assert shown == ["green", "red", "yellow", "bright_black"]
    assert [label_colour("sentiment", label) for label in ("positive", "negative")] == ["green", "red"]
    assert label_colour("sst-2", "positive") == label_colour("own", "calm") == "white"
