"""Train the model of a recipe once: a folder that holds it already is taken as it is."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from sentire.core.config import fingerprint
from sentire.core.errors import SentireError
from sentire.runtime.load import load


def find_or_train(recipe: Any, folder: Path) -> dict[str, Any]:
    """Train an encoder recipe, or find it where the very same recipe has been trained, and return its report."""
    from sentire.training.train import REPORT_NAME, train_encoder

    with suppress(SentireError):
        if load(folder).config.training["recipe_fingerprint"] == fingerprint(recipe):
            return dict(orjson.loads((folder / REPORT_NAME).read_bytes()))
    return train_encoder(recipe, folder).report
