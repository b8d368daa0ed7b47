"""``sentire annotate`` and ``sentire augment`` as their users meet them."""

import os
import signal

import orjson
import pytest

pytest.importorskip("rensa")


def write_data(folder, n=30):
    rows = [
        {
            "id": f"e{k}",
            "text": f"text {k} of the day",
            "context": [f"before {k}"],
            "labels": [["joy"], ["grief"], ["neutral"]][k % 3],
        }
        for k in range(n)
    ]
    (folder / "rows.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    path = folder / "own.toml"
    path.write_text(
        '[dataset]\nname = "own"\nlabel_space = "goemotions"\n[columns]\nid = "id"\nlabels = "labels"\n'
        'context = "context"\n[splits]\ntrain = "rows.jsonl"\ntest = "rows.jsonl"\n'
    )
    return path


def annotate(folder, alias, choose):
    from sentire.annotation.annotations import Judgement, open_annotations
    from sentire.annotation.sample import read_sample

    sample = read_sample(folder)
    with open_annotations(folder, sample, alias) as file:
        for item in sample.items:
            file.save(item.id, Judgement(picks=(choose(item),), is_done=True, saw_context=False))


def test_a_sample_is_drawn_judged_and_scored(tmp_path, sentire):
    made = sentire("annotate", "make", "--data", f"{write_data(tmp_path)}:test", "-o", tmp_path / "judged", "--n", 20)
    assert made.code == 0
    assert "20 items (fingerprint" in made.err
    annotate(tmp_path / "judged", "a1", lambda item: item.options[0])
    annotate(tmp_path / "judged", "a2", lambda item: item.options[int(item.id[1:]) % 2])
    scored = sentire("annotate", "score", tmp_path / "judged")
    assert scored.code == 0
    assert "Cohen's kappa, a1, a2" in scored.text
    assert "context asked for: 0.0%" in scored.text
    found = sentire("annotate", "score", tmp_path / "judged", "--json").json
    assert set(found) >= {"cohen", "fleiss", "alpha", "unanimous_accuracy", "distractor_rate"}


def test_kappas_of_one_label_are_shown_as_not_defined(tmp_path, sentire):
    sentire("annotate", "make", "--data", f"{write_data(tmp_path)}:test", "-o", tmp_path / "judged", "--n", 6)
    for alias in ("a1", "a2"):
        annotate(tmp_path / "judged", alias, lambda item: item.options[-1])
    scored = sentire("annotate", "score", tmp_path / "judged")
    assert scored.code == 0
    for name in ("Cohen's kappa, a1, a2", "Fleiss' kappa", "Krippendorff's alpha"):
        (line,) = [line for line in scored.text.splitlines() if line.startswith(name)]
        assert line.split()[-2:] == ["-", "6"]
    assert "none of these: 100.0%" in scored.text
    found = sentire("annotate", "score", tmp_path / "judged", "--json").json
    assert found["fleiss"]["value"] is found["alpha"]["value"] is found["cohen"]["a1, a2"]["value"] is None


def test_annotations_of_another_sample_are_refused_by_serve_and_score(tmp_path, sentire):
    data = f"{write_data(tmp_path)}:test"
    for name, seed in (("one", 0), ("other", 1)):
        sentire("annotate", "make", "--data", data, "-o", tmp_path / name, "--n", 6, "--seed", seed)
    annotate(tmp_path / "one", "a1", lambda item: item.options[0])
    (tmp_path / "one" / "annotations").rename(tmp_path / "other" / "annotations")
    for arguments in (("score", tmp_path / "other"), ("serve", tmp_path / "other", "--annotator", "a1")):
        ran = sentire("annotate", *arguments)
        assert ran.code == 4
        assert "expected annotations of the sample " in ran.err
        assert "judgements.jsonl:1; the sample was drawn anew: put the annotations back" in ran.err


def test_options_may_be_ranked_by_a_model(tmp_path, sentire):
    made = sentire(
        "annotate",
        "make",
        "--data",
        f"{write_data(tmp_path)}:test",
        "-o",
        tmp_path / "judged",
        "--n",
        6,
        "--model",
        "linear",
    )
    assert made.code == 0
    key = orjson.loads((tmp_path / "judged" / "key.json").read_bytes())
    assert key["levels"]
    assert all(0 < max(levels.values()) < 1 for levels in key["levels"].values())


def test_a_model_of_other_labels_ranks_no_options(tmp_path, sentire):
    data = write_data(tmp_path)
    data.write_text(
        data.read_text().replace(
            'label_space = "goemotions"', 'labels = ["joy", "grief", "neutral", "love", "fear", "anger", "sadness"]'
        )
    )
    made = sentire("annotate", "make", "--data", f"{data}:test", "-o", tmp_path / "judged", "--model", "linear")
    assert made.code == 3
    assert "a model that answers in the labels of own.v1, got goemotions.v1 with admiration, " in made.err
    assert "at --model linear; name a model of these labels, or leave --model out" in made.err
    assert not (tmp_path / "judged").exists()


@pytest.mark.parametrize("uses_context", [True, False])
def test_a_model_that_reads_contexts_is_given_them(tmp_path, sentire, monkeypatch, uses_context):
    from sentire.runtime.tfidf_model import TfidfModel

    asked = []

    def spy(model, texts, *, context=None):
        asked.append((texts, context))
        return model.judge(texts).proba

    monkeypatch.setattr(TfidfModel, "predict_proba", spy)
    monkeypatch.setattr(TfidfModel, "uses_context", uses_context)
    data = f"{write_data(tmp_path, n=3)}:test"
    made = sentire("annotate", "make", "--data", data, "-o", tmp_path / "judged", "--model", "linear")
    assert made.code == 0, made.err
    texts = [f"text {k} of the day" for k in range(3)]
    assert asked == [(texts, [(f"before {k}",) for k in range(3)] if uses_context else None)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("score", "{}/nowhere"), 4, "draw it: sentire annotate make"),
        (("score", "{}/judged"), 3, "at least two people, got 0"),
        (("serve", "{}/judged", "--annotator", "Jane Doe"), 2, "an alias of lower-case letters"),
        (("make", "--data", "{}/own.toml:tset", "-o", "{}/other"), 2, 'did you mean "test"'),
        (("make", "--data", "emobank:test", "-o", "{}/other"), 3, "a data set with labels"),
    ],
)
def test_what_goes_wrong_is_told(tmp_path, sentire, arguments, code, words):
    sentire("annotate", "make", "--data", f"{write_data(tmp_path)}:test", "-o", tmp_path / "judged", "--n", 6)
    ran = sentire("annotate", *(one.format(tmp_path) for one in arguments))
    assert (ran.code, words in ran.err) == (code, True), ran.err


def write_versions(folder, n=30):
    """Write data as a synthesis does: clean contexts with what is said, and with what is said when rewritten."""
    for name, words, numbers in (("corig", "oh no", range(n)), ("crewr", "well", range(2, n + 1))):
        rows = [
            {"id": f"s/{k}", "text": f"{words}, {k}", "context": f"before {k}", "story": f"s{k}", "labels": "fear"}
            for k in numbers
        ]
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        (folder / f"{name}.toml").write_text(
            f'[dataset]\nname = "own-{name}"\nlabel_space = "goemotions"\n[columns]\ntext = "text"\nid = "id"\n'
            f'context = "context"\ngroup = "story"\nlabels = "labels"\n[splits]\ntest = "{name}.jsonl"\n'
        )


def make_pairs(folder, sentire, *options):
    write_versions(folder)
    sets = ("--data", f"{folder}/corig.toml:test", "--rewritten", f"{folder}/crewr.toml:test")
    return sentire("annotate", "make", *sets, "-o", folder / "pairs", *options)


def prefer_original(item):
    return item.options[[text.startswith("oh no") for text in item.texts].index(True)]


def test_versions_are_drawn_judged_and_scored(tmp_path, sentire):
    made = make_pairs(tmp_path, sentire)
    assert made.code == 0
    assert "28 pairs of " in made.err
    assert "left out without partner: 2 not rewritten, 1 without original" in made.err
    assert "28 items (fingerprint" in made.err
    annotate(tmp_path / "pairs", "a1", prefer_original)
    alone = sentire("annotate", "score", tmp_path / "pairs")
    assert alone.code == 0
    assert alone.text.splitlines()[2].split() == ["less", "emotional,", "a1", "1.000", "1.000", "to", "1.000", "28"]
    assert "agreement is not defined: one annotator has nobody to agree with" in alone.text
    assert "majority" not in alone.text
    annotate(tmp_path / "pairs", "a2", lambda item: item.options[2] if int(item.id[2:]) % 4 else prefer_original(item))
    scored = sentire("annotate", "score", tmp_path / "pairs")
    assert scored.code == 0
    for words in ("less emotional, a2", "both alike, the majority", "no majority", "Cohen's kappa, a1, a2", "Fleiss'"):
        assert words in scored.text
    assert "not defined" not in scored.text
    assert "the first one picked, of picks of either: a1 50.0%, a2 " in scored.text
    assert "context asked for: 0.0%" in scored.text
    found = sentire("annotate", "score", tmp_path / "pairs", "--json").json
    assert found["annotators"] == {"a1": 28, "a2": 28}
    assert found["shares"]["a1"]["less"]["value"] == 1
    assert found["shares"]["a2"]["less"]["value"] == found["majority"]["less"]["value"] == 7 / 28
    assert found["shares"]["a2"]["alike"]["low"] < 21 / 28 < found["shares"]["a2"]["alike"]["high"]
    assert set(found) >= {"cohen", "fleiss", "alpha", "no_majority", "first_rates", "context_rate"}


def test_rows_that_cannot_be_read_are_told_and_no_sample_holds_them(tmp_path, sentire):
    data = write_data(tmp_path)
    with (tmp_path / "rows.jsonl").open("a") as file:
        file.write('{"id": "e90", "text": "", "labels": ["joy"]}\n{"id": "e91", "text": "hm", "labels": ["mauve"]}\n')
    made = sentire("annotate", "make", "--data", f"{data}:test", "-o", tmp_path / "judged")
    assert made.code == 0
    assert "2 of 32 rows were not used (empty text: 1, label outside the label space: 1); the first:" in made.err
    kept = {f"e{k}" for k in range(30)}
    assert {item["id"] for item in orjson.loads((tmp_path / "judged" / "sample.json").read_bytes())["items"]} <= kept


def test_rows_of_either_version_that_cannot_be_read_are_told(tmp_path, sentire):
    write_versions(tmp_path)
    for name, text in (("corig", "oh no, 31"), ("crewr", "well, 31")):
        row = {"id": "s/31", "text": text, "context": "before 31", "story": "s31", "labels": "fear"}
        broken = {"id": "s/32", "text": "", "context": "before 32", "story": "s32", "labels": "fear"}
        with (tmp_path / f"{name}.jsonl").open("ab") as file:
            file.write(b"".join(orjson.dumps(one) + b"\n" for one in (row, *[broken] * (1 + (name == "crewr")))))
    sets = ("--data", f"{tmp_path}/corig.toml:test", "--rewritten", f"{tmp_path}/crewr.toml:test")
    made = sentire("annotate", "make", *sets, "-o", tmp_path / "pairs")
    assert made.code == 0
    assert "1 of 32 rows were not used (empty text: 1)" in made.err
    assert f"{tmp_path}/corig.jsonl:32: empty text" in made.err
    assert "2 of 32 rows were not used (empty text: 2)" in made.err
    assert f"{tmp_path}/crewr.jsonl:31: empty text" in made.err
    assert "29 pairs of " in made.err


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--model", "linear"), 2, "expected --rewritten without --model and --neutral-share"),
        (("--neutral-share", "0"), 2, "expected --rewritten without --model and --neutral-share"),
        (("--data", "{}/crewr.toml:test"), 3, "got the same texts"),
        (("--rewritten", "{}/crewr.toml"), 2, "add a colon and the split"),
        (("--rewritten", "{}/own.toml:test"), 3, "name the same split of both"),
    ],
)
def test_versions_that_cannot_be_are_told(tmp_path, sentire, options, code, words):
    write_data(tmp_path)
    ran = make_pairs(tmp_path, sentire, *(one.format(tmp_path) for one in options))
    assert (ran.code, words in ran.err) == (code, True), ran.err
    assert not (tmp_path / "pairs").exists()


def test_versions_that_nobody_judged_have_no_scores(tmp_path, sentire):
    make_pairs(tmp_path, sentire, "--n", 5)
    ran = sentire("annotate", "score", tmp_path / "pairs")
    assert (ran.code, "at least one person, got none" in ran.err) == (3, True), ran.err


def write_augmentation(folder):
    write_data(folder)
    config = folder / "rich.toml"
    config.write_text(
        f'name = "rich"\nsources = ["templates"]\n[data]\ntrain = "{folder}/own.toml:train"\napart = []\n'
        '[labels]\nnames = ["grief"]\nuntil = 25\n'
    )
    return config


def test_rows_are_made_and_their_counts_told(tmp_path, sentire):
    ran = sentire("augment", write_augmentation(tmp_path), "-o", tmp_path / "out")
    assert ran.code == 0
    assert ran.text.splitlines()[1].split() == ["grief", "10", "15", "3", "reached"]
    assert 'data.further_train = ["' in ran.err
    assert (tmp_path / "out" / "data" / "augmented.toml").is_file()


def test_where_no_row_can_be_made_it_is_told(tmp_path, sentire):
    ran = sentire(
        "augment", write_augmentation(tmp_path), "-o", tmp_path / "out", "--set", 'labels.names=["gratitude"]'
    )
    assert ran.code == 0
    assert "no source made a text in 3 rounds" in ran.text
    assert "no row was made: see how each label ended" in ran.err
    assert "further_train" not in ran.err


def test_what_a_provider_refused_is_told_by_run_and_by_status(tmp_path, sentire):
    names = [f"rephrase/grief/rephrase/{k}/e{e}/1" for k in range(1, 4) for e in range(1, 30, 3)]
    (tmp_path / "replies.jsonl").write_bytes(
        b"".join(orjson.dumps({"name": name, "reply": "I'm sorry, not that."}) + b"\n" for name in names)
    )
    config = write_augmentation(tmp_path)
    asked = ("--set", 'sources=["rephrase"]', "--set", "provider.kind=replay", "--set", "provider.path=replies.jsonl")
    ran = sentire("augment", config, "-o", tmp_path / "out", *asked)
    assert ran.code == 0
    assert "calls without a text: 24 talk about the task" in ran.text  # eight of ten examples, three rounds
    status = sentire("augment", config, "status", "-o", tmp_path / "out", *asked)
    assert status.code == 0
    assert "talk about the task" in status.text
    assert "24" in status.text
    retried = sentire("augment", config, "retry-failed", "-o", tmp_path / "out", *asked)
    assert retried.code == 0, retried.err
    assert "24 calls that failed will be made again by the next run" in retried.err
    again = sentire("augment", config, "retry-failed", "-o", tmp_path / "out", *asked)
    assert "0 calls that failed" in again.err


def ask_rephrasings(folder, n_calls):
    """Return a configuration and what is set, where a budget ends the work after some rows."""
    words = ["lamp", "coat", "drum", "vase", "boat", "quilt", "stove", "fence", "clock", "apron", "spoon", "ladder"]
    names = [
        f"rephrase/grief/rephrase/{k}/e{e}/{turn}" for k in range(1, 9) for e in range(1, 30, 3) for turn in (1, 2)
    ]
    rows = []
    for place, name in enumerate(names):
        said = (
            f"Her {words[place % 12]} and his {words[place // 12 % 12]} are gone, and {words[-place % 12]} {place} too."
        )
        rows.append({"name": name, "reply": orjson.dumps({"text": said}).decode()})
    (folder / "replies.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    asked = ('sources=["rephrase"]', "provider.kind=replay", "provider.path=replies.jsonl", "labels.until=20")
    return write_augmentation(folder), [part for one in (*asked, f"budget.calls={n_calls}") for part in ("--set", one)]


def test_rows_that_were_accepted_before_the_budget_was_spent_are_written_and_more_budget_goes_on(tmp_path, sentire):
    config, asked = ask_rephrasings(tmp_path, 12)
    data = tmp_path / "out" / "data"
    ran = sentire("augment", config, "-o", tmp_path / "out", *asked)
    assert ran.code == 10, ran.err
    assert "the job ended" in ran.text
    assert "the budget of 12 calls" in ran.err
    n_first = len((data / "train.jsonl").read_bytes().splitlines())
    assert f"stopped: {n_first} rows were accepted so far" in " ".join(ran.err.split())
    assert "run it again to go on" in " ".join(ran.err.split())
    assert 0 < n_first < 10
    assert "the job ended" in (data / "README.md").read_text()
    more = sentire("augment", config, "-o", tmp_path / "out", *asked, "--set", "budget.calls=0")
    assert more.code == 0, more.err
    whole = sentire("augment", config, "-o", tmp_path / "whole", *asked, "--set", "budget.calls=0")
    assert whole.code == 0
    for path in (tmp_path / "whole" / "data").iterdir():
        assert path.read_bytes() == (data / path.name).read_bytes()


def test_where_nothing_was_accepted_yet_what_was_written_before_stays(tmp_path, sentire):
    config, asked = ask_rephrasings(tmp_path, 0)
    assert sentire("augment", config, "-o", tmp_path / "out", *asked).code == 0
    before = (tmp_path / "out" / "data" / "train.jsonl").read_bytes()
    ran = sentire("augment", config, "-o", tmp_path / "out", *asked, "--set", "budget.calls=1", "--set", "seed=5")
    assert ran.code == 10
    assert "no row was accepted yet" in ran.err
    assert (tmp_path / "out" / "data" / "train.jsonl").read_bytes() == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_augmentation_with_its_rows_and_its_exit_code(tmp_path, sentire, monkeypatch, number, code):
    from sentire.augmentation import run

    augment = run.augment

    def augment_and_be_stopped(*given, **options):
        options["on_progress"] = lambda place, *_: os.kill(os.getpid(), number) if place == 1 else None
        return augment(*given, **options)

    monkeypatch.setattr(run, "augment", augment_and_be_stopped)
    endless = ("--set", "labels.until=5000000", "--set", "rounds.most=10000", "--set", "rounds.patience=10000")
    ran = sentire("augment", write_augmentation(tmp_path), "-o", tmp_path / "out", *endless)
    assert ran.code == code, ran.err
    n_rows = len((tmp_path / "out" / "data" / "train.jsonl").read_bytes().splitlines())
    assert n_rows >= 5
    assert f"stopped: {n_rows:,} rows were accepted so far" in ran.err


def write_experiment(folder, made_by='sources = ["templates"]'):
    """Write data of two labels, a recipe, and an augmentation of 4 rows to 12 with an experiment."""

    def write(name, numbers):
        rows = [
            {"id": f"{name}{label}{k}", "text": f"{said} on day {k}.", "labels": [label]}
            for k in numbers
            for label, said in (("joy", "We danced at the lake"), ("grief", "I cry at the empty lake"))[
                : 1 + (k % 3 == 0)
            ]
        ]
        (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))

    for name, numbers in (("train", range(12)), ("dev", range(20, 32)), ("test", range(40, 52))):
        write(name, numbers)
    own = folder / "own.toml"
    own.write_text(
        '[dataset]\nname = "own"\nlabels = ["grief", "joy"]\n[columns]\nid = "id"\nlabels = "labels"\n'
        '[splits]\ntrain = "train.jsonl"\ndev = "dev.jsonl"\ntest = "test.jsonl"\n'
    )
    (folder / "recipe.toml").write_text(
        f'recipe = "tfidf"\nname = "small"\n[data]\ntrain = "{own}:train"\ndev = "{own}:dev"\n'
        '[logistic_regression]\nC = 2.0\npenalty = "l2"\nclass_weight = "none"\n'
    )
    config = folder / "rich.toml"
    config.write_text(
        f'name = "rich"\n{made_by}\n[data]\ntrain = "{own}:train"\n'
        f'apart = ["{own}:dev", "{own}:test"]\n[labels]\nnames = ["grief"]\nuntil = 12\n'
        f'[experiment]\nrecipe = "recipe.toml"\ntest = "{own}:test"\nseeds = [3, 4]\n'
    )
    return config


def test_an_experiment_measures_no_part(tmp_path, sentire):
    pytest.importorskip("sklearn")
    rows = [
        {
            "name": f"rephrase/grief/rephrase/{number}/traingrief{k}/{turn}",
            "reply": orjson.dumps(
                {"text": f"They sold {('ovens', 'lamps', 'drums', 'clocks')[k // 3]} {k * number} to {turn}."}
            ).decode(),
        }
        for number in range(1, 9)
        for k in range(0, 12, 3)
        for turn in (1, 2)
    ]
    (tmp_path / "replies.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    config = write_experiment(tmp_path, 'sources = ["rephrase"]\nprovider = {kind = "replay", path = "replies.jsonl"}')
    few = ("--set", "budget.calls=4", "--set", 'language="any"')
    assert sentire("augment", config, "-o", tmp_path / "part", *few).code == 10
    assert (tmp_path / "part" / "data" / "train.jsonl").read_bytes()  # a round was whole
    ran = sentire("augment", config, "experiment", "-o", tmp_path / "out", *few)
    assert ran.code == 10, ran.err
    assert "the budget of 4 calls" in ran.err
    assert not (tmp_path / "out" / "data-3").exists()
    assert [path.name for path in (tmp_path / "out" / "models").glob("*.figures.json")] == ["before-3.figures.json"]


def test_an_experiment_is_run_as_its_config_says_and_goes_on_where_it_was(tmp_path, sentire):
    pytest.importorskip("sklearn")
    config = write_experiment(tmp_path)
    ran = sentire("augment", config, "experiment", "-o", tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "F1 on test over 2 seeds" in ran.text
    found = orjson.loads((tmp_path / "out" / "experiment.json").read_bytes())
    assert set(found) == {"macro_f1", "micro_f1", "grief"}
    assert all(len(one["before"]) == len(one["after"]) == 2 for one in found.values())
    assert all(one["low"] <= one["difference"] <= one["high"] for one in found.values())
    made = [(tmp_path / "out" / f"data-{seed}" / "train.jsonl").read_bytes() for seed in (3, 4)]
    assert [len(rows.splitlines()) for rows in made] == [8, 8]
    assert made[0] != made[1]  # the seed of the experiment is that of the augmentation
    trained = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "models").rglob("*")}
    assert sentire("augment", config, "experiment", "-o", tmp_path / "out").text == ran.text
    assert trained == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "models").rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("rnu",), 2, 'did you mean "run"'),
        (("status",), 4, "the ledger of a job, got none"),
        (("retry-failed",), 4, "the ledger of a job, got none"),
        (("experiment",), 2, "a section [experiment]"),
        (("run", "--set", 'sources=["rephrase"]'), 2, "a provider for rephrase"),
    ],
)
def test_an_augmentation_that_cannot_be_is_told(tmp_path, sentire, arguments, code, words):
    ran = sentire("augment", write_augmentation(tmp_path), *arguments, "-o", tmp_path / "out")
    assert (ran.code, words in ran.err) == (code, True), ran.err
