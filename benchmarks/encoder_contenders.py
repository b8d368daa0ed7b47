"""What `encoder_speed.py` compares: each contender as something that can be run again and again.

They live in worker processes, one for each library and number of cores, so that no library's threads, settings and
memory stand in another's way. A worker may use only its cores, has everything loaded and warm, and does nothing until
it is asked to run one contender once.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Run = Callable[[Sequence[str]], Any]

INT8, FLOAT32 = "sentire-int8", "sentire-float32"
PLAIN_INT8, PLAIN_FLOAT32 = "onnxruntime-int8", "onnxruntime-float32"
PIPELINE, ROBERTA = "pipeline", "roberta"
SENTENCE_TRANSFORMERS = "sentence-transformers"
PEAK_INT8, PEAK_FLOAT32 = "peak-int8", "peak-float32"

PIPELINE_BATCHES = (1, 8, 32, 64)
ROBERTA_BATCHES = (1, 32)
SENTENCE_BATCH = 32

N_WARM_TEXTS = 24
PEAK_SHAPES = ((512, 1024, 1024), (1024, 1024, 1024), (1024, 2048, 1024))
"""Rows, inner size and columns of the matrix products that are tried as the machine's best."""

_PEAK_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a worker needs to know.

    Attributes:
        library: ``onnxruntime`` or ``torch``.
        cores: The processors that it may use.
        int8_folder: Model folder with the int8 graph.
        float32_folder: The same weights in float32.
        texts: For each contender.
        seed: Of the random weights of the large encoder.
    """

    library: str
    cores: tuple[int, ...]
    int8_folder: str
    float32_folder: str
    texts: Mapping[str, Sequence[str]]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a worker says when it is warm.

    Attributes:
        names: Its contenders.
        proba: What those that hold the model's weights say of the first texts, before calibration, shape (N, C) each.
        operations: Additions and multiplications of one run, for those that only multiply matrices.
        versions: Of the library.
    """

    names: tuple[str, ...]
    proba: Mapping[str, Floats]
    operations: Mapping[str, int]
    versions: Mapping[str, str]


class Worker:
    """A process that runs contenders when asked."""

    def __init__(self, plan: Plan) -> None:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, plan), daemon=True)
        # A process begins with the cores of the one that starts it, and so do the threads of its libraries.
        allowed = _use_cores(plan.cores)
        try:
            self._process.start()
        finally:
            _use_cores(allowed)
        theirs.close()

    def wait_ready(self) -> Ready:
        """Wait until everything is loaded and warm."""
        ready: Ready = self._receive()
        return ready

    def run(self, name: str) -> float:
        """Run a contender once over its texts and return the seconds."""
        self._connection.send(name)
        seconds: float = self._receive()
        return seconds

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            raise SystemExit("a worker ended; its error stands above") from None


def choose_cores(n_cores: int) -> tuple[int, ...]:
    """Return the first so many of the processors that this process may use."""
    if not hasattr(os, "sched_getaffinity"):
        return tuple(range(n_cores))
    return tuple(sorted(os.sched_getaffinity(0))[:n_cores])


def _use_cores(cores: Sequence[int]) -> tuple[int, ...]:
    """Keep this process to some processors, where the system can, and return those it had before."""
    if not hasattr(os, "sched_setaffinity"):  # there, the number of threads alone is what limits a library
        return ()
    before = tuple(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores)
    return before


def _serve(connection: Connection, plan: Plan) -> None:
    # Said outright: the pipeline of transformers would switch the tokenizers' own threads off for good.
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if len(plan.cores) > 1 else "false"
    os.environ["HF_HUB_OFFLINE"] = "1"
    contenders = _Torch(plan) if plan.library == "torch" else _Onnxruntime(plan)
    for name, run in contenders.runs.items():
        run(plan.texts.get(name, ())[:N_WARM_TEXTS])
    connection.send(contenders.describe())
    while True:
        try:
            name = connection.recv()
        except EOFError:
            return
        run, texts = contenders.runs[name], plan.texts.get(name, ())
        started = time.perf_counter()
        run(texts)
        connection.send(time.perf_counter() - started)


class _Onnxruntime:
    """The runtime, onnxruntime by itself, and the best that onnxruntime makes of this machine."""

    def __init__(self, plan: Plan) -> None:
        import onnxruntime

        import sentire

        self._texts, self._version = plan.texts, onnxruntime.__version__
        self._models = {
            INT8: sentire.load(plan.int8_folder, n_threads=len(plan.cores)),
            FLOAT32: sentire.load(plan.float32_folder, n_threads=len(plan.cores)),
        }
        self.runs: dict[str, Run] = {name: model.predict_proba for name, model in self._models.items()}
        for name, folder in ((PLAIN_INT8, plan.int8_folder), (PLAIN_FLOAT32, plan.float32_folder)):
            self.runs[name] = _make_plain_run(Path(folder), len(plan.cores))
        self._operations: dict[str, int] = {}
        if len(plan.cores) == 1:
            for name in (PEAK_INT8, PEAK_FLOAT32):
                self.runs[name], self._operations[name] = _make_peak_run(is_integer=name == PEAK_INT8)

    def describe(self) -> Ready:
        """Say what there is."""
        texts = list(self._texts[INT8][:N_WARM_TEXTS])
        proba = {name: _squash(model.predict_logits(texts)) for name, model in self._models.items()}
        return Ready(
            names=tuple(self.runs),
            proba=proba,
            operations=self._operations,
            versions={"onnxruntime": self._version},
        )


def _make_plain_run(folder: Path, n_threads: int) -> Run:
    """The graph of a model in a session as it comes: one text at a time, in the order of the texts, without padding."""
    import onnxruntime
    from tokenizers import Tokenizer

    from sentire.runtime.encoder_model import ONNX_NAME, TOKENIZER_NAME

    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_NAME))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    session = onnxruntime.InferenceSession(
        (folder / ONNX_NAME).read_bytes(), options, providers=["CPUExecutionProvider"]
    )

    def run(texts: Sequence[str]) -> Floats:
        rows = []
        for text in texts:
            ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
            feed = {
                "input_ids": ids,
                "token_type_ids": np.zeros_like(ids),
                "pooling_weights": np.full(ids.shape, 1 / ids.shape[1], dtype=np.float32),
            }
            rows.append(_squash(session.run(["logits"], feed)[0]))
        return np.concatenate(rows)

    return run


def _make_peak_run(*, is_integer: bool) -> tuple[Run, int]:
    """Return a run of large matrix products of the shape in which onnxruntime is fastest, and its operations."""
    runs = [_make_product(shape, is_integer=is_integer) for shape in PEAK_SHAPES]

    def rate(run: Callable[[], Any], operations: int) -> float:
        run()
        started = time.perf_counter()
        run()
        return operations / (time.perf_counter() - started)

    rates = [max(rate(*run) for _ in range(3)) for run in runs]
    best = int(np.argmax(rates))
    product, operations = runs[best]
    n_times = max(3, round(_PEAK_SECONDS * rates[best] / operations))

    def run(_: Sequence[str]) -> None:
        for _ in range(n_times):
            product()

    return run, n_times * operations


def _make_product(shape: tuple[int, int, int], *, is_integer: bool) -> tuple[Callable[[], Any], int]:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    n_rows, n_inner, n_columns = shape
    rng = np.random.default_rng(0)
    if is_integer:  # seven bits, as the weights of our graphs
        operator, kinds = "MatMulInteger", (TensorProto.UINT8, TensorProto.INT32)
        left = rng.integers(0, 256, (n_rows, n_inner), dtype=np.uint8)
        right: NDArray[Any] = rng.integers(-64, 64, (n_inner, n_columns), dtype=np.int8)
    else:
        operator, kinds = "MatMul", (TensorProto.FLOAT, TensorProto.FLOAT)
        left = rng.standard_normal((n_rows, n_inner), dtype=np.float32)
        right = rng.standard_normal((n_inner, n_columns), dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node(operator, ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", kinds[0], left.shape)],
        [helper.make_tensor_value_info("product", kinds[1], (n_rows, n_columns))],
        [numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"left": left}), 2 * n_rows * n_inner * n_columns


class _Torch:
    """The pipeline of transformers, with the model's weights and with a larger encoder, and sentence-transformers."""

    def __init__(self, plan: Plan) -> None:
        import torch
        import transformers

        torch.set_num_threads(len(plan.cores))
        torch.manual_seed(plan.seed)
        # The pipeline complains of classes that are not its own; it runs them all the same.
        transformers.logging.set_verbosity(transformers.logging.CRITICAL)
        transformers.logging.disable_progress_bar()
        self._texts = plan.texts
        self.runs: dict[str, Run] = {}
        small, large = _make_pipelines(Path(plan.int8_folder))
        self._small = small
        for name, pipeline, sizes in ((PIPELINE, small, PIPELINE_BATCHES), (ROBERTA, large, ROBERTA_BATCHES)):
            for size in sizes:
                self.runs[f"{name}-{size}"] = _make_pipeline_run(pipeline, size)
        self._versions = {"torch": torch.__version__, "transformers": transformers.__version__}
        self._add_sentence_transformers()

    def _add_sentence_transformers(self) -> None:
        try:
            import sentence_transformers
        except ImportError:
            return
        from sentire.encoders.sources import find_encoder

        model = sentence_transformers.SentenceTransformer(str(find_encoder("minilm").folder), device="cpu")
        self.runs[SENTENCE_TRANSFORMERS] = lambda texts: model.encode(
            list(texts), batch_size=SENTENCE_BATCH, show_progress_bar=False
        )
        self._versions["sentence-transformers"] = sentence_transformers.__version__

    def describe(self) -> Ready:
        """Say what there is."""
        columns = self._small.model.config.label2id
        answers = self._small(list(self._texts[INT8][:N_WARM_TEXTS]), top_k=None, function_to_apply="sigmoid")
        proba = np.zeros((len(answers), len(columns)), dtype=np.float32)
        for row, scores in enumerate(answers):
            for score in scores:
                proba[row, columns[score["label"]]] = score["score"]
        return Ready(names=tuple(self.runs), proba={PIPELINE: proba}, operations={}, versions=self._versions)


def _make_pipeline_run(pipeline: Any, batch_size: int) -> Run:
    return lambda texts: pipeline(list(texts), batch_size=batch_size, top_k=None, function_to_apply="sigmoid")


def _make_pipelines(folder: Path) -> tuple[Any, Any]:
    """Return the pipeline with the weights of a model, and one with a roberta-base of random weights."""
    import torch
    import transformers
    from transformers.modeling_outputs import SequenceClassifierOutput

    from graph_weights import read_weights
    from sentire.runtime.encoder_model import ONNX_NAME, TOKENIZER_NAME
    from sentire.runtime.model_folder import read_config_file

    class MeanPooledClassifier(transformers.BertPreTrainedModel):  # type: ignore[misc]
        """BertForSequenceClassification with the mean over the tokens in place of the pooler over the first."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.bert = transformers.BertModel(config, add_pooling_layer=False)
            self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
            self.post_init()

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
        ) -> SequenceClassifierOutput:
            hidden = self.bert(input_ids, attention_mask, token_type_ids).last_hidden_state
            weights = attention_mask / attention_mask.sum(dim=1, keepdim=True)
            pooled = torch.bmm(weights.unsqueeze(1), hidden).squeeze(1)
            return SequenceClassifierOutput(logits=self.classifier(pooled))

    config, facts = read_config_file(folder)
    labels = dict(enumerate(config.label_space.labels))
    names = {"id2label": labels, "label2id": {label: column for column, label in labels.items()}}
    weights = read_weights((folder / ONNX_NAME).read_bytes())
    shape = weights.shape
    small = MeanPooledClassifier(
        transformers.BertConfig(
            vocab_size=shape.vocab_size,
            hidden_size=shape.hidden_size,
            num_hidden_layers=shape.n_layers,
            num_attention_heads=shape.n_heads,
            intermediate_size=shape.intermediate_size,
            max_position_embeddings=shape.n_positions,
            type_vocab_size=shape.n_token_types,
            layer_norm_eps=shape.layer_norm_eps,
            attn_implementation="sdpa",
            **names,
        )
    )
    small.load_state_dict(
        {
            name.replace("encoder.", "bert.", 1).replace("emotion_head", "classifier"): torch.from_numpy(array.copy())
            for name, array in weights.arrays.items()
            if not name.startswith("affect_head")
        }
    )
    # The sizes that the class has by default are those of roberta-base.
    large = transformers.RobertaForSequenceClassification(transformers.RobertaConfig(vocab_size=50265, **names))
    inputs = {"small": ["input_ids", "token_type_ids", "attention_mask"], "large": ["input_ids", "attention_mask"]}

    def make_tokenizer(which: str) -> Any:
        return transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(folder / TOKENIZER_NAME),
            pad_token="[PAD]",  # noqa: S106  no password
            model_max_length=facts["encoder"]["max_tokens"],
            model_input_names=inputs[which],
        )

    def make_pipeline(model: Any, which: str) -> Any:
        return transformers.pipeline(
            "text-classification", model=model.eval(), tokenizer=make_tokenizer(which), device="cpu"
        )

    return make_pipeline(small, "small"), make_pipeline(large, "large")


def _squash(logits: Floats) -> Floats:
    squashed: Floats = 1 / (1 + np.exp(-logits))
    return squashed
