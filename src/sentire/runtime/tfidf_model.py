"""The fast tier: TF-IDF features, linear scores, calibration and cut-offs as one model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from sentire.core.errors import ArtifactError, ShapeError, UnknownNameError, UsageError, quote
from sentire.core.protocols import Context
from sentire.runtime.batches import iterate_batches
from sentire.runtime.calibration import Calibrator, parse_calibrator
from sentire.runtime.configured_model import ConfiguredModel
from sentire.runtime.judgement import Judgement
from sentire.runtime.language import find_english
from sentire.runtime.linear import LinearScorer
from sentire.runtime.model_folder import CONFIG_NAME, ModelConfig, read_config_file, write_model_folder
from sentire.runtime.texts import check_context, prepare_texts
from sentire.runtime.tfidf import TfidfFeatures

KIND = "tfidf-linear"

VOCABULARY_NAME = "vocabulary.json"
WEIGHTS_NAME = "weights.safetensors"


class TfidfModel(ConfiguredModel):
    """A linear model over TF-IDF features that answers with calibrated probabilities.

    Args:
        config: Name, label space, cut-offs and where the model comes from.
        features: The F features.
        scorer: The scores of the C labels.
        calibrator: From scores to probabilities.
        fingerprint: Of the files it was read from; empty for a model that was never saved.
    """

    uses_context = False
    has_vad = False

    def __init__(
        self,
        *,
        config: ModelConfig,
        features: TfidfFeatures,
        scorer: LinearScorer,
        calibrator: Calibrator,
        fingerprint: str = "",
    ) -> None:
        expected = (len(features), len(config.label_space))
        if scorer.weights.shape != expected:
            raise ShapeError(expected=f"weights of shape {expected}", got=f"shape {scorer.weights.shape}")
        super().__init__(config, fingerprint)
        self.features = features
        self.scorer = scorer
        self.calibrator = calibrator

    def find_context_start(self, context: str) -> int:
        """Return where the part of a context that is read begins, in characters: at its end, since none is read."""
        return len(context)

    def predict_logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the scores before calibration, shape (N, C)."""
        prepared = prepare_texts(texts)
        parts = [self.scorer.score(self.features.transform(prepared[part])) for part in iterate_batches(prepared)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.label_space)), np.float32)

    def judge(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> Judgement:
        """Return all that the model says of N texts.

        The context is accepted and has no influence: ``uses_context`` is False.

        Raises:
            DataError: An element is not a text.
            UsageError: There is not one context a text.
        """
        prepared = prepare_texts(texts)
        proba, is_known = self._score(prepared, context)
        return Judgement(proba=proba, vad=None, is_known=is_known, is_english=find_english(prepared))

    def predict_proba(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return calibrated probabilities, shape (N, C), float32 in [0, 1]."""
        # Without the language of the texts, which would take as long as the scores themselves.
        return self._score(prepare_texts(texts), context)[0]

    def _score(
        self, prepared: list[str], context: Sequence[Context] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        check_context(context, len(prepared))
        proba = np.zeros((len(prepared), len(self.label_space)), dtype=np.float32)
        is_known = np.zeros(len(prepared), dtype=np.bool_)
        for part in iterate_batches(prepared):
            rows = self.features.transform(prepared[part])
            proba[part] = self.calibrator.apply(self.scorer.score(rows))
            is_known[part] = rows.n_entries > 0
        return proba, is_known

    def save(self, folder: Path, *, card: str, precision: str = "float32") -> str:
        """Write the model as a folder without any pickle, and return its fingerprint.

        Args:
            folder: Created where it is not there; files of an earlier model in it are replaced.
            card: The model card, Markdown.
            precision: ``float32``, or ``float16`` for half the size; a float16 model must hold weights that are
                float16 numbers already, so that what is read again is what was saved, bit by bit.

        Raises:
            OutputError: The folder cannot be written.
            UsageError: The precision is unknown, or would change a weight.
        """
        arrays: dict[str, NDArray[Any]] = {
            "weights": self.scorer.weights,
            "bias": self.scorer.bias,
            "idf": self.features.idf,
        }
        if precision not in ("float32", "float16"):
            raise UsageError(expected="float32 or float16", got=quote(precision), where="precision")
        if precision == "float16":
            halved = self.scorer.weights.astype(np.float16)
            if not np.array_equal(halved.astype(np.float32), self.scorer.weights):
                raise UsageError(
                    expected="weights that float16 can hold",
                    got="finer ones",
                    hint="round them before fitting cut-offs",
                )
            arrays["weights"] = halved
        facts = {
            "features": {"tokeniser": self.features.tokeniser, "is_sublinear": self.features.is_sublinear},
            "calibration": self.calibrator.as_dict(),
        }
        files = {
            WEIGHTS_NAME: safetensors.numpy.save(arrays),
            VOCABULARY_NAME: orjson.dumps(self.features.terms),
        }
        self.fingerprint = write_model_folder(folder, KIND, self.config, facts=facts, files=files, card=card)
        return self.fingerprint


def read_tfidf_model(folder: Path, manifest: Mapping[str, Any]) -> TfidfModel:
    """Read a model from a folder whose files have been checked against its manifest.

    Raises:
        ArtifactError: A file does not hold what it should.
    """
    for name in (CONFIG_NAME, WEIGHTS_NAME, VOCABULARY_NAME):
        if name not in manifest["files"]:
            raise ArtifactError(expected=f"{name} in the manifest", got="no hash of it", where=str(folder))
    config, facts = read_config_file(folder)
    try:
        arrays = safetensors.numpy.load((folder / WEIGHTS_NAME).read_bytes())
        terms = orjson.loads((folder / VOCABULARY_NAME).read_bytes())
        with np.errstate(over="ignore"):  # a number that float32 cannot hold becomes infinite, and is refused as such
            weights, bias, idf = (arrays[name].astype(np.float32) for name in ("weights", "bias", "idf"))
        if not isinstance(terms, list) or not all(isinstance(term, str) and term for term in terms):
            raise ArtifactError(expected="a list of terms", got="another", where=str(folder / VOCABULARY_NAME))
        return TfidfModel(
            config=config,
            features=TfidfFeatures(
                tokeniser=facts["features"]["tokeniser"],
                terms=terms,
                idf=idf,
                is_sublinear=bool(facts["features"]["is_sublinear"]),
            ),
            scorer=LinearScorer(weights=weights, bias=bias),
            calibrator=parse_calibrator(facts["calibration"], len(config.label_space)),
            fingerprint=str(manifest["fingerprint"]),
        )
    except (
        OSError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        SafetensorError,
        ShapeError,
        UnknownNameError,
    ) as error:
        raise ArtifactError(
            expected=f"the files of a {KIND} model that fit together", got=str(error), where=str(folder)
        ) from error
