"""From splits to material: which texts, how often, with which targets."""

import numpy as np
import orjson
import pytest

from tiny_training import AFFECT_SCORES, LABELS, SOFT_SCORES, invent_rows, make_recipe, write_data

pytest.importorskip("torch")

from sentire.core.errors import DataError, LabelError
from sentire.training.sources import list_untaught, make_material, read_rated, read_sources


def test_every_text_is_there_once_and_further_ones_as_often_as_asked(make_parts, data):
    parts = make_parts(data={"further_train": [f"{data}:more", f"{data}:dev"], "further_repeats": 3})
    n_train, n_more, n_dev = (len(invent_rows(n)) for n in (96, 12, 40))
    assert len(parts.material) == n_train + 3 * (n_more + n_dev)
    tokenise = parts.assembler.tokenise
    further = [tokenise(parts.sources.labelled[number].texts) for number in (1, 2)]
    expected = tokenise(parts.sources.labelled[0].texts) + 3 * further[0] + 3 * further[1]
    assert parts.material.texts == expected
    assert parts.material.has_labels.all()
    assert not parts.material.has_affect.any()


def test_ratings_are_moved_to_the_unit_scale_and_teach_the_affect_head_alone(make_parts, data):
    parts = make_parts(data={"affect_train": f"{data}:more", "affect_dev": f"{data}:dev"})
    rows = invent_rows(12, seed=2)
    material = parts.material
    assert material.has_labels.tolist() == [True] * 96 + [False] * 12
    assert material.has_affect.tolist() == [False] * 96 + [True] * 12
    expected = [[(row[key] - 3) / 2 for key in "vad"] for row in rows]
    np.testing.assert_allclose(material.affect[96:], expected, atol=1e-6)
    assert not material.targets[96:].any()
    assert parts.dev.affect is not None
    assert len(parts.dev.affect) == 40


def test_hard_targets_are_the_labels(make_parts):
    rows = invent_rows(96)
    expected = [[label in row["labels"] for label in LABELS] for row in rows]
    np.testing.assert_array_equal(make_parts().material.targets, np.array(expected, np.float32))


def test_soft_targets_are_the_degrees_of_the_data(make_parts, tmp_path):
    data = write_data(tmp_path, scores=SOFT_SCORES)
    parts = make_parts(data={"train": f"{data}:train", "dev": f"{data}:dev", "targets": "soft"})
    expected = [[row[label] for label in LABELS] for row in invent_rows(96)]
    np.testing.assert_allclose(parts.material.targets, expected, atol=1e-6)
    # Dev is measured against what was decided, whatever was learned from.
    hard = [[label in row["labels"] for label in LABELS] for row in invent_rows(40, seed=1)]
    np.testing.assert_array_equal(parts.dev.labelled.targets, np.array(hard, np.float32))


def test_soft_targets_that_the_data_does_not_have_are_refused(make_parts, data):
    with pytest.raises(DataError, match=r"degrees of the labels of toy\.v1.*got none that differs.*toy\.toml:train; "):
        make_parts(data={"targets": "soft"})


@pytest.mark.parametrize("hard_fraction", [0.0, 0.3, 1.0])
def test_teachers_are_mixed_with_the_datas_own_labels(make_parts, data, hard_fraction):
    sections = {
        "data": {
            "unlabelled": [f"{data}:dev"],
            "further_train": [f"{data}:more"],
            "affect_train": f"{data}:more",
            "affect_dev": f"{data}:dev",
        },
        "distillation": {"teachers": ["linear"], "hard_fraction": hard_fraction},
    }
    recipe = make_recipe(data, "unused", **sections)
    sources = read_sources(recipe.data, None)
    texts = list_untaught(sources)
    assert {name.rpartition(":")[2]: len(some) for name, some in texts.items()} == {"train": 96, "dev": 40, "more": 12}
    rng = np.random.default_rng(0)
    soft = {name: rng.random((len(some), 3)).astype(np.float32) for name, some in texts.items()}
    material = make_material(sources, recipe, make_parts().assembler, soft)
    names = [f"{data}:{split}" for split in ("train", "dev", "more")]
    hard = np.array([[label in row["labels"] for label in LABELS] for row in invent_rows(96)], np.float32)
    np.testing.assert_allclose(
        material.targets[:96], hard_fraction * hard + (1 - hard_fraction) * soft[names[0]], atol=1e-6
    )
    further = np.array([[label in row["labels"] for label in LABELS] for row in invent_rows(12, seed=2)], np.float32)
    np.testing.assert_array_equal(material.targets[96:108], further)
    np.testing.assert_array_equal(material.targets[108:148], soft[names[1]])
    np.testing.assert_array_equal(material.targets[148:], soft[names[2]])
    assert material.has_labels.all()


def test_what_the_teachers_did_not_see_keeps_its_own_labels(make_parts, data):
    """They answer for texts alone; with its context, a text may mean something else."""
    recipe = make_recipe(data, "unused", context={"is_used": True}, distillation={"teachers": ["linear"]})
    sources = read_sources(recipe.data, None)
    soft = {f"{data}:train": np.full((96, 3), 0.5, np.float32)}
    material = make_material(sources, recipe, make_parts().assembler, soft)
    for row, example in enumerate(invent_rows(96)):
        hard = np.array([label in example["labels"] for label in LABELS], np.float32)
        np.testing.assert_allclose(
            material.targets[row], hard if example["context"] else 0.3 * hard + 0.35, atol=1e-6, err_msg=str(row)
        )
        assert bool(material.contexts[row]) == bool(example["context"])


def test_one_split_with_labels_and_ratings_is_asked_about_twice(data):
    recipe = make_recipe(data, "unused", data={"affect_train": f"{data}:train", "affect_dev": f"{data}:dev"})
    texts = list_untaught(read_sources(recipe.data, None))
    assert list(texts) == [f"{data}:train", f"{data}:train, affect"]


def test_the_fingerprint_knows_every_text_label_and_rating(tmp_path):
    def fingerprint(change=len, split="train", **sections):
        path = write_data(tmp_path, n_train=20, n_dev=10)
        rows = [orjson.loads(line) for line in (tmp_path / f"{split}.jsonl").read_bytes().splitlines()]
        change(rows)
        (tmp_path / f"{split}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
        names = {"affect_train": f"{path}:more", "affect_dev": f"{path}:dev", "further_train": [f"{path}:more"]}
        return read_sources(make_recipe(path, "unused", data={**names, **sections}).data, None).fingerprint

    first = fingerprint()
    assert fingerprint() == first
    changes = {
        "text": lambda rows: rows[3].update(text="never again"),
        "labels": lambda rows: rows[3].update(labels=["glad"] if rows[3]["labels"] == ["cross"] else ["cross"]),
        "context": lambda rows: rows[3].update(context=["never"]),
        "v": lambda rows: rows[3].update(v=1.25),
        "row": lambda rows: rows.pop(),
    }
    found = {(name, split): fingerprint(change, split) for name, change in changes.items() for split in ("dev", "more")}
    found |= {(name, "train"): fingerprint(change) for name, change in changes.items() if name != "v"}
    assert first not in found.values()
    assert len(set(found.values())) == len(found)
    # The train split's own ratings are not learned from here.
    assert fingerprint(changes["v"]) == first


def test_ratings_are_read_where_all_three_are_there_and_left_out_rows_are_counted(tmp_path):
    path = write_data(tmp_path)
    rows = [orjson.loads(line) for line in (tmp_path / "more.jsonl").read_bytes().splitlines()]
    rows[1]["v"], rows[2]["a"], rows[3]["d"] = 5.5, "NaN", None
    (tmp_path / "more.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    rated = read_rated(f"{path}:more", None)
    assert len(rated.texts) == 9
    assert rated.left_out == {"rejected_rows": 3, "without_all_three_scores": 0}
    assert np.abs(rated.ratings).max() <= 1
    two = write_data(tmp_path, scores=AFFECT_SCORES.partition(", dominance")[0])
    with pytest.raises(DataError, match=r"examples with valence, arousal and dominance, got none at .*toy\.toml:more"):
        read_rated(f"{two}:more", None)


def test_data_without_a_scale_has_no_ratings(tmp_path):
    path = write_data(tmp_path)
    path.write_text(path.read_text().replace('affect_scale = "vad-1-5"\n', ""))
    with pytest.raises(
        DataError, match=r"valence, arousal and dominance, got toy, which .*toy\.toml:dev; .*affect_scale"
    ):
        read_rated(f"{path}:dev", None)


def test_cards_of_all_that_weights_learn_from(data):
    recipe = make_recipe(
        data,
        "unused",
        data={
            "further_train": ["situations:train"],
            "unlabelled": ["rare-labels:train"],
            "label_space": "",
        },
        distillation={"teachers": ["linear"]},
    )
    with pytest.raises(LabelError, match=r"no maps between label spaces of your own, got goemotions\.v1"):
        read_sources(recipe.data, None)
    sources = read_sources(make_recipe(data, "unused", data={"unlabelled": ["rare-labels:train"]}).data, None)
    assert [card.name for card in sources.cards] == ["toy", "rare-labels"]


def test_data_sets_of_one_name_keep_their_own_terms(tmp_path):
    first, second = write_data(tmp_path / "first"), write_data(tmp_path / "second")
    second.write_text(second.read_text().replace("[dataset]", '[dataset]\nweights_may_ship = "yes"\nlicence = "CC0"'))
    further = [f"{second}:more", f"{first}:more"]
    sources = read_sources(make_recipe(first, "unused", data={"further_train": further}).data, None)
    assert [(card.name, card.weights_may_ship) for card in sources.cards] == [("toy", "no"), ("toy", "yes")]
