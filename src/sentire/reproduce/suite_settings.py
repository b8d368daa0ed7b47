"""What every suite can be told: from which encoder, with which seeds, how much of the data."""

from typing import Annotated, Any, Literal

from pydantic import Field

from sentire.core.config import config
from sentire.reproduce.shelf import Base

MAX_TOKENS = 64
"""Of a text that is embedded."""

Size = Annotated[int, Field(ge=0)]


@config
class SuiteSettings:
    """The settings that suites share.

    Attributes:
        base: The pre-trained encoder.
        base_revision: Its commit, for one from the hub.
        pooling: ``mean`` or ``cls``, of this encoder and of all that are trained from it.
        seeds: Of the trainings and the draws.
        n_train: Texts that an encoder is trained on; 0 for all.
        n_dev: Texts of dev, on which its best weights are chosen; 0 for all.
        n_test: Most texts of every dev and test split that is measured on; 0 for all.
        n_task_train: Most texts of a task's train split that probes and neighbours learn from; 0 for all.
        n_tuning_train: Most texts of it that an encoder is fine-tuned on; 0 for all.
        batch_size: Of the trainings.
        learning_rate: Of the trainings.
        temperature: τ.
        fine_tuning_epochs: Passes over the texts that an encoder is fine-tuned on.
    """

    base: str = "minilm"
    base_revision: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (1, 2, 3)
    n_train: Size = 0
    n_dev: Size = 0
    n_test: Size = 0
    n_task_train: Size = 0
    n_tuning_train: Size = 2000
    batch_size: Annotated[int, Field(ge=8)] = 64
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    temperature: Annotated[float, Field(gt=0)] = 0.1
    fine_tuning_epochs: Annotated[int, Field(ge=1)] = 2


def describe_size(n_texts: int) -> str:
    """Return in words how many texts of a split are taken; 0 stands for all.

    Example:
        >>> describe_size(4000), describe_size(0)
        ('at most 4,000 texts', 'all texts')
    """
    return f"at most {n_texts:,} texts" if n_texts else "all texts"


def make_base(settings: SuiteSettings) -> Base:
    """Return the pre-trained encoder of a suite."""
    return Base(name=settings.base, revision=settings.base_revision, pooling=settings.pooling, max_tokens=MAX_TOKENS)


def make_encoder_section(settings: SuiteSettings, *, max_tokens: int) -> dict[str, Any]:
    """Return the section of a representation's recipe that names this encoder."""
    return {
        "name": settings.base,
        "revision": settings.base_revision,
        "pooling": settings.pooling,
        "max_tokens": max_tokens,
    }
