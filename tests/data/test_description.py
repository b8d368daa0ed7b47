"""A description that we write of rows of ours is read as the data set that was meant."""

import orjson
import pytest

from sentire.core.labels import GOEMOTIONS, make_label_space
from sentire.data.description import render_description
from sentire.data.registry import parse_split_name

OWN = make_label_space("tickets", ["praise", "complaint", "none"], task="single-label", neutral="none")


@pytest.mark.parametrize("space", [GOEMOTIONS, OWN], ids=["registered", "own"])
def test_the_label_space_comes_back_whole(tmp_path, space):
    row = {"id": "1", "text": "Again.", "labels": [space.labels[0]]}
    (tmp_path / "train.jsonl").write_bytes(orjson.dumps(row) + b"\n")
    (tmp_path / "own.toml").write_text(
        render_description(
            "Rows of ours",
            name=space.name,
            space=space,
            licence="Apache-2.0",
            columns={"id": "id", "labels": "labels"},
            splits={"train": "train.jsonl"},
        )
    )
    dataset, split = parse_split_name(f"{tmp_path / 'own.toml'}:train")
    found = dataset.card.label_space
    assert (found.name, found.labels, found.task, found.neutral) == (
        space.name,
        space.labels,
        space.task,
        space.neutral,
    )
    (example,) = dataset.read_split(split)
    assert example.labels == (space.labels[0],)
    assert example.is_synthetic
