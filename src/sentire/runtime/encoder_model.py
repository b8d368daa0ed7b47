"""The embedded tier: a fine-tuned encoder in ONNX, with calibration and cut-offs, as one model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentire.core.affect import VAD_UNIT
from sentire.core.errors import ArtifactError, SentireError, UsageError, quote
from sentire.core.protocols import Context
from sentire.runtime.batches import iterate_batches
from sentire.runtime.calibration import Calibrator, parse_calibrator
from sentire.runtime.configured_model import ConfiguredModel
from sentire.runtime.encoder_batches import count_cores, plan_batches, run_batches
from sentire.runtime.encoder_settings import EncoderSettings, parse_encoder_settings
from sentire.runtime.encoder_tokens import TextTokens, TokenRows
from sentire.runtime.judgement import Course, Judgement
from sentire.runtime.language import find_english
from sentire.runtime.model_folder import CONFIG_NAME, ModelConfig, read_config_file
from sentire.runtime.onnx_files import EMBEDDING, LOGITS, VAD, EncoderGraph, read_onnx_file
from sentire.runtime.texts import check_context, is_beginning_left_out, prepare_contexts, prepare_texts

KIND = "encoder"

ONNX_NAME = "model.onnx"
TOKENIZER_NAME = "tokenizer.json"


class EncoderModel(ConfiguredModel):
    """An encoder that answers with calibrated probabilities, affect and embeddings.

    The same text gets the same answer alone, in any batch and in any order: rows are computed together only where
    they are equally long, so that nothing depends on padding. A text that does not fit into ``max_tokens`` is judged
    in overlapping windows, each with the context, and its answer is their mean.

    May be asked from several threads at once.

    Args:
        config: Name, label space, cut-offs and where the model comes from.
        tokens: Makes rows of tokens of texts.
        graph: Makes logits, affect and embeddings of rows.
        calibrator: From logits to probabilities.
        has_vad: Whether the graph answers with valence, arousal and dominance.
        fingerprint: Of the files it was read from.
        n_threads: How many batches are computed at once; None for as many as there are cores.

    Raises:
        UsageError: The number of threads is none.
    """

    def __init__(
        self,
        *,
        config: ModelConfig,
        tokens: TextTokens,
        graph: EncoderGraph,
        calibrator: Calibrator,
        has_vad: bool,
        fingerprint: str = "",
        n_threads: int | None = None,
    ) -> None:
        super().__init__(config, fingerprint)
        self.calibrator = calibrator
        self.has_vad = has_vad
        self.n_threads = count_cores() if n_threads is None else check_threads(n_threads)
        self._tokens = tokens
        self._graph = graph

    @property
    def settings(self) -> EncoderSettings:
        """How the model reads texts."""
        return self._tokens.settings

    @property
    def uses_context(self) -> bool:
        """Whether a context changes the answer."""
        return self.settings.uses_context

    @property
    def n_dimensions(self) -> int:
        """D, the length of an embedding."""
        return self._graph.n_dimensions

    def find_context_start(self, context: str) -> int:
        """Return where the part of a prepared context that is read begins, in characters."""
        return self._tokens.find_context_start(context)

    def predict_logits(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return the scores before calibration, shape (N, C); of a text in windows, their mean."""
        return self._collect(texts, context, LOGITS, len(self.label_space))

    def embed(self, texts: Sequence[str], context: Sequence[Context] | None = None) -> NDArray[np.float32]:
        """Return the vector from which the model judges each text, shape (N, D); of a text in windows, their mean.

        Raises:
            DataError: An element is not a text.
            UsageError: There is not one context a text.
        """
        return self._collect(texts, context, EMBEDDING, self.n_dimensions)

    def judge(self, texts: Sequence[str], *, context: Sequence[Context] | None = None) -> Judgement:
        """Return all that the model says of N texts.

        The probabilities of a text in windows are the mean of the windows' calibrated ones, each by its share of the
        text's tokens (a token in k windows counts 1/k in each), and so is its affect.

        Raises:
            DataError: An element, or a turn of a context, is not a text.
            UsageError: There is not one context a text.
        """
        prepared = prepare_texts(texts)
        n_texts = len(prepared)
        given = check_context(context, n_texts)
        contexts = prepare_contexts(given, n_texts)
        proba = np.zeros((n_texts, len(self.label_space)), dtype=np.float32)
        vad = np.zeros((n_texts, 3), dtype=np.float32) if self.has_vad else None
        is_known, is_context_cut = np.zeros(n_texts, dtype=np.bool_), np.zeros(n_texts, dtype=np.bool_)
        courses: list[Course | None] = [None] * n_texts
        for part in iterate_batches(prepared):
            rows = self._tokenise(prepared, contexts, part)
            logits, *rest = self._run(rows, [LOGITS, VAD] if self.has_vad else [LOGITS])
            row_proba = self.calibrator.apply(logits)
            row_vad = np.clip(rest[0], VAD_UNIT.low, VAD_UNIT.high) if rest else None
            proba[part] = np.clip(rows.average(row_proba), 0.0, 1.0)
            if vad is not None and row_vad is not None:
                vad[part] = rows.average(row_vad)
            is_known[part], is_context_cut[part] = rows.is_known, rows.is_context_cut
            if given is not None:
                # Few tokens may be left where the end that was prepared is mostly blank.
                is_context_cut[part] |= [is_beginning_left_out(one) for one in given[part]]
            for text, spans in rows.spans.items():
                windows = rows.rows_of(text)
                courses[part.start + text] = Course(
                    spans=spans,
                    proba=row_proba[windows],
                    vad=None if row_vad is None else row_vad[windows],
                )
        return Judgement(
            proba=proba,
            vad=vad,
            is_known=is_known,
            is_english=find_english(prepared),
            is_context_cut=is_context_cut if contexts is not None and self.uses_context else None,
            course=tuple(courses) if any(course is not None for course in courses) else None,
        )

    def _collect(
        self, texts: Sequence[str], context: Sequence[Context] | None, output: str, width: int
    ) -> NDArray[np.float32]:
        prepared, contexts = _prepare(texts, context)
        collected = np.zeros((len(prepared), width), dtype=np.float32)
        for part in iterate_batches(prepared):
            rows = self._tokenise(prepared, contexts, part)
            collected[part] = rows.average(self._run(rows, [output])[0])
        return collected

    def _tokenise(self, prepared: list[str], contexts: list[str] | None, part: slice) -> TokenRows:
        return self._tokens.tokenise(
            prepared[part], None if contexts is None else contexts[part], n_threads=self.n_threads
        )

    def _run(self, rows: TokenRows, names: list[str]) -> list[NDArray[np.float32]]:
        """Return the named outputs of every row, in the order of the rows."""
        batches = plan_batches(rows.lengths, self.n_threads)
        answers = run_batches(
            lambda chosen: self._graph.run(names, self._tokens.make_batch(rows, chosen)), batches, self.n_threads
        )
        collected = []
        for column in range(len(names)):
            values = np.empty((len(rows.owners), answers[0][column].shape[1]), dtype=np.float32)
            for chosen, answer in zip(batches, answers, strict=True):
                values[chosen] = answer[column]
            collected.append(values)
        return collected


def check_threads(n_threads: object) -> int:
    """Return a number of threads after making sure that it is one.

    Raises:
        UsageError: It is no whole number of at least 1.
    """
    if not isinstance(n_threads, int) or isinstance(n_threads, bool) or n_threads < 1:
        raise UsageError(expected="at least 1 thread, or None for one a core", got=quote(n_threads), where="n_threads")
    return n_threads


def _prepare(texts: Sequence[str], context: Sequence[Context] | None) -> tuple[list[str], list[str] | None]:
    prepared = prepare_texts(texts)
    return prepared, prepare_contexts(context, len(prepared))


def read_encoder_model(folder: Path, manifest: Mapping[str, Any], *, n_threads: int | None = None) -> EncoderModel:
    """Read a model from a folder whose files have been checked against its manifest.

    Args:
        folder: Of the model.
        manifest: As ``read_model_manifest`` returns it.
        n_threads: As in ``EncoderModel``.

    Raises:
        ArtifactError: A file does not hold what it should, or is not safe to load.
        UsageError: The number of threads is none.
    """
    from sentire.storage.tokenizer_files import read_tokenizer

    if n_threads is not None:
        check_threads(n_threads)
    for name in (CONFIG_NAME, ONNX_NAME, TOKENIZER_NAME):
        if name not in manifest["files"]:
            raise ArtifactError(expected=f"{name} in the manifest", got="no hash of it", where=str(folder))
    config, facts = read_config_file(folder)
    try:
        settings = parse_encoder_settings(facts.get("encoder"))
        calibrator = parse_calibrator(facts["calibration"], len(config.label_space))
        has_vad = _read_affect(facts["affect"])
    except (AttributeError, KeyError, TypeError, ValueError, SentireError) as error:
        raise ArtifactError(
            expected=f"the configuration of a model of the kind {KIND}", got=str(error), where=str(folder / CONFIG_NAME)
        ) from error
    where = str(folder / TOKENIZER_NAME)
    tokens = TextTokens(read_tokenizer(folder / TOKENIZER_NAME, where=where), settings, where=where)
    graph = EncoderGraph(
        read_onnx_file(folder / ONNX_NAME),
        n_labels=len(config.label_space),
        has_vad=has_vad,
        probe=tokens.make_probe(),
        where=str(folder / ONNX_NAME),
    )
    return EncoderModel(
        config=config,
        tokens=tokens,
        graph=graph,
        calibrator=calibrator,
        has_vad=has_vad,
        fingerprint=str(manifest["fingerprint"]),
        n_threads=n_threads,
    )


def _read_affect(affect: Any) -> bool:
    """Return whether the model answers with affect, which is on the unit scale or on none."""
    if affect is None:
        return False
    if not isinstance(affect, Mapping) or affect.get("scale") != VAD_UNIT.id:
        raise ArtifactError(expected=f"affect on the scale {VAD_UNIT.id}, or null", got=quote(affect))
    return True
