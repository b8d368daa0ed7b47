"""The parts of a suite: each once, in an order that fits, however often the suite is stopped or started."""

import json
import multiprocessing
import time
from dataclasses import replace

import pytest

from sentire.core.errors import ArtifactError, DataError, UsageError
from sentire.data.registry import load_dataset
from sentire.reproduce import run_parts as module
from sentire.reproduce.part import Part, read_part, write_part
from sentire.reproduce.run_parts import run_parts
from sentire.reproduce.seeds_done import describe_missing_seeds
from sentire.storage.locks import hold_lock


def make_parts(done, names=("a", "b", "c"), after=None):
    """Parts that note their names and return how many were done before them."""

    def run(name):
        def note():
            done.append(name)
            return {"place": len(done)}

        return note

    after = after or {}
    return [Part(name=name, key={"size": 1}, run=run(name), after=after.get(name, ())) for name in names]


def test_each_part_is_done_once(tmp_path):
    done, told = [], []
    parts = make_parts(done, after={"c": ("a", "b")})
    found = run_parts(parts, tmp_path / "r", tmp_path / "l", on_progress=lambda *news: told.append(news))
    assert done == ["a", "b", "c"]
    assert found == {"a": {"place": 1}, "b": {"place": 2}, "c": {"place": 3}}
    assert [note for _, _, note in told] == ["a", "b", "c", "done"]
    again = run_parts(parts, tmp_path / "r", tmp_path / "l")
    assert again == found
    assert done == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("names", "after", "said"),
    [(("a", "b", "a"), {}, r"got a twice"), (("a", "b"), {"a": ("b",)}, r"got a before b")],
)
def test_names_twice_and_orders_that_do_not_fit_are_refused(tmp_path, names, after, said):
    done = []
    with pytest.raises(UsageError, match=said):
        run_parts(make_parts(done, names=names, after=after), tmp_path / "r", tmp_path / "l")
    assert done == []


def test_what_a_part_could_not_do_is_refused_before_any_is_done(tmp_path):
    done, checked = [], []
    a, b, c = make_parts(done)
    b = replace(b, check=lambda: checked.append("b"))

    def refuse():
        raise DataError(expected="texts", got="none")

    with pytest.raises(DataError, match="expected texts, got none"):
        run_parts([a, b, replace(c, check=refuse)], tmp_path / "r", tmp_path / "l")
    assert (done, checked) == ([], ["b"])
    run_parts([a, b, c], tmp_path / "r", tmp_path / "l")
    # What is done needs no check: the data may be elsewhere by now.
    run_parts([a, b, replace(c, check=refuse)], tmp_path / "r", tmp_path / "l")
    assert (done, checked) == (["a", "b", "c"], ["b", "b"])


def test_data_of_what_is_done_is_not_asked_for(tmp_path):
    done = []
    a, b = (replace(part, list_data=lambda: [load_dataset("meld").card]) for part in make_parts(done, names=("a", "b")))
    (tmp_path / "r").mkdir()
    write_part(tmp_path / "r", a, {}, seconds=0.0)
    run_parts([a], tmp_path / "r", tmp_path / "l", data_root=tmp_path)
    with pytest.raises(DataError, match=r"got no MELD \(meld/train_sent_emo.csv, .*run: sentire data fetch meld;"):
        run_parts([a, b], tmp_path / "r", tmp_path / "l", data_root=tmp_path)
    assert done == []


def test_a_suite_that_was_stopped_goes_on_and_may_have_moved(tmp_path):
    done = []
    parts = make_parts(done)

    def fail():
        raise KeyboardInterrupt

    broken = [parts[0], Part(name="b", key={"size": 1}, run=fail), parts[2]]
    with pytest.raises(KeyboardInterrupt):
        run_parts(broken, tmp_path / "r", tmp_path / "l")
    assert done == ["a"]
    (tmp_path / "r").rename(tmp_path / "elsewhere")
    found = run_parts(parts, tmp_path / "elsewhere", tmp_path / "other-locks")
    assert done == ["a", "b", "c"]
    assert found["a"] == {"place": 1}


def test_files_of_other_settings_and_damaged_ones_are_refused(tmp_path):
    (part,) = make_parts([], names=("a",))
    assert read_part(tmp_path, part) is None
    write_part(tmp_path, part, {"x": 1}, seconds=0.123)
    assert read_part(tmp_path, part) == {"x": 1}
    content = json.loads((tmp_path / "a.json").read_text())
    assert content["seconds"] == 0.1
    assert "node" not in content["machine"]
    other = Part(name="a", key={"size": 2}, run=dict)
    with pytest.raises(ArtifactError, match=r"a part of the same settings, got one of other settings.*a\.json"):
        read_part(tmp_path, other)
    (tmp_path / "a.json").write_text('{"format": "sentire-suite-part", "format_version": 9}')
    with pytest.raises(ArtifactError, match=r"sentire-suite-part, version 1, got \('sentire-suite-part', 9\)"):
        read_part(tmp_path, part)
    for lacking in ("key", "figures"):
        kept = {key: value for key, value in content.items() if key != lacking}
        (tmp_path / "a.json").write_text(json.dumps(kept))
        with pytest.raises(ArtifactError, match=r"a part with its key and its figures, got one without.*delete it"):
            read_part(tmp_path, part)
    (tmp_path / "a.json").write_text('{"form')
    with pytest.raises(ArtifactError, match=r"the file of a suite's part.*delete it"):
        read_part(tmp_path, part)


def hold(folder, is_held, may_go):
    folder.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder, holder="test"):
        is_held.set()
        may_go.wait(30)


def test_a_part_that_another_process_does_is_left_to_it(tmp_path, monkeypatch):
    done = []
    parts = make_parts(done, names=("a", "needs-a", "b", "c"), after={"needs-a": ("a",)})
    context = multiprocessing.get_context("spawn")
    is_held, may_go = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "l" / "a", is_held, may_go))
    other.start()
    try:
        assert is_held.wait(60)
        waits = []

        def wait(seconds):
            # The other process writes its outcome and lets go while we wait.
            if not waits:
                write_part(tmp_path / "r", parts[0], {"place": "theirs"}, seconds=1.0)
                may_go.set()
            waits.append(seconds)

        monkeypatch.setattr(module.time, "sleep", wait)
        found = run_parts(parts, tmp_path / "r", tmp_path / "l")
    finally:
        may_go.set()
        other.join()
    assert done == ["b", "c", "needs-a"]
    assert found["a"] == {"place": "theirs"}
    assert len(waits) == 1
    assert time is module.time


def test_seeds_that_miss_parts_are_told_with_those_that_have_most_of_theirs():
    parts = [f"{kind}.a-{seed}" for seed in (1, 2, 3) for kind in ("train", "probe", "affect")]
    there = [*parts[:5], "train.a-3", "map-1.0-3", "probe.pretrained"]
    said = describe_missing_seeds([1, 2, 3], parts, there, there)
    assert said.startswith("results are missing of seed 2 (2 of 3 parts), seed 3 (1 of 3 parts); rows that lack one")
    assert said.endswith("to name others: --set 'seeds=[1, 2]'")
    assert "to name others" not in describe_missing_seeds([1, 2], parts[:6], there, there)
    assert describe_missing_seeds([1], parts[:3], there, there) == ""
