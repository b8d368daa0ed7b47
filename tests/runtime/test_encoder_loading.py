"""A damaged, foreign or unsafe encoder model is refused with one clear line, and nothing of it is loaded."""

import numpy as np
import orjson
import pytest
from tiny_encoder import TinyEncoder, make_tokenizer

from sentire.core.errors import ArtifactError
from sentire.core.labels import make_label_space
from sentire.runtime.calibration import PlattScaling
from sentire.runtime.load import load

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  only where it is installed

FILES = ["README.md", "config.json", "model.onnx", "tokenizer.json"]


@pytest.fixture
def saved(tmp_path):
    return TinyEncoder().write(tmp_path / "model")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_truncated_or_changed_file(saved, name):
    content = (saved / name).read_bytes()
    rng = np.random.default_rng(3)
    for n_bytes in (0, len(content) // 2, len(content) - 1):
        (saved / name).write_bytes(content[:n_bytes])
        with pytest.raises(ArtifactError, match=rf"with sha256.*got {n_bytes} bytes at .*{name}"):
            load(saved)
    for place in rng.integers(0, len(content), size=20):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        (saved / name).write_bytes(damaged)
        with pytest.raises(ArtifactError, match=rf"with sha256.*{name}; the file was changed or cut"):
            load(saved)
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=rf"expected the file {name}, got No such file"):
        load(saved)


def edit(folder, name, change):
    data = orjson.loads((folder / name).read_bytes())
    change(data)
    (folder / name).write_bytes(orjson.dumps(data))


def swap_labels(data):
    labels = data["id2label"]
    labels["0"], labels["1"] = labels["1"], labels["0"]


def setting(name, value):
    return lambda data: data["encoder"].__setitem__(name, value)


CONFIGS = {
    "labels in another order": (swap_labels, r"the labels of ekman\.v1 in their order, got ekman\.v1 with disgust, an"),
    "no settings": (lambda data: data.pop("encoder"), "the settings of an encoder, got None"),
    "settings that are none": (lambda data: data.update(encoder=[1]), r"the settings of an encoder, got \[1\]"),
    "no window": (setting("max_tokens", 0), "max_tokens from 8 to 8192, got 0 at encoder in config.json"),
    "a window by truth": (setting("max_tokens", True), "max_tokens from 8 to 8192, got True"),
    "a window by half": (setting("max_tokens", 12.0), r"max_tokens from 8 to 8192, got 12\.0"),
    "a window without end": (setting("max_tokens", 10**9), "max_tokens from 8 to 8192, got 1000000000"),
    "windows that hardly move": (setting("window_stride_tokens", 2), "window_stride_tokens from 3 to 12, got 2"),
    "windows with gaps": (setting("window_stride_tokens", 13), "window_stride_tokens from 3 to 12, got 13"),
    "a context below nothing": (setting("max_context_tokens", -1), "max_context_tokens from 0 to 12, got -1"),
    "a context that leaves no room": (
        setting("max_context_tokens", 9),
        "a max_tokens that leaves room for text beside the context .*got 12, of which 12 are taken",
    ),
    "a context perhaps": (setting("uses_context", 1), "uses_context as one of True, False, got 1"),
    "an unknown pooling": (setting("pooling", "max"), "pooling as one of mean, cls, got 'max'"),
    "an unknown precision": (setting("precision", "int4"), "precision as one of int8, float32, got 'int4'"),
    "no calibration": (
        lambda data: data.pop("calibration"),
        "configuration of a model of the kind encoder, got 'calib",
    ),
    "an unknown calibration": (lambda data: data["calibration"].update(method="beta"), "name of a calibration method"),
    "no word on affect": (
        lambda data: data.pop("affect"),
        "configuration of a model of the kind encoder, got 'affect'",
    ),
    "affect on another scale": (
        lambda data: data.update(affect={"scale": "vad-1-5.v1"}),
        r"affect on the scale vad-unit\.v1, or null, got \{'scale': 'vad-1-5\.v1'\}",
    ),
    "affect that is none": (
        lambda data: data.update(affect=None),
        r"the outputs logits, embedding, got logits, vad, embedding at .*model\.onnx",
    ),
    "more tokens than positions": (setting("max_tokens", 16), "a graph that takes a batch of tokens, got .*Sum node"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_configuration_that_does_not_fit(saved, rehash, kind):
    change, message = CONFIGS[kind]
    edit(saved, "config.json", change)
    rehash(saved)
    with pytest.raises(ArtifactError, match=message):
        load(saved)


def rename(puts, old, new):
    def change(model):
        for node in model.graph.node:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]
        for put in getattr(model.graph, puts, ()):
            put.name = new if put.name == old else put.name

    return change


def replace_weight(name, change):
    def edit_model(model):
        for tensor in model.graph.initializer:
            if tensor.name == name:
                tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))

    return edit_model


def fix_batch(model):
    for put in model.graph.input:
        put.type.tensor_type.shape.dim[0].dim_value = 1


def take_int32(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    model.graph.node.insert(0, helper.make_node("Cast", ["input_ids"], ["wide"], to=TensorProto.INT64))
    for node in list(model.graph.node)[1:]:
        node.input[:] = ["wide" if name == "input_ids" else name for name in node.input]


def answer_float64(model):
    rename("", "logits", "narrow")(model)
    model.graph.node.append(helper.make_node("Cast", ["narrow"], ["logits"], to=TensorProto.DOUBLE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def divide_by_nothing(model):
    rename("", "logits", "narrow")(model)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    model.graph.node.append(helper.make_node("Div", ["narrow", "nothing"], ["logits"]))


def add_own_operator(model):
    model.graph.node.append(helper.make_node("Shell", ["logits"], ["x"], domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))


def drop_embedding(model):
    del model.graph.output[2]


def add_output(model):
    model.graph.output.append(helper.make_tensor_value_info("hidden", TensorProto.FLOAT, None))


def add_input(model):
    model.graph.input.append(helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["a", "b"]))


def outside(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")


def answer_with_hidden(model):
    """The embedding of every token instead of one a text."""
    rename("", "embedding", "pooled")(model)
    model.graph.node.append(helper.make_node("Identity", ["weighed"], ["embedding"]))
    model.graph.output[2].type.tensor_type.ClearField("shape")


GRAPHS = {
    "weights outside": (outside, r"got 'tokens' with data outside the file at .*model\.onnx"),
    "a weight that is NaN": (replace_weight("mixing", lambda w: w * np.nan), "NaN or infinity in 'mixing'"),
    "answers beyond all numbers": (
        divide_by_nothing,
        r"finite numbers as logits, got NaN or infinity at .*model\.onnx",
    ),
    "a label too few": (
        lambda model: (
            [replace_weight(name, lambda w: w[:6])(model) for name in ("emotion_weight", "emotion_bias")]
            and model.graph.output[0].type.tensor_type.ClearField("shape")
        ),
        r"the output logits as float32 of shape \(1, 7\), got float32 of shape \(1, 6\)",
    ),
    "a dimension of affect too few": (
        lambda model: (
            [replace_weight(name, lambda w: w[:2])(model) for name in ("affect_weight", "affect_bias")]
            and model.graph.output[1].type.tensor_type.ClearField("shape")
        ),
        r"the output vad as float32 of shape \(1, 3\), got float32 of shape \(1, 2\)",
    ),
    "an embedding of every token": (
        answer_with_hidden,
        r"the output embedding as float32 of shape \(1, D\), got float32 of shape \(1, 12, 8\)",
    ),
    "a vocabulary too small": (replace_weight("tokens", lambda w: w[:20]), "a graph that takes a batch of tokens, got"),
    "one segment only": (replace_weight("types", lambda w: w[:1]), "a graph that takes a batch of tokens, got"),
    "another name of an input": (
        rename("input", "token_type_ids", "segments"),
        "inputs input_ids, token_type_ids, pooling_weights, got input_ids, segments, pooling_weights",
    ),
    "an input too many": (add_input, "got input_ids, token_type_ids, pooling_weights, attention_mask"),
    "one output less": (drop_embedding, r"the outputs logits, embedding, vad, got logits, vad at .*model\.onnx"),
    "one output more": (add_output, "the outputs logits, embedding, vad, got logits, vad, embedding, hidden"),
    "a batch of one only": (fix_batch, r"the input input_ids as tensor\(int64\) of any batch and length, got .*\[1, "),
    "another type of input": (take_int32, r"the input input_ids as tensor\(int64\) .*got tensor\(int32\)"),
    "another type of output": (answer_float64, r"the output logits as float32 of shape \(1, 7\), got float64"),
    "an operator that is none": (
        lambda model: model.graph.node.append(helper.make_node("Dream", ["logits"], ["x"])),
        "an ONNX model that onnxruntime can run, got .*Dream",
    ),
    "an operator of somebody's own": (add_own_operator, "an ONNX model that onnxruntime can run, got"),
    "a loop": (
        lambda model: model.graph.node.append(helper.make_node("Loop", [], ["x"])),
        "the operators of an encoder, got the operator Loop",
    ),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_that_is_none_of_ours(tmp_path, kind, capfd):
    change, message = GRAPHS[kind]

    def change_model(model):
        change(model)

    folder = TinyEncoder().write(tmp_path / "model", change_onnx=change_model)
    with pytest.raises(ArtifactError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95pickle", b"GIF89a", b"{}", b"\x00" * 100])
def test_a_file_that_is_no_onnx(tmp_path, content):
    folder = TinyEncoder().write(tmp_path / "model", onnx_bytes=content)
    with pytest.raises(ArtifactError, match=r"a whole ONNX file, got .* at .*model\.onnx"):
        load(folder)


def test_a_graph_for_another_label_space(tmp_path):
    """The weights of one model beside the labels of another."""
    other = TinyEncoder(label_space=make_label_space("moods", ["calm", "tense", "low"]))
    folder = TinyEncoder().write(tmp_path / "model", onnx_bytes=other.make_onnx().SerializeToString())
    with pytest.raises(ArtifactError, match=r"the output logits as float32 of shape \(1, 7\), got .*\(1, 3\)"):
        load(folder)


def test_a_calibration_for_another_label_space(tmp_path):
    folder = TinyEncoder(calibrator=PlattScaling((1.0,) * 6, (0.0,) * 6)).write(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"kind encoder, got expected 7 numbers, got 6.*config\.json"):
        load(folder)


def changed_tokenizer(change):
    data = orjson.loads(make_tokenizer().to_str())
    change(data)
    return orjson.dumps(data)


HOSTILE = {"type": "Replace", "pattern": {"Regex": "(a+)+$"}, "content": "b"}
TOKENIZERS = {
    "a pattern of its own": (
        changed_tokenizer(lambda data: data.update(normalizer=HOSTILE)),
        r"a replacement that is known to be harmless.*tokenizer\.json",
    ),
    "no tokenizer": (b"[]", r"a tokenizer\.json with a model, got other JSON at .*tokenizer\.json"),
    "no JSON": (b"\x80\x04pickle", r"a tokenizer in JSON.*tokenizer\.json"),
    "no special tokens": (
        changed_tokenizer(lambda data: data.update(post_processor=None)),
        r"a tokenizer that puts special tokens before and between texts .*got 1 tokens around 1 times 'a' at .*tokeniz",
    ),
    "texts turned round": (
        changed_tokenizer(
            lambda data: data["post_processor"]["pair"].sort(key=lambda one: "A" in str(one.get("Sequence")))
        ),
        r"a template \(pair\) with the texts A, B, each once, got B, A",
    ),
    "a larger vocabulary": (
        changed_tokenizer(lambda data: data["model"]["vocab"].update(extra=999)),
        "a graph that takes a batch of tokens, got",
    ),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_that_is_hostile_or_another(tmp_path, kind):
    content, message = TOKENIZERS[kind]
    folder = TinyEncoder().write(tmp_path / "model", tokenizer=content)
    with pytest.raises(ArtifactError, match=message):
        load(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_file_that_the_manifest_does_not_know(saved, name):
    from sentire.storage.manifest import write_manifest

    old = orjson.loads((saved / "manifest.json").read_bytes())
    facts = {key: old[key] for key in ("kind", "name", "label_space")}
    write_manifest(
        saved, old["files"].keys() - {name}, file_format=old["format"], version=old["format_version"], facts=facts
    )
    with pytest.raises(ArtifactError, match=f"expected {name} in the manifest, got no hash of it"):
        load(saved)


def test_a_model_whose_file_is_too_large(saved, monkeypatch):
    monkeypatch.setattr("sentire.runtime.onnx_files.LARGEST_ONNX_BYTES", 1000)
    with pytest.raises(ArtifactError, match=r"an ONNX file of at most 1000 bytes, got \d+ bytes at .*model\.onnx"):
        load(saved)


def test_what_is_whole_loads_and_prints_nothing(saved, capfd):
    model = load(saved)
    assert model.predict(["glad"]).shape == (1, 7)
    assert capfd.readouterr() == ("", "")
