"""What the tests of training share: a tiny encoder, invented data, and the parts that a training is made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tiny_training import make_recipe, write_data, write_tiny_encoder


@pytest.fixture(scope="session", autouse=True)
def no_gpu() -> Iterator[None]:
    """Train on the CPU, where the same sums give the same bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        yield


@pytest.fixture(scope="session")
def encoder(tmp_path_factory) -> Path:
    """The folder of a tiny encoder of BERT's kind."""
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    return write_tiny_encoder(tmp_path_factory.mktemp("encoders") / "bert")


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """The description of 96 texts to learn from and 40 to choose on, with contexts, groups and ratings."""
    return write_data(tmp_path_factory.mktemp("data"))


@dataclass
class Parts:
    """What ``fit_network`` is given."""

    recipe: Any
    sources: Any
    files: Any
    shape: Any
    network: Any
    assembler: Any
    material: Any
    dev: Any

    def fit(self, folder: Path, **options: Any):
        from sentire.core.progress import stay_quiet
        from sentire.training.label_objective import LabelObjective
        from sentire.training.loop import fit_network

        folder.mkdir(parents=True, exist_ok=True)
        objective = LabelObjective(self.network, self.assembler, self.material, self.dev, self.recipe)
        options = {"fingerprint": "f", "on_progress": stay_quiet, **options}
        return fit_network(
            objective, self.recipe.optimisation, folder, seed=self.recipe.seed, name=self.recipe.name, **options
        )


@pytest.fixture
def make_parts(encoder, data) -> Callable[..., Parts]:
    """``make_parts(optimisation={...}, ...)`` makes everything anew, with the same weights each time."""

    def make(**sections: dict[str, Any]) -> Parts:
        import torch

        from sentire.encoders.load import build_encoder
        from sentire.encoders.sources import find_encoder
        from sentire.encoders.token_batches import TokenAssembler
        from sentire.encoders.tokenizer import load_tokenizer
        from sentire.training.dev_measure import DevSets
        from sentire.training.network import EmotionEncoder
        from sentire.training.sources import make_dev_material, make_material, read_sources

        recipe = make_recipe(data, encoder, **sections)
        files = find_encoder(recipe.encoder.name)
        sources = read_sources(recipe.data, None)
        loaded, shape = build_encoder(files, seed=recipe.seed)
        torch.manual_seed(recipe.seed)
        network = EmotionEncoder(
            loaded,
            hidden_size=shape.hidden_size,
            n_labels=len(sources.space),
            has_affect=sources.rated is not None,
            dropout=recipe.encoder.dropout,
            inner_dropout=recipe.encoder.inner_dropout,
        )
        assembler = TokenAssembler(
            load_tokenizer(files.tokenizer),
            max_tokens=recipe.encoder.max_tokens,
            max_context_tokens=recipe.context.max_tokens,
            pooling=recipe.encoder.pooling,
            padding_id=shape.padding_id,
        )
        labelled, rated = make_dev_material(sources, recipe, assembler)
        return Parts(
            recipe=recipe,
            sources=sources,
            files=files,
            shape=shape,
            network=network,
            assembler=assembler,
            material=make_material(sources, recipe, assembler, {}),
            dev=DevSets(labelled=labelled, affect=rated, space=sources.space),
        )

    return make
