"""The finished data set: of the demonstration, and of small syntheses whose replies are made up here."""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scripted_model import FERRY, count_words

from sentire.core.config import parse_config, read_config
from sentire.core.errors import ConfigError
from sentire.data.registry import load_dataset
from sentire.storage.ledger import open_ledger, read_ledger
from sentire.synthesis.config import SynthesisConfig, check_synthesis
from sentire.synthesis.dividing import SPLITS
from sentire.synthesis.export import export_synthesis
from sentire.synthesis.run import Site, run_synthesis

pq = pytest.importorskip("pyarrow.parquet")

CONFIGS = Path(__file__).parents[2] / "configs"
SETS = ("orig", "corig", "crewr")


def export(site, ledger, folder, **changes):
    return export_synthesis(site, ledger, folder, encode=count_words, encoder_name="counted words", **changes)


class Exported:
    """A folder with its statistics, and the site and ledger that it was made from."""

    def __init__(self, site, job, folder, **changes):
        self.site, self.job, self.folder = site, job, folder
        with open_ledger(job, job=site.settings.name) as ledger:
            self.report = run_synthesis(site, ledger)
            self.returned = export(site, ledger, folder, **changes)
        self.statistics = json.loads((folder / "statistics.json").read_bytes())

    def rows(self, name, split=None):
        paths = [self.folder / name / f"{one}.jsonl" for one in ([split] if split else SPLITS)]
        return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]

    def calls(self):
        return {row["key"]: row for row in pq.read_table(self.folder / "calls.parquet").to_pylist()}


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    settings = read_config(SynthesisConfig, CONFIGS / "synthesis-demo.toml", ["quota.per_label=0"])
    folder = tmp_path_factory.mktemp("demo")
    return Exported(Site(settings=settings, base=CONFIGS), folder / "job", folder / "out")


def test_the_demonstration_makes_hundreds_of_rows(demo):
    assert demo.statistics["rows"]["orig"] >= 300
    assert demo.statistics["rows"]["corig"] >= demo.statistics["rows"]["crewr"] >= 50
    assert demo.statistics["still_to_be_made"] == 0
    assert demo.report.n_failed == 0


def test_all_files_are_there_and_no_other(demo):
    found = sorted(path.relative_to(demo.folder).as_posix() for path in demo.folder.rglob("*") if path.is_file())
    assert found == sorted(
        [
            "README.md",
            "calls.parquet",
            "statistics.json",
            "stray-labels.csv",
            *(f"{name}.toml" for name in SETS),
            *(f"{name}/{split}.{end}" for name in SETS for split in SPLITS for end in ("jsonl", "parquet")),
        ]
    )


def test_a_second_export_gives_the_same_bytes(demo, tmp_path):
    with read_ledger(demo.job) as ledger:
        assert export(demo.site, ledger, tmp_path / "again") == demo.returned
    files = [path.relative_to(demo.folder) for path in demo.folder.rglob("*") if path.is_file()]
    differing = [
        str(path) for path in files if (demo.folder / path).read_bytes() != (tmp_path / "again" / path).read_bytes()
    ]
    assert differing == []


@pytest.mark.parametrize("name", SETS)
def test_jsonl_and_parquet_hold_the_same_rows(demo, name):
    for split in SPLITS:
        rows = demo.rows(name, split)
        assert pq.read_table(demo.folder / name / f"{split}.parquet").to_pylist() == rows
        assert len(rows) == demo.statistics["splits"][name][split]
        assert len({tuple(row) for row in rows}) == 1


@pytest.mark.parametrize("name", SETS)
def test_counts_add_up(demo, name):
    statistics, rows = demo.statistics, demo.rows(name)
    assert statistics == json.loads(json.dumps(demo.returned))
    assert sum(statistics["splits"][name].values()) == statistics["rows"][name] == len(rows)
    came_in = {
        "orig": statistics["utterances"],
        "corig": sum("context" in json.loads(row["calls"]) for row in demo.rows("orig")),
        "crewr": statistics["rows"]["corig"],
    }
    assert len(rows) + sum(statistics["refused"][name].values()) == came_in[name]
    labels = Counter(label for row in rows for label in row["labels"].split(","))
    assert {label: counts[name] for label, counts in statistics["labels"].items() if counts[name]} == labels
    assert statistics["labels_a_row"][name]["mean"] == pytest.approx(labels.total() / len(rows), abs=1e-6)
    quality = [row["expressiveness"] for row in rows]
    assert statistics["measures"][name]["expressiveness"]["mean"] == pytest.approx(np.mean(quality), abs=1e-4)


@pytest.mark.parametrize("name", SETS)
def test_no_story_is_on_both_sides_and_no_row_is_there_twice(demo, name):
    stories = [{row["story"] for row in demo.rows(name, split)} for split in SPLITS]
    assert all(stories)
    assert sum(map(len, stories)) == len(set.union(*stories)) == 12
    ids = [row["id"] for row in demo.rows(name)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", SETS)
def test_a_row_says_where_it_comes_from(demo, name):
    calls = demo.calls()
    task = "labels-in-context" if name == "crewr" else "soft-labels"
    for row in demo.rows(name):
        keys = json.loads(row["calls"])
        assert set(keys.values()) <= set(calls)
        assert all(calls[key]["task"] == own for own, key in keys.items())
        assert [calls[key]["prompt"] for key in keys.values()] == json.loads(row["prompts"])
        assert row["raw_reply"] == calls[keys[task]]["reply"]
        assert row["raw_reply"]
        assert calls[keys[task]]["subject"] == f"{task}/{row['id']}"
        assert row["id"].startswith(f"{row['story']}/{row['character']}/")
        assert row["model"] == calls[keys[task]]["model"] == demo.statistics["models"]["first"]
        assert json.loads(row["sampling"])["temperature"] == 0.0
        assert row["is_synthetic"] is True


def test_rows_of_one_utterance_hang_together(demo):
    orig, corig, crewr = ({row["id"]: row for row in demo.rows(name)} for name in SETS)
    assert set(crewr) <= set(corig) <= set(orig)
    for name, row in corig.items():
        for column in ("text", "labels", "story", "character", "quality"):
            assert row[column] == orig[name][column]
        assert row["context"]
    for name, row in crewr.items():
        assert row["original"] == orig[name]["text"]
        assert row["context"] == corig[name]["context"]
        assert row["text"] != row["original"]


def test_calls_are_all_that_were_made(demo):
    calls = demo.calls()
    made = Counter(row["task"] for row in calls.values())
    assert made == {task: entry["answered"] for task, entry in demo.statistics["calls"].items()}
    assert len(calls) == demo.report.n_done
    assert {row["state"] for row in calls.values()} == {"done"}


def test_words_outside_the_labels_are_in_a_table(demo):
    with (demo.folder / "stray-labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{**row, "n": int(row["n"])} for row in rows] == demo.statistics["strays"]
    assert {row["stands_for"] for row in rows} >= {"", "nervousness"}


@pytest.mark.parametrize("name", SETS)
def test_a_description_loads_with_soft_labels_groups_and_contexts(demo, name):
    dataset = load_dataset(str(demo.folder / f"{name}.toml"))
    card = dataset.card
    assert (card.name, card.label_space.name, card.licence) == (f"synthesis-demo-{name}", "goemotions", "Apache-2.0")
    assert (card.grouped_by, card.has_context, card.is_ours) == ("story", name != "orig", True)
    assert card.splits == SPLITS
    for split in SPLITS:
        rows = {row["id"]: row for row in demo.rows(name, split)}
        examples = dataset.read_split(split)
        assert [example.id for example in examples] == list(rows)
        for example in examples:
            row = rows[example.id]
            assert (example.text, example.group) == (row["text"], row["story"])
            assert example.context == ((row["context"],) if name != "orig" else ())
            assert example.labels == tuple(row["labels"].split(","))
            assert example.scores == {label: row[f"level_{label}"] for label in card.label_space.labels}
            assert {label for label, level in example.scores.items() if level >= 0.3} == set(example.labels)
            assert example.is_synthetic


def test_the_head_of_the_card_lists_the_splits(demo):
    yaml = pytest.importorskip("yaml")
    head = yaml.safe_load((demo.folder / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["license"] == "Apache-2.0"
    assert [one["config_name"] for one in head["configs"]] == list(SETS)
    for one in head["configs"]:
        assert [part["split"] for part in one["data_files"]] == ["train", "validation", "test"]
        assert all((demo.folder / part["path"]).is_file() for part in one["data_files"])


def test_the_datasets_library_loads_it(demo, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(demo.folder), "orig", cache_dir=str(tmp_path / "cache"))
    assert {split: loaded[split].num_rows for split in loaded} == {
        "train": demo.statistics["splits"]["orig"]["train"],
        "validation": demo.statistics["splits"]["orig"]["dev"],
        "test": demo.statistics["splits"]["orig"]["test"],
    }
    assert loaded["test"].to_list() == demo.rows("orig", "test")


def make_text(number):
    """Return a sentence of its own, with eight invented words, not nearly like any other."""
    letters = np.random.default_rng(number).choice([*"abdefgilmnoprstu"], size=(8, 6))
    return f"I have seen {' '.join(''.join(word) for word in letters)}."


def make_replies(stories, labels):
    """Yield names and replies: one utterance of each label, two more of the first on purpose, and all that follows."""
    first, second = labels
    for n, story in enumerate(stories):
        texts = [make_text(4 * n + k) for k in range(4)]
        yield f"actors/{story}", {"actors": ["Mira"]}
        for name, said in (("utterances/{}/Mira", texts[:2]), (f"targeted/{{}}/Mira/{first}", texts[2:])):
            rows = [{"text": text, "emotion": label} for text, label in zip(said, labels, strict=True)]
            yield name.format(story), {"utterances": rows}
        ends = ((f"{story}/Mira/1", first, 0.8), (f"{story}/Mira/2", second, 0.5))
        ends += tuple((f"{story}/Mira/{first}/{k}", first, 1) for k in (1, 2))
        for (subject, label, level), text in zip(ends, texts, strict=True):
            emotions = {"emotions": [{"label": label, "level": level}]}
            yield f"soft-labels/{subject}", emotions
            yield f"context/{subject}", {"context": f"It is the morning of day {n}, and Mira is glad to see the pier."}
            yield f"cleaning/{subject}", {"context": f"It is the morning of day {n}, and Mira is on the pier."}
            yield f"rewriting/{subject}", {"utterance": text.replace("I have seen", "There are")}
            yield f"labels-in-context/{subject}", emotions


def make_small(folder, *, n_stories=3, n_pieces=1, said=("joy", "neutral"), without=(), draw=None, **sections):
    """Make and export a synthesis of stories of one character, who says one thing of each label."""
    (folder / "stories").mkdir(parents=True)
    stories = []
    for n in range(n_stories):
        pieces = [f"{FERRY} It was day {n}, hour {k}." for k in range(n_pieces)]
        (folder / "stories" / f"story{n:02}.txt").write_text("\n\n".join(pieces))
        stories += [f"story{n:02}#{k}" if n_pieces > 1 else f"story{n:02}" for k in range(1, n_pieces + 1)]
    rows = [{"name": name, "reply": json.dumps(reply)} for name, reply in make_replies(stories, said)]
    (folder / "replies.jsonl").write_text("\n".join(json.dumps(row) for row in rows if row["name"] not in without))
    table = {
        "name": "small",
        "provider": {"kind": "replay", "path": "replies.jsonl"},
        "narratives": {"folder": "stories", "longest_chars": len(FERRY) + 30},
        "steps": {"emotional": 1, "neutral": 1},
        "retries": {"attempts": 1},
        **sections,
    }
    settings = parse_config(SynthesisConfig, table)
    check_synthesis(settings)
    return Exported(Site(settings=settings, base=folder), folder / "job", folder / "out", draw=draw)


def test_rows_made_on_purpose_say_for_what(tmp_path):
    quota = {"per_label": 6, "labels": ["joy"], "per_call": 2, "rounds": 3}
    small = make_small(tmp_path, quota=quota)
    made = Counter(row["made_for"] for row in small.rows("orig"))
    assert made == {"": 6, "joy": 4}
    assert small.statistics["quota"] == {
        "rounds": [{"missing": {"joy": 3}, "calls": 2}, {"missing": {}, "calls": 0}],
        "missing_in_the_end": {},
    }
    assert small.statistics["labels"]["joy"]["orig"] == 7
    calls = small.calls()
    for row in small.rows("orig"):
        task = "targeted" if row["made_for"] else "utterances"
        assert calls[json.loads(row["calls"])[task]]["task"] == task
    assert "Every quota is met." in (small.folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "lost", ["utterances/story01/Mira", "soft-labels/story01/Mira/1", "actors/story01", "targeted/story00/Mira/joy"]
)
def test_calls_that_failed_are_kept_with_the_others(tmp_path, lost):
    quota = {"per_label": 90, "labels": ["joy"], "per_call": 2, "rounds": 1}
    small = make_small(tmp_path, without=[lost], quota=quota)
    task = lost.partition("/")[0]
    assert small.statistics["calls"][task]["failed"] == {"no reply in the file": 1}
    failed = [row for row in small.calls().values() if row["state"] == "failed"]
    assert [(row["task"], row["subject"], row["failure"]) for row in failed] == [(task, lost, "no reply in the file")]
    assert len(small.calls()) == small.report.n_done + small.report.n_failed


def test_a_call_that_two_stories_share_is_named_after_the_first_whoever_asked_first(tmp_path):
    # Two stories of one text share all calls; where the first run was cut short, the second may have asked first.
    folder, others = tmp_path / "whole", tmp_path / "resumed"
    for place, stories in ((folder, 2), (others, 2)):
        (place / "stories").mkdir(parents=True)
        for n in range(stories):
            (place / "stories" / f"story{n:02}.txt").write_text(FERRY)
        replies = make_replies(["story00", "story01"], ("joy", "neutral"))
        # What is asked by either name is answered alike.
        rows = {name: json.dumps(reply) for name, reply in replies if "story00" in name}
        rows |= {name.replace("story00", "story01"): reply for name, reply in rows.items()}
        (place / "replies.jsonl").write_text(
            "\n".join(json.dumps({"name": name, "reply": reply}) for name, reply in rows.items())
        )
    table = {
        "name": "small",
        "provider": {"kind": "replay", "path": "replies.jsonl"},
        "narratives": {"folder": "stories"},
        "steps": {"emotional": 1, "neutral": 1, "context_share": 1},
    }
    whole = Exported(Site(settings=parse_config(SynthesisConfig, table), base=folder), folder / "job", folder / "out")
    (others / "stories" / "story00.txt").rename(others / "story00.txt")
    site = Site(settings=parse_config(SynthesisConfig, table), base=others)
    with open_ledger(others / "job", job="small") as ledger:
        run_synthesis(site, ledger)
    (others / "story00.txt").rename(others / "stories" / "story00.txt")
    resumed = Exported(site, others / "job", others / "out")
    assert resumed.report.n_done == 0
    assert resumed.calls() == whole.calls()
    assert all("story00" in row["subject"] for row in whole.calls().values())
    assert (resumed.folder / "calls.parquet").read_bytes() == (whole.folder / "calls.parquet").read_bytes()


def test_the_test_stories_of_the_sets_with_context_are_test_stories_of_orig(tmp_path):
    # Whoever learns from Orig may then measure on all three; some stories have no utterance with a context.
    small = make_small(tmp_path, n_stories=30)
    for name in ("corig", "crewr"):
        assert 0 < len({row["story"] for row in small.rows(name)}) < 30
        inside = {row["story"] for row in small.rows(name, "test")}
        assert inside
        assert inside <= {row["story"] for row in small.rows("orig", "test")}


def test_the_pieces_of_a_story_are_in_one_split(tmp_path):
    small = make_small(tmp_path, n_stories=6, n_pieces=3, splits={"orig": [0.4, 0.3, 0.3]})
    rows = small.rows("orig")
    assert {row["id"].partition("/")[0] for row in rows} == {f"story0{n}#{k}" for n in range(6) for k in (1, 2, 3)}
    assert {row["story"] for row in rows} == {f"story0{n}" for n in range(6)}
    stories = [{row["story"] for row in small.rows("orig", split)} for split in SPLITS]
    assert [len(one) for one in stories] == [2, 2, 2]
    assert len(set.union(*stories)) == 6


def test_sets_with_context_have_shares_of_their_own(tmp_path):
    steps = {"emotional": 1, "neutral": 1, "context_share": 1}
    splits = {"orig": [0.5, 0.5, 0], "context": [0.75, 0, 0.25]}
    small = make_small(tmp_path, n_stories=4, steps=steps, splits=splits)
    assert small.statistics["splits"] == {
        "orig": {"train": 4, "dev": 4, "test": 0},
        "corig": {"train": 6, "dev": 0, "test": 2},
        "crewr": {"train": 6, "dev": 0, "test": 2},
    }
    assert load_dataset(str(small.folder / "orig.toml")).card.splits == ("train", "dev")
    assert load_dataset(str(small.folder / "corig.toml")).card.splits == ("train", "test")


def test_contexts_may_be_left_out_altogether(tmp_path):
    small = make_small(tmp_path, steps={"emotional": 1, "neutral": 1, "context_share": 0})
    assert small.statistics["rows"] == {"orig": 6, "corig": 0, "crewr": 0}
    assert small.rows("corig") == []
    assert [one.id for one in load_dataset(str(small.folder / "orig.toml")).read_split("train")]
    assert "config_name: corig" not in (small.folder / "README.md").read_text(encoding="utf-8")


def test_labels_from_before_the_rewriting_have_the_reply_that_they_came_from(tmp_path):
    steps = {"emotional": 1, "neutral": 1, "context_share": 1, "relabel": False}
    small = make_small(tmp_path, steps=steps)
    calls = small.calls()
    assert small.rows("crewr")
    for row in small.rows("crewr"):
        assert row["raw_reply"] == calls[json.loads(row["calls"])["soft-labels"]]["reply"]


def test_labels_of_ones_own_with_a_comma_are_refused_at_once(tmp_path):
    labels = ("calm, rather", "so-so")
    with pytest.raises(ConfigError, match=r"labels without commas, got 'calm, rather' at labels\.labels"):
        make_small(tmp_path, said=labels, labels={"labels": labels, "neutral": labels[1]})


@pytest.mark.parametrize(
    "labels", [("calm", "so-so"), ("very_calm", "Tense"), ("rather calm", 'so "so"'), ("größte Ruhe", "平静")]
)
def test_labels_of_ones_own_come_back_as_they_were(tmp_path, labels):
    small = make_small(tmp_path, said=labels, labels={"labels": labels, "neutral": labels[1]})
    dataset = load_dataset(str(small.folder / "orig.toml"))
    assert dataset.card.label_space.labels == labels
    assert dataset.card.label_space.neutral == labels[1]
    examples = [example for split in dataset.card.splits for example in dataset.read_split(split)]
    assert Counter(example.labels for example in examples) == {(labels[0],): 3, (labels[1],): 3}
    assert {tuple(example.scores.values()) for example in examples} == {(0.8, 0.0), (0.0, 0.5)}


def test_a_licence_and_a_name_of_any_signs(tmp_path):
    small = make_small(tmp_path, licence='ours: "all" \\ of it')
    assert load_dataset(str(small.folder / "orig.toml")).card.licence == 'ours: "all" \\ of it'


def test_pictures_are_written_beside_the_card(tmp_path):
    seen = []

    def draw(statistics):
        seen.append(statistics["rows"])
        return {"labels.svg": b"<svg/>"}

    small = make_small(tmp_path, draw=draw)
    assert (small.folder / "labels.svg").read_bytes() == b"<svg/>"
    assert "![labels](labels.svg)" in (small.folder / "README.md").read_text(encoding="utf-8")
    assert seen == [small.statistics["rows"]]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


def test_an_export_before_the_end_says_what_is_still_to_be_made(small, tmp_path):
    with open_ledger(tmp_path / "new", job="small") as ledger:
        statistics = export(small.site, ledger, tmp_path / "early")
    assert statistics["still_to_be_made"] == 3
    assert statistics["rows"] == {"orig": 0, "corig": 0, "crewr": 0}
    card = (tmp_path / "early" / "README.md").read_text(encoding="utf-8")
    assert "**Not finished**: at least 3 calls are still to be made." in card


def test_progress_is_told(small, tmp_path):
    told = []
    with read_ledger(small.job) as ledger:
        export(small.site, ledger, tmp_path / "again", on_progress=lambda *step: told.append(step[:2]))
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
