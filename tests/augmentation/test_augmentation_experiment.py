"""The experiment: the same test for both, one difference a seed, and no model trained twice."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

pytest.importorskip("rensa")
pytest.importorskip("sklearn")
pytest.importorskip("torch")

from safetensors.numpy import load_file, save_file

from sentire.augmentation import experiment
from sentire.augmentation.config import AugmentationConfig
from sentire.augmentation.experiment import run_experiment
from sentire.classifiers.recipe import DataSection as WordsData
from sentire.classifiers.recipe import LogisticRegressionSection, TfidfRecipe
from sentire.classifiers.train import train_tfidf
from sentire.cli.augmentation_tables import print_comparisons
from sentire.core.config import parse_config, read_table
from sentire.core.errors import ConfigError
from tiny_training import write_tiny_encoder

WORDS = {"calm": ["tea", "lake", "bench", "evening"], "tense": ["siren", "exam", "deadline", "storm"]}


def write(folder: Path, name: str, n_rare: int, n_other: int, start: int = 0) -> None:
    """Write rows; a tense one says something calm as well, so that its tense word must be known: few of them are."""
    rows = []
    for label, n in (("tense", n_rare), ("calm", n_other)):
        for k in range(start, start + n):
            text = f"{WORDS['calm'][k % 4]} and {WORDS[label][(k // 4) % 4]}, number {k}"
            rows.append({"id": f"{name}{label}{k}", "text": text, "labels": [label]})
    (folder / f"{name}.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (folder / f"{name}.toml").write_text(
        '[dataset]\nname = "moods"\nlabels = ["calm", "tense"]\nis_synthetic = true\n'
        f'[columns]\nid = "id"\nlabels = "labels"\n[splits]\nall = "{name}.jsonl"\n'
    )


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "train", 3, 40)
    write(tmp_path, "dev", 12, 12, start=100)
    write(tmp_path, "test", 12, 12, start=200)
    write(tmp_path, "made", 20, 0, start=300)
    (tmp_path / "recipe.toml").write_text(
        'recipe = "tfidf"\nname = "moods"\n'
        f'[data]\ntrain = "{tmp_path}/train.toml:all"\ndev = "{tmp_path}/dev.toml:all"\n'
        "[logistic_regression]\nC = 2.0\n"
        'penalty = "l2"\nclass_weight = "none"\n'
    )
    return tmp_path


def make_settings(folder, seeds=(1, 2), **sections):
    table = {
        "name": "rich",
        "sources": ["templates"],
        "data": {"train": f"{folder}/train.toml:all", "apart": [f"{folder}/dev.toml:all", f"{folder}/test.toml:all"]},
        "experiment": {"recipe": "recipe.toml", "test": f"{folder}/test.toml:all", "seeds": list(seeds)},
    }
    return parse_config(AugmentationConfig, table | sections)


def run(folder, **options):
    asked = []

    def make_data(seed):
        asked.append(seed)
        return f"{folder}/made.toml:all"

    found = run_experiment(make_settings(folder, **options), folder, folder / "models", ["tense"], make_data)
    return found, asked


def test_rows_that_say_more_of_a_rare_label_raise_its_f1(folder):
    found, asked = run(folder)
    assert asked == [1, 2]
    assert set(found) == {"macro_f1", "micro_f1", "tense"}
    rare = found["tense"]
    assert len(rare.before) == len(rare.after) == 2
    assert rare.difference == pytest.approx(sum(rare.after) / 2 - sum(rare.before) / 2)
    assert rare.low <= rare.difference <= rare.high
    assert max(rare.before) < min(rare.after)


def test_a_second_run_trains_nothing_and_one_more_seed_trains_itself_alone(folder):
    first, _ = run(folder)
    models = {path: path.stat().st_mtime_ns for path in (folder / "models").rglob("*") if path.is_file()}
    again, asked = run(folder)
    assert (again, asked) == (first, [])
    more, asked = run(folder, seeds=(1, 2, 3))
    assert asked == [3]
    assert more["tense"].before[:2] == first["tense"].before
    assert (
        models.items()
        <= {path: path.stat().st_mtime_ns for path in (folder / "models").rglob("*") if path.is_file()}.items()
    )


def test_another_recipe_is_another_experiment(folder):
    run(folder)
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace("C = 2.0", "C = 0.5"))
    _, asked = run(folder)
    assert asked == [1, 2]


@pytest.mark.parametrize("name", ["train", "dev", "test"])
def test_another_row_in_a_split_of_the_same_name_is_another_experiment(folder, monkeypatch, name):
    run(folder, seeds=[1])
    trained = []
    train = experiment.train_tfidf
    monkeypatch.setattr(
        experiment, "train_tfidf", lambda *given, **options: trained.append(given) or train(*given, **options)
    )
    path = folder / f"{name}.jsonl"
    row = {"id": "new", "text": "an evening by the lake after the storm", "labels": ["calm"]}
    path.write_bytes(path.read_bytes() + orjson.dumps(row) + b"\n")
    _, asked = run(folder, seeds=[1])
    assert asked == [1]
    assert len(trained) == 2  # without what was made, too
    run(folder, seeds=[1])
    assert len(trained) == 2


def test_another_version_is_another_experiment(folder, monkeypatch):
    run(folder, seeds=[1])
    monkeypatch.setattr(experiment, "__version__", "99.0")
    _, asked = run(folder, seeds=[1])
    assert asked == [1]


def test_other_templates_are_another_experiment_of_what_was_made_alone(folder, monkeypatch):
    run(folder, seeds=[1])
    before = (folder / "models" / "before-1.figures.json").stat().st_mtime_ns
    assert experiment.identify_templates().startswith("templates.v1-")
    monkeypatch.setattr(experiment, "identify_templates", lambda: "templates.v2-0")
    _, asked = run(folder, seeds=[1])
    assert asked == [1]
    assert (folder / "models" / "before-1.figures.json").stat().st_mtime_ns == before


def ask_replies(folder, *sources):
    """Return sections of an augmentation that asks a file of replies."""
    (folder / "replies.jsonl").write_text('{"name": "one", "reply": "The siren is loud."}\n')
    return {"sources": list(sources) or ["rephrase"], "provider": {"kind": "replay", "path": "replies.jsonl"}}


def read_keys(folder):
    paths = sorted((folder / "models").glob("*.figures.json"))
    return {path.name.removesuffix(".figures.json"): orjson.loads(path.read_bytes())["key"] for path in paths}


@pytest.mark.parametrize("source", ["rephrase", "back-translation"])
def test_other_replies_in_the_file_are_another_experiment_of_what_was_made_alone(folder, source):
    pytest.importorskip("jinja2")
    sections = ask_replies(folder, source)
    assert run(folder, seeds=[1], **sections)[1] == [1]
    before = read_keys(folder)
    assert run(folder, seeds=[1], **sections)[1] == []
    (folder / "replies.jsonl").write_text('{"name": "one", "reply": "The exam is near."}\n')
    assert run(folder, seeds=[1], **sections)[1] == [1]
    after = read_keys(folder)
    assert (after["before-1"], after["after-1"] == before["after-1"]) == (before["before-1"], False)


def test_where_nobody_is_asked_a_file_of_replies_does_not_matter(folder):
    sections = ask_replies(folder, "templates")
    assert run(folder, seeds=[1], **sections)[1] == [1]
    (folder / "replies.jsonl").unlink()
    assert run(folder, seeds=[1], **sections)[1] == []


def test_other_definitions_are_another_experiment_where_texts_are_rephrased(folder, monkeypatch):
    pytest.importorskip("jinja2")
    from sentire.synthesis import definitions

    for source, asked in (("rephrase", [1]), ("back-translation", [])):
        with monkeypatch.context() as patch:
            sections = ask_replies(folder, source)
            run(folder, seeds=[1], **sections)
            patch.setattr(definitions, "read_definitions", lambda space: dict.fromkeys(space.labels, "anew"))
            assert run(folder, seeds=[1], **sections)[1] == asked


def test_other_prompts_are_another_experiment(folder, monkeypatch):
    pytest.importorskip("jinja2")
    from sentire.synthesis import prompts

    sections = ask_replies(folder)
    assert run(folder, seeds=[1], **sections)[1] == [1]
    assert run(folder, seeds=[1], **sections)[1] == []
    monkeypatch.setattr(prompts, "identify_prompt", lambda name, home: f"{name}-0 of {home}")
    assert run(folder, seeds=[1], **sections)[1] == [1]


def test_another_model_in_the_folder_of_the_one_that_checks_labels_is_another_experiment(folder):
    recipe = parse_config(TfidfRecipe, read_table(folder / "recipe.toml"))
    sections = {"quality": {"check_model": str(folder / "judge")}}
    train_tfidf(recipe, folder / "judge", n_jobs=1)
    assert run(folder, seeds=[1], **sections)[1] == [1]
    assert run(folder, seeds=[1], **sections)[1] == []
    train_tfidf(replace(recipe, name="other"), folder / "judge", n_jobs=1)
    assert run(folder, seeds=[1], **sections)[1] == [1]


def test_rows_that_are_made_for_one_split_are_not_added_to_another(folder):
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace("train.toml:all", "made.toml:all"))
    words = r"train\.toml:all, for which rows are made, got .*made\.toml:all at data\.train of recipe\.toml; name the"
    with pytest.raises(ConfigError, match=words):
        run(folder, seeds=[1])
    assert not (folder / "models").exists()


def test_a_recipe_in_other_labels_is_refused_before_any_training(folder):
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace("[data]", '[data]\nlabel_space = "sentiment"'))
    with pytest.raises(ConfigError, match=r"own labels, .*got sentiment at data\.label_space of recipe\.toml"):
        run(folder, seeds=[1])
    assert not (folder / "models").exists()


def test_a_recipe_of_another_kind_is_refused(folder):
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace('recipe = "tfidf"', 'recipe = "carl"'))
    with pytest.raises(ConfigError, match=r'recipe = "tfidf" or "encoder", got carl at .*recipe\.toml'):
        run(folder, seeds=[1])


def test_both_are_measured_on_the_same_test_and_only_one_learns_from_what_was_made(folder, monkeypatch):
    learned, measured = [], []
    train, evaluate = experiment.train_tfidf, experiment.evaluate_model

    def spy_train(recipe, output, **options):
        learned.append((recipe.seed, recipe.data.further_train))
        return train(recipe, output, **options)

    def spy_evaluate(model, data, **options):
        measured.append(data)
        return evaluate(model, data, **options)

    monkeypatch.setattr(experiment, "train_tfidf", spy_train)
    monkeypatch.setattr(experiment, "evaluate_model", spy_evaluate)
    run(folder)
    made = f"{folder}/made.toml:all"
    assert learned == [(1, ()), (1, (made,)), (2, ()), (2, (made,))]
    assert measured == [f"{folder}/test.toml:all"] * 4


def test_a_classical_recipe_learns_from_what_was_made_beside_its_further_data(folder):
    write(folder, "more", 0, 5, start=400)
    more, made = f"{folder}/more.toml:all", f"{folder}/made.toml:all"
    path = folder / "recipe.toml"
    path.write_text(path.read_text().replace("[data]", f'[data]\nfurther_train = ["{more}"]'))
    assert run(folder, seeds=[3])[1] == [3]
    for name, names in (("before-3", [more]), ("after-3", [more, made])):
        facts = orjson.loads((folder / "models" / name / "config.json").read_bytes())
        assert facts["training"]["recipe"]["data"]["further_train"] == names
    assert run(folder, seeds=[3])[1] == []
    write(folder, "more", 0, 6, start=400)
    assert run(folder, seeds=[3])[1] == [3]


def train_stand_in(folder, monkeypatch, data="", sections=""):
    """Write an encoder's recipe; return what is learned from, where words are counted instead."""
    (folder / "recipe.toml").write_text(
        'recipe = "encoder"\nname = "moods"\n'
        f'[data]\ntrain = "{folder}/train.toml:all"\ndev = "{folder}/dev.toml:all"\n{data}{sections}'
    )
    words = TfidfRecipe(
        recipe="tfidf",
        name="stand-in",
        data=WordsData(train=f"{folder}/train.toml:all", dev=f"{folder}/dev.toml:all"),
        logistic_regression=LogisticRegressionSection(C=2.0, penalty="l2", class_weight="none"),
    )
    learned = []

    def stand_in(recipe, output, *, data_root):
        learned.append((recipe.name, recipe.seed, recipe.data.further_train))
        train_tfidf(words, output, data_root=data_root, n_jobs=1)

    monkeypatch.setattr(experiment, "train_encoder", stand_in)
    return words, learned


def test_an_encoder_learns_from_what_was_made_beside_its_further_data(folder, monkeypatch):
    more, made = f"{folder}/more.toml:all", f"{folder}/made.toml:all"
    write(folder, "more", 0, 5, start=400)
    _, learned = train_stand_in(folder, monkeypatch, f'further_train = ["{more}"]\n')
    assert run(folder, seeds=[3])[1] == [3]
    assert learned == [("moods-3", 3, (more,)), ("moods-3", 3, (more, made))]
    assert run(folder, seeds=[3])[1] == []
    write(folder, "more", 0, 6, start=400)
    assert run(folder, seeds=[3])[1] == [3]


def test_other_unlabelled_texts_are_another_experiment_of_both(folder, monkeypatch):
    write(folder, "more", 0, 5, start=400)
    teachers = '[distillation]\nteachers = ["linear"]\n'
    _, learned = train_stand_in(folder, monkeypatch, f'unlabelled = ["{folder}/more.toml:all"]\n', teachers)
    assert run(folder, seeds=[3])[1] == [3]
    assert run(folder, seeds=[3])[1] == []
    write(folder, "more", 0, 6, start=400)
    assert run(folder, seeds=[3])[1] == [3]
    assert len(learned) == 4


def test_another_teacher_in_the_folder_is_another_experiment_of_both(folder, monkeypatch):
    teachers = f'[distillation]\nteachers = ["{folder}/teacher"]\n'
    words, learned = train_stand_in(folder, monkeypatch, sections=teachers)
    train_tfidf(words, folder / "teacher", n_jobs=1)
    assert run(folder, seeds=[3])[1] == [3]
    assert run(folder, seeds=[3])[1] == []
    train_tfidf(replace(words, name="other"), folder / "teacher", n_jobs=1)
    assert run(folder, seeds=[3])[1] == [3]
    assert len(learned) == 4


@pytest.mark.parametrize("changed", ["config.json", "tokenizer.json", "model.safetensors"])
def test_other_files_of_the_encoder_in_its_folder_are_another_experiment_of_both(folder, monkeypatch, changed):
    place = write_tiny_encoder(folder / "encoder")
    _, learned = train_stand_in(folder, monkeypatch, sections=f'[encoder]\nname = "{place}"\n')
    assert run(folder, seeds=[3])[1] == [3]
    assert run(folder, seeds=[3])[1] == []
    if changed == "model.safetensors":
        weights = load_file(place / changed)
        save_file({name: -weight for name, weight in weights.items()}, place / changed)
    else:
        (place / changed).write_bytes((place / changed).read_bytes() + b"\n")
    assert run(folder, seeds=[3])[1] == [3]
    assert len(learned) == 4


def test_another_run_in_the_folder_that_an_encoder_starts_from_is_another_experiment_of_both(folder, monkeypatch):
    _, learned = train_stand_in(folder, monkeypatch, sections=f'[encoder]\nstart = "{folder}/earlier"\n')
    monkeypatch.setattr(experiment, "identify_start", lambda run: f"{run.name} at 3")
    assert run(folder, seeds=[3])[1] == [3]
    assert run(folder, seeds=[3])[1] == []
    monkeypatch.setattr(experiment, "identify_start", lambda run: f"{run.name} at 4")
    assert run(folder, seeds=[3])[1] == [3]
    assert len(learned) == 4


@pytest.mark.parametrize("changed", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("prefix", ["transformers:", "transformers-sigmoid:"])
def test_other_files_of_a_classifier_that_teaches_are_another_experiment_of_both(folder, monkeypatch, prefix, changed):
    place = folder / "classifier"
    place.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors", "notes.txt"):
        (place / name).write_bytes(b"{}")
    teachers = f'[distillation]\nteachers = ["{prefix}{place}"]\n'
    _, learned = train_stand_in(folder, monkeypatch, sections=teachers)
    assert run(folder, seeds=[3])[1] == [3]
    (place / "notes.txt").write_bytes(b"read by nobody")
    assert run(folder, seeds=[3])[1] == []
    (place / changed).write_bytes(b"[]")
    assert run(folder, seeds=[3])[1] == [3]
    assert len(learned) == 4


@pytest.mark.parametrize("name", ["dev", "test"])
def test_what_is_chosen_or_measured_on_must_be_kept_apart_from_what_is_made(folder, name):
    settings = make_settings(folder)
    apart = tuple(one for one in settings.data.apart if name not in one.rsplit("/", 1)[1])
    settings = replace(settings, data=replace(settings.data, apart=apart))
    with pytest.raises(ConfigError, match=rf"{name}\.toml:all, on which .*at data\.apart; add it"):
        run_experiment(settings, folder, folder / "models", ["tense"], str)
    assert not (folder / "models").exists()


@pytest.mark.parametrize(("seeds", "words"), [((1, 2, 1), "different seeds, got 1, 2, 1"), ((), "at least 1 item")])
def test_seeds_that_are_none_or_the_same_are_refused(folder, seeds, words):
    with pytest.raises(ConfigError, match=words):
        run(folder, seeds=seeds)


def test_without_an_experiment_there_is_none(folder):
    table = {"name": "rich", "sources": ["templates"], "data": {"train": "a:b", "apart": []}}
    with pytest.raises(ConfigError, match=r"a section \[experiment\]"):
        run_experiment(parse_config(AugmentationConfig, table), folder, folder, [], str)


def test_the_interval_says_what_is_not_in_it(capsys):
    same = (0.12, 0.12), (0.0833, 0.0833)
    one = experiment.Comparison(before=same[0], after=same[1], difference=-0.0367, low=-0.0367, high=-0.0367)
    print_comparisons({"relief": one})
    head, row, *words = capsys.readouterr().out.splitlines()
    assert head.split() == ["before", "after", "difference", "interval", "over", "draws", "of", "rows", "only"]
    assert row.split()[3:] == ["-0.0367", "-0.0367", "to", "-0.0367"]
    assert "the texts of the test are not in it" in " ".join(words)
