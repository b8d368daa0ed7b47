"""A search for the settings of an encoder's recipe that are best on dev.

What is tried next depends on the seed, on the number of the trial and on the results before it, and on nothing else:
a search that was stopped goes on as if it had not been, and no finished trial is run again. Its memory is
``tuning.json``, which is also its result; the study that chooses is built from it anew for every trial.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from sentire._version import __version__
from sentire.core.config import dump_config, fingerprint
from sentire.core.errors import ArtifactError, ConfigError, MissingExtraError, TrainingError, UsageError, describe
from sentire.core.progress import OnProgress, stay_quiet
from sentire.core.seeding import make_generator
from sentire.encoders.sources import EncoderFiles, find_encoder
from sentire.runtime.model_folder import CHECKPOINTS_NAME
from sentire.storage.atomic import make_directory, write_bytes, write_json
from sentire.storage.locks import hold_lock
from sentire.training.earlier_run import identify_start
from sentire.training.recipe import EncoderRecipe, check_recipe
from sentire.training.recipe_file import render_recipe, render_value
from sentire.training.search_space import (
    SearchSpace,
    Setting,
    apply_settings,
    check_search_space,
    choose_settings,
    get_own_settings,
)
from sentire.training.sources import Sources, read_sources
from sentire.training.train import ask_teachers, check_space, fit_encoder

try:
    import optuna
except ImportError as error:
    raise MissingExtraError(extra="train", needed_for="a search for settings") from error

TUNING_FORMAT = "sentire-tuning"
TUNING_VERSION = 1
TUNING_NAME = "tuning.json"
BEST_RECIPE_NAME = "best.toml"

N_RANDOM = 5
"""Trials that are drawn at random, or are the recipe's own settings, before earlier results say where to look."""

N_UNPRUNED = 4
"""Complete trials that there must be before one is ended early."""

_FORMAT = (TUNING_FORMAT, TUNING_VERSION)

TrialState = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training of the search.

    Attributes:
        number: From 1 on.
        state: Complete; pruned, which is ended early since it was worse than the median of the complete ones after as
            many evaluations; or failed, since its loss was no number any more.
        score: Best dev score; None where nothing was measured.
        settings: Values by their dotted keys in the recipe.
        evaluations: Every evaluation on dev, in order.
        reason: Why it failed.
    """

    number: int
    state: TrialState
    score: float | None
    settings: dict[str, Setting]
    evaluations: list[dict[str, Any]]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What a search found.

    Attributes:
        name: Of the recipe.
        metric: By which trials are compared.
        data: On which: the recipe's dev split.
        seed: Of the search.
        fingerprint: Of recipe, space, seed, data, version and the weights of the start: only the same search may go on.
        recipe: That was started from, as plain data.
        space: That was searched, as plain data.
        trials: In the order in which they ran.
    """

    name: str
    metric: str
    data: str
    seed: int
    fingerprint: str
    recipe: dict[str, Any]
    space: dict[str, Any]
    trials: list[Trial] = field(default_factory=list)

    @property
    def ranking(self) -> list[Trial]:
        """The trials from the best to the worst: complete ones, then pruned, then failed."""
        order = {"complete": 0, "pruned": 1, "failed": 2}
        return sorted(
            self.trials,
            key=lambda trial: (order[trial.state], -(-np.inf if trial.score is None else trial.score), trial.number),
        )

    @property
    def best(self) -> Trial | None:
        """The complete trial with the best score, the earliest of equals; None where none is complete."""
        first = next(iter(self.ranking), None)
        return first if first is not None and first.state == "complete" else None

    def count(self, state: TrialState) -> int:
        """Return how many trials ended in a state."""
        return sum(trial.state == state for trial in self.trials)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of ``tuning.json``: the trials from best to worst."""
        best = self.best
        return {
            "format": TUNING_FORMAT,
            "format_version": TUNING_VERSION,
            **{key: value for key, value in asdict(self).items() if key != "trials"},
            "n_trials": {state: self.count(state) for state in ("complete", "pruned", "failed")},
            "best": None if best is None else {"number": best.number, "set": render_settings(best.settings)},
            "trials": [asdict(trial) for trial in self.ranking],
        }


def render_settings(settings: Mapping[str, Setting]) -> list[str]:
    """Return settings as values of ``--set``."""
    return [f"{key}={render_value(value)}" for key, value in settings.items()]


def name_trial_folder(output: Path, number: int) -> Path:
    """Return where a trial's checkpoints stand: inside a folder that ``sentire train`` can finish to a model."""
    return output / f"trial-{number}"


def tune_encoder(
    recipe: EncoderRecipe,
    output: Path,
    *,
    space: SearchSpace | None = None,
    n_trials: int = 20,
    seed: int = 0,
    data_root: Path | None = None,
    on_progress: OnProgress = stay_quiet,
) -> Tuning:
    """Search the settings that are best on dev; the test split is not read.

    The first trial has the recipe's own settings where they lie in the space; the next are drawn at random, later ones
    by the tree-structured Parzen estimator from the results so far. A trial that is worse than the median of the
    complete ones after as many evaluations is ended early. Trials are trained, not exported; of the best one the
    checkpoints stay, so that ``sentire train OUTPUT/best.toml --output OUTPUT/trial-N`` makes its model at once.

    Source: Bergstra, Bardenet, Bengio and Kégl 2011, Algorithms for hyper-parameter optimization, section 4, as Optuna
    implements it; the median rule of Golovin et al. 2017, Google Vizier, section 3.2.

    Args:
        recipe: Whose other settings all trials share.
        output: Folder of the search; gets ``tuning.json``, ``best.toml`` and the checkpoints of the best trial.
        space: What may be chosen; None for the default.
        n_trials: In all, those of earlier runs included: a larger number goes on with a finished search.
        seed: Of the choices. The trials' own seed is the recipe's.
        data_root: Where the corpora are; found by itself where None.
        on_progress: Told what is going on.

    Raises:
        ConfigError: The recipe or the space makes no sense.
        UsageError: There is to be no trial.
        ArtifactError: The folder holds another search.
        TrainingError: No trial ended well.
        DataError, UnknownNameError, OutputError: As their messages say.
    """
    check_recipe(recipe)
    if recipe.folds.n_folds:
        raise ConfigError(
            expected="a recipe with data.dev, where the search measures",
            got=f"{recipe.folds.n_folds} folds",
            where=f"folds.n_folds of {recipe.name}",
        )
    space = SearchSpace() if space is None else space
    check_search_space(space, recipe)
    if n_trials < 1:
        raise UsageError(expected="at least 1 trial", got=str(n_trials), where="n_trials")
    on_progress(0, None, "reading")
    sources = read_sources(recipe.data, data_root)
    check_space(recipe, sources)
    files = find_encoder(
        recipe.encoder.name, revision=recipe.encoder.revision, weights_sha256=recipe.encoder.weights_sha256
    )
    start = identify_start(Path(recipe.encoder.start)) if recipe.encoder.start else None
    make_directory(output)
    with hold_lock(output, holder="search"):
        soft_labels = ask_teachers(recipe, sources, on_progress)
        tuning = Tuning(
            name=recipe.name,
            metric=recipe.optimisation.metric,
            data=recipe.data.dev,
            seed=seed,
            fingerprint=_fingerprint(recipe, space, seed, files, start, sources, soft_labels),
            recipe=dump_config(recipe),
            space=dump_config(space),
        )
        tuning.trials.extend(_read_trials(output / TUNING_NAME, tuning.fingerprint))
        _Search(recipe, space, sources, files, start, soft_labels, output, tuning, on_progress).run(n_trials)
    if tuning.best is None:
        raise TrainingError(
            expected="a trial that ends with a finite loss",
            got=f"none in {len(tuning.trials)}",
            where=str(output / TUNING_NAME),
            hint="search lower learning rates",
        )
    return tuning


class _Search:
    def __init__(
        self,
        recipe: EncoderRecipe,
        space: SearchSpace,
        sources: Sources,
        files: EncoderFiles,
        start: str | None,
        soft_labels: dict[str, NDArray[np.float32]],
        output: Path,
        tuning: Tuning,
        on_progress: OnProgress,
    ) -> None:
        self._recipe, self._space = recipe, space
        self._sources, self._files, self._start, self._soft_labels = sources, files, start, soft_labels
        self._output, self._tuning, self._on_progress = output, tuning, on_progress

    def run(self, n_trials: int) -> None:
        trials = self._tuning.trials
        self._tidy()
        while len(trials) < n_trials:
            with _quiet_library():
                trials.append(self._run_trial(f"trial {len(trials) + 1} of {n_trials}"))
            self._write()
            self._tidy()

    def _run_trial(self, title: str) -> Trial:
        number = len(self._tuning.trials) + 1
        study = self._make_study(number)
        own = get_own_settings(self._space, self._recipe) if number == 1 else None
        if own is not None:
            study.enqueue_trial(own)
        asked = study.ask()
        settings = choose_settings(self._space, asked)
        recipe = apply_settings(self._recipe, settings)
        judge = _Judge(asked, recipe)
        checkpoints = make_directory(name_trial_folder(self._output, number) / CHECKPOINTS_NAME)
        try:
            _, _, trained = fit_encoder(
                recipe,
                self._files,
                self._sources,
                checkpoints,
                soft_labels=self._soft_labels,
                start_mark=self._start,
                on_progress=_prefix(self._on_progress, title, self._tuning),
                on_evaluation=judge,
            )
        except TrainingError as error:
            # What an earlier run had measured before it was stopped is not in the error; a failed trial is not judged.
            return Trial(
                number=number, state="failed", score=None, settings=settings, evaluations=[], reason=str(error)
            )
        progress = trained.progress
        return Trial(
            number=number,
            # Asked once more: an earlier run may have ended the trial, and been stopped before it could note that.
            state="pruned" if judge(progress.evaluations) else "complete",
            score=progress.best_score,
            settings=settings,
            evaluations=progress.evaluations,
        )

    def _make_study(self, number: int) -> Any:
        """Make a study that knows the trials so far, with a sampler of its own for the next one."""
        draw = make_generator(self._tuning.seed, f"settings of trial {number}")
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=int(draw.integers(2**31)), n_startup_trials=N_RANDOM),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=N_UNPRUNED),
        )
        states = {name: optuna.trial.TrialState[name.upper()] for name in ("complete", "pruned")}
        states["failed"] = optuna.trial.TrialState.FAIL
        for trial in self._tuning.trials:
            noted = _Noted(trial.settings)
            choose_settings(self._space, noted)
            study.add_trial(
                optuna.trial.create_trial(
                    state=states[trial.state],
                    value=trial.score if trial.state == "complete" else None,
                    params=trial.settings,
                    distributions=noted.distributions,
                    intermediate_values={
                        place: row[self._tuning.metric] for place, row in enumerate(trial.evaluations, start=1)
                    },
                )
            )
        return study

    def _write(self) -> None:
        best = self._tuning.best
        if best is not None:
            recipe = apply_settings(self._recipe, best.settings)
            comment = f"The best of {len(self._tuning.trials)} trials of sentire tune: number {best.number}."
            write_bytes(self._output / BEST_RECIPE_NAME, render_recipe(recipe, comment=comment).encode())
        write_json(self._output / TUNING_NAME, self._tuning.as_dict())

    def _tidy(self) -> None:
        """Remove the checkpoints of all finished trials but the best."""
        best = self._tuning.best
        for trial in self._tuning.trials:
            if best is None or trial.number != best.number:
                shutil.rmtree(name_trial_folder(self._output, trial.number), ignore_errors=True)


class _Judge:
    """Tells the study what a trial has reached and says whether to end it; never at its last evaluation."""

    def __init__(self, trial: Any, recipe: EncoderRecipe) -> None:
        self._trial = trial
        self._metric = recipe.optimisation.metric
        self._n_all = recipe.optimisation.n_epochs * recipe.optimisation.n_evaluations
        self._n_told = 0

    def __call__(self, evaluations: Sequence[Mapping[str, Any]]) -> bool:
        for row in evaluations[self._n_told :]:
            self._n_told += 1
            self._trial.report(row[self._metric], self._n_told)
        return len(evaluations) < self._n_all and bool(self._trial.should_prune())


class _Noted:
    """Answers with the settings of a finished trial, and notes what they were chosen from."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self.distributions: dict[str, Any] = {}
        self._settings = settings

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        self.distributions[name] = optuna.distributions.FloatDistribution(low, high, log=log)
        return float(self._settings[name])

    def suggest_categorical(self, name: str, choices: tuple[Any, ...]) -> Any:
        self.distributions[name] = optuna.distributions.CategoricalDistribution(choices)
        return self._settings[name]


def _read_trials(path: Path, expected_fingerprint: str) -> list[Trial]:
    if not path.exists():
        return []
    try:
        content = orjson.loads(path.read_bytes())
        if not isinstance(content, dict) or (content.get("format"), content.get("format_version")) != _FORMAT:
            raise ArtifactError(expected=f"{TUNING_FORMAT} version {TUNING_VERSION}", got="another", where=str(path))
        if content.get("fingerprint") != expected_fingerprint:
            raise ArtifactError(
                expected="a search of this very recipe, space, seed, data and version",
                got=f"another one (fingerprint {content.get('fingerprint')}, this is {expected_fingerprint})",
                where=str(path),
                hint="choose another output folder, or delete this one to begin again",
            )
        trials = TypeAdapter(list[Trial]).validate_python(content["trials"])
    except OSError as error:
        raise ArtifactError(expected="a readable search", got=describe(error), where=str(path)) from error
    except (orjson.JSONDecodeError, KeyError, ValidationError) as error:
        raise ArtifactError(
            expected="a whole search", got=str(error).splitlines()[0], where=str(path), hint="delete it to begin again"
        ) from error
    return sorted(trials, key=lambda trial: trial.number)


def _fingerprint(
    recipe: EncoderRecipe,
    space: SearchSpace,
    seed: int,
    files: EncoderFiles,
    start: str | None,
    sources: Sources,
    soft_labels: Mapping[str, NDArray[np.float32]],
) -> str:
    parts = [__version__, fingerprint(recipe), fingerprint(space), seed, files.weights_sha256, sources.fingerprint]
    if start is not None:
        parts.append(start)
    digest = hashlib.sha256(orjson.dumps(parts))
    for name, proba in sorted(soft_labels.items()):
        digest.update(name.encode())
        digest.update(proba.tobytes())
    return digest.hexdigest()[:16]


def _prefix(on_progress: OnProgress, title: str, tuning: Tuning) -> OnProgress:
    best = tuning.best
    reached = "" if best is None else f" (best {best.score:.4f})"

    def tell(n_done: int, n_total: int | None, note: str) -> None:
        on_progress(n_done, n_total, f"{title}{reached}, {note}")

    return tell


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Keep the library's own lines off the terminal."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
