"""An augmentation from its configuration: data read, sources opened, rounds run, all calls in a ledger."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentire.augmentation.asked_sources import BackTranslationSource, RephraseSource
from sentire.augmentation.candidates import Source
from sentire.augmentation.config import AugmentationConfig, check_augmentation
from sentire.augmentation.rounds import Augmented, augment
from sentire.augmentation.rules import JudgeLabel, Rules
from sentire.augmentation.templates import TemplateSource
from sentire.classifiers.labelled import LabelledSplit, read_labelled
from sentire.core.errors import UsageError
from sentire.core.progress import OnProgress, stay_quiet
from sentire.llm.budget import Purse
from sentire.llm.caller import Caller
from sentire.llm.halt import Halt
from sentire.llm.load import load_provider
from sentire.llm.signals import heed_signals
from sentire.runtime.load import load
from sentire.storage.ledger import Ledger
from sentire.synthesis.definitions import read_definitions


def run_augmentation(
    settings: AugmentationConfig,
    base: Path,
    ledger: Ledger,
    *,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> tuple[Augmented, LabelledSplit]:
    """Make the rows of an augmentation; a run that was stopped finds its calls in the ledger.

    Args:
        settings: Of the augmentation.
        base: Folder that relative paths start from.
        ledger: Open.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told after every round.

    Returns:
        What was made, and the split that it was made for. Where a budget, a fault or a signal ended the job early, it
        says so, and what was answered is in the ledger.

    Raises:
        ConfigError, DataError, LabelError, GenerationError: As their messages say; nothing was asked yet.
        KeyboardInterrupt: What was under way was dropped, after a second signal.
    """
    check_augmentation(settings)
    train = read_labelled(settings.data.train, None, data_root)
    apart = [read_labelled(name, train.space, data_root) for name in settings.data.apart]
    known = {"in train": train.texts} | {f"in {one.name}": one.texts for one in apart}
    rules = Rules(
        settings.quality,
        known,
        is_english=settings.language.lower() == "english",
        judge=_load_judge(settings, train) if settings.quality.check_model else None,
    )
    return asyncio.run(_run(settings, base, ledger, train, rules, on_progress)), train


async def _run(
    settings: AugmentationConfig,
    base: Path,
    ledger: Ledger,
    train: LabelledSplit,
    rules: Rules,
    on_progress: OnProgress,
) -> Augmented:
    halt = Halt()
    async with _open_sources(settings, base, ledger, train, halt) as sources:
        with heed_signals(halt) as signals:
            try:
                made = await augment(
                    train, settings, sources, rules, on_progress=on_progress, is_ending=lambda: halt.is_called
                )
            except asyncio.CancelledError as dropped:
                raise KeyboardInterrupt from dropped
    if made.is_whole:
        return made
    return replace(made, stopped=halt.reason, signal=signals[0] if signals else 0)


@asynccontextmanager
async def _open_sources(
    settings: AugmentationConfig, base: Path, ledger: Ledger, train: LabelledSplit, halt: Halt
) -> AsyncIterator[list[Source]]:
    if settings.provider is None:
        yield [TemplateSource(settings.seed)]
        return
    provider = load_provider(settings.provider, folder=base)
    try:
        await provider.check()
        caller = Caller(
            provider,
            ledger,
            Purse(settings.budget, ledger.sum_spent()),
            retries=settings.retries,
            most_in_flight=settings.limits.in_flight,
            halt=halt,
            seed=settings.seed,
        )
        made: dict[str, Callable[[], Source]] = {
            "templates": lambda: TemplateSource(settings.seed),
            "rephrase": lambda: RephraseSource(settings, caller, read_definitions(train.space)),
            "back-translation": lambda: BackTranslationSource(settings, caller),
        }
        yield [made[name]() for name in settings.sources]
    finally:
        await provider.close()


def _load_judge(settings: AugmentationConfig, train: LabelledSplit) -> JudgeLabel:
    model = load(settings.quality.check_model)
    if model.label_space.labels != train.space.labels:
        raise UsageError(
            expected=f"a model that answers in {train.space.id}",
            got=model.label_space.id,
            where="quality.check_model",
            hint="name a model of these labels, or leave it empty: labels are then not checked",
        )

    def judge(texts: Sequence[str], labels: Sequence[str]) -> NDArray[np.float64]:
        proba = np.asarray(model.predict_proba(list(texts)), dtype=np.float64)
        columns = [model.label_space.index(label) for label in labels]
        return np.asarray(proba[np.arange(len(texts)), columns])

    return judge
