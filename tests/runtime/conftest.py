"""A small linear model that we made up, and a way to damage its folder without the hashes noticing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest

from sentire.core.labels import EKMAN, LabelSpace
from sentire.runtime.calibration import Calibrator, IsotonicCalibration
from sentire.runtime.linear import LinearScorer
from sentire.runtime.model_folder import ModelConfig
from sentire.runtime.tfidf import TfidfFeatures
from sentire.runtime.tfidf_model import TfidfModel
from sentire.storage.manifest import MANIFEST_NAME, write_manifest

TERMS = ["cold", "cold soup", "glad", "no", "no no", "not glad", "queue", "soup", "so glad", "waited"]

SENTENCES = [
    "So glad about the soup!",
    "No no no, cold soup again",
    "waited in the queue, not glad",
    "",
    "nothing that it knows",
    "GLAD glad glad",
]


def build_model(
    *, label_space: LabelSpace = EKMAN, calibrator: Calibrator | None = None, is_float16: bool = True
) -> TfidfModel:
    rng = np.random.default_rng(5)
    n_labels = len(label_space)
    weights = rng.normal(size=(len(TERMS), n_labels)).astype(np.float32)
    if is_float16:
        weights = weights.astype(np.float16).astype(np.float32)
    knots = tuple(tuple(np.sort(rng.normal(size=4)).tolist()) for _ in range(n_labels))
    values = tuple(tuple(np.sort(rng.random(4)).tolist()) for _ in range(n_labels))
    return TfidfModel(
        config=ModelConfig(
            name="small",
            label_space=label_space,
            thresholds=np.linspace(0.2, 0.6, n_labels),
            threshold_method="per-label, chosen on nothing",
            projected_thresholds={"sentiment": np.array([0.1, 0.2, 0.3, 0.4])},
            training={"seed": 5},
        ),
        features=TfidfFeatures(
            tokeniser="word",
            terms=TERMS,
            idf=np.linspace(1, 2, len(TERMS)).astype(np.float32),
            is_sublinear=True,
        ),
        scorer=LinearScorer(weights=weights, bias=rng.normal(size=n_labels).astype(np.float32)),
        calibrator=calibrator or IsotonicCalibration(knots, values),
    )


def write_hashes(folder: Path) -> None:
    """Make the manifest fit the files as they are now, as a forger would."""
    old = orjson.loads((folder / MANIFEST_NAME).read_bytes())
    facts = {name: old[name] for name in ("kind", "name", "label_space")}
    write_manifest(folder, old["files"], file_format=old["format"], version=old["format_version"], facts=facts)


@pytest.fixture(scope="session")
def make_model() -> Callable[..., TfidfModel]:
    return build_model


@pytest.fixture(scope="session")
def rehash() -> Callable[[Path], None]:
    return write_hashes


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return list(SENTENCES)


@pytest.fixture
def saved(tmp_path) -> Path:
    folder = tmp_path / "model"
    build_model().save(folder, card="# small\n")
    return folder
