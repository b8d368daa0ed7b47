"""The walk through an ONNX file finds every tensor wherever it stands, and no bytes bring it down."""

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny_encoder import TinyEncoder

from sentire.core.errors import ArtifactError
from sentire.runtime import onnx_check
from sentire.runtime.onnx_check import check_onnx

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402  only where it is installed


def check(model):
    check_onnx(model if isinstance(model, bytes) else model.SerializeToString(), where="model.onnx")


def external(name="outside"):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def bad(name="outside"):
    return numpy_helper.from_array(np.array([np.nan], np.float32), name)


def graph_with(tensor):
    return helper.make_graph([], "inner", [], [], [tensor])


def sparse_of(values, indices=None):
    indices = indices or numpy_helper.from_array(np.array([0]), "indices")
    return onnx.SparseTensorProto(values=values, indices=indices, dims=[4])


def put_initializer(model, tensor):
    model.graph.initializer.append(tensor)


def put_sparse_initializer(model, tensor):
    model.graph.sparse_initializer.append(sparse_of(tensor))


def put_sparse_indices(model, tensor):
    model.graph.sparse_initializer.append(sparse_of(numpy_helper.from_array(np.array([1.0]), "v"), tensor))


def put_attribute(model, tensor):
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))


def put_attributes(model, tensor):
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="values", type=onnx.AttributeProto.TENSORS, tensors=[tensor])
    model.graph.node.append(node)


def put_sparse_attribute(model, tensor):
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="v", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse_of(tensor))
    node.attribute.add(name="w", type=onnx.AttributeProto.SPARSE_TENSORS, sparse_tensors=[sparse_of(tensor)])
    model.graph.node.append(node)


def put_subgraph(model, tensor):
    node = helper.make_node("SequenceMap", [], ["c"])
    node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH, g=graph_with(tensor))
    model.graph.node.append(node)


def put_subgraphs(model, tensor):
    inner = graph_with(numpy_helper.from_array(np.zeros(1, np.float32), "fine"))
    put_node = helper.make_node("Other", [], ["c"])
    put_node.attribute.add(name="bodies", type=onnx.AttributeProto.GRAPHS, graphs=[graph_with(tensor)])
    inner.node.append(put_node)
    node = helper.make_node("Other", [], ["c"])
    node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH, g=inner)
    model.graph.node.append(node)


def put_function(model, tensor):
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    model.functions.append(helper.make_function("own", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))


def put_function_default(model, tensor):
    function = helper.make_function("own", "f", [], [], [], [helper.make_opsetid("", 18)])
    function.attribute_proto.append(helper.make_attribute("value", tensor))
    model.functions.append(function)


def put_training(model, tensor):
    model.training_info.add(algorithm=graph_with(tensor))


def put_training_start(model, tensor):
    model.training_info.add(initialization=graph_with(tensor))


PLACES = {name[4:]: put for name, put in list(globals().items()) if name.startswith("put_")}


@pytest.fixture
def model():
    return TinyEncoder().make_onnx()


def test_a_sound_model_passes(model):
    check(model)


@pytest.mark.parametrize("place", PLACES)
def test_data_outside_the_file_is_found_everywhere(model, place):
    PLACES[place](model, external())
    with pytest.raises(
        ArtifactError, match=r"got 'outside' with data outside the file at model\.onnx; files that a mod"
    ):
        check(model)


@pytest.mark.parametrize("place", PLACES)
def test_numbers_that_are_none_are_found_everywhere(model, place):
    PLACES[place](model, bad())
    with pytest.raises(ArtifactError, match="weights that are finite numbers, got NaN or infinity in 'outside'"):
        check(model)


@pytest.mark.parametrize("place", PLACES)
def test_sound_tensors_pass_everywhere(model, place):
    PLACES[place](model, numpy_helper.from_array(np.ones(2, np.float32), "fine"))
    check(model)


def test_either_sign_of_data_outside_is_enough(model):
    for change in ({"data_location": TensorProto.EXTERNAL}, {"external_data": [{"key": "a", "value": "b"}]}):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        changed.graph.initializer.add(name="x", data_type=1, dims=[1], raw_data=b"\0" * 4, **change)
        with pytest.raises(ArtifactError, match="'x' with data outside the file"):
            check(changed)


def raw(dtype, numbers, data_type):
    return TensorProto(name="x", data_type=data_type, dims=[len(numbers)], raw_data=np.array(numbers, dtype).tobytes())


def bfloat16(numbers):
    halves = (np.array(numbers, np.float32).view(np.uint32) >> 16).astype("<u2")
    return TensorProto(name="x", data_type=16, dims=[len(numbers)], raw_data=halves.tobytes())


STORED = {
    "float, raw": lambda numbers: raw("<f4", numbers, 1),
    "float, as a list": lambda numbers: TensorProto(name="x", data_type=1, dims=[len(numbers)], float_data=numbers),
    "double, raw": lambda numbers: raw("<f8", numbers, 11),
    "double, as a list": lambda numbers: TensorProto(name="x", data_type=11, dims=[len(numbers)], double_data=numbers),
    "half, raw": lambda numbers: raw("<f2", numbers, 10),
    "bfloat16, raw": bfloat16,
}


@pytest.mark.parametrize("kind", STORED)
@pytest.mark.parametrize("number", [np.nan, -np.nan, np.inf, -np.inf])
def test_each_kind_of_number_is_looked_at(model, kind, number):
    model.graph.initializer.append(STORED[kind]([1.0, -2.0, 0.0, 6e4]))
    check(model)
    model.graph.initializer.append(STORED[kind]([1.0, number, 0.0]))
    with pytest.raises(ArtifactError, match=r"NaN or infinity in 'x' at model\.onnx"):
        check(model)


def test_a_name_after_the_data_is_read_too(model):
    """The order of fields is free."""
    tensor = b"\x10\x01" + b"\x4a\x04" + np.float32(np.nan).tobytes() + b"\x42\x04late"
    model.graph.initializer.append(TensorProto.FromString(tensor))
    content = model.SerializeToString() + b"\xa2\x01" + bytes([2 + 2 + len(tensor), 0x0A, 2 + len(tensor)])
    content += b"\x2a" + bytes([len(tensor)]) + tensor
    with pytest.raises(ArtifactError, match="NaN or infinity in 'late'"):
        check(content)


def test_16_bit_numbers_as_integers_are_refused(model):
    model.graph.initializer.append(helper.make_tensor("x", TensorProto.FLOAT16, [1], [1.0]))
    with pytest.raises(ArtifactError, match="16-bit numbers of 'x' as raw data, got integers"):
        check(model)


def test_integers_are_not_taken_for_numbers(model):
    model.graph.initializer.append(numpy_helper.from_array(np.full(4, -1, np.int8), "bytes"))
    model.graph.initializer.append(numpy_helper.from_array(np.full(4, 0x7FC00000, np.int32), "words"))
    check(model)


@pytest.mark.parametrize("operator", ["Loop", "Scan", "If", "EPContext"])
def test_operators_that_have_no_place_in_an_encoder(model, operator):
    model.graph.node.append(helper.make_node(operator, [], ["c"]))
    with pytest.raises(ArtifactError, match=f"the operators of an encoder, got the operator {operator} at model.onnx"):
        check(model)


def test_graphs_inside_each_other_have_an_end(model):
    inner = graph_with(numpy_helper.from_array(np.zeros(1, np.float32), "fine"))
    for _ in range(30):
        node = helper.make_node("Other", [], ["c"])
        node.attribute.add(name="body", type=onnx.AttributeProto.GRAPH, g=inner)
        inner = helper.make_graph([node], "outer", [], [])
    model.graph.CopyFrom(inner)
    with pytest.raises(ArtifactError, match="at most 8 graphs inside each other, got more"):
        check(model)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "0 graphs"),
        (b"\x00\x01", "a field without a number"),
        (b"\x80\x04pickle", "a file that ends too early"),
        (b"\x89PNG\r\n\x1a\n", "a file that ends too early"),
        (b"\x3a\x02", "a file that ends too early"),
        (b"\x3a\x00\x3a\x00", "2 graphs"),
        (b"\x38\x01", "a number in the place of a message"),
        (b"\x3b\x00", "bytes that are no ONNX"),
        (b"\xff" * 40, "bytes that are no ONNX"),
    ],
)
def test_foreign_bytes(content, got):
    with pytest.raises(ArtifactError, match=rf"a whole ONNX file, got ({got}) at model\.onnx; copy the whole folder"):
        check(content)


def test_a_format_that_the_library_would_read_by_other_rules():
    with pytest.raises(ArtifactError, match="expected an ONNX file, got onnxruntime's own format"):
        check(b"\x08\x00\x00\x00ORTM" + b"\x00" * 100)


def test_a_file_that_is_too_large(model, monkeypatch):
    monkeypatch.setattr(onnx_check, "LARGEST_ONNX_BYTES", 100)
    with pytest.raises(ArtifactError, match=r"an ONNX file of at most 100 bytes, got \d+ bytes"):
        check(model)


def test_a_tensor_whose_bytes_do_not_fit_its_type(model):
    model.graph.initializer.append(TensorProto(name="x", data_type=1, dims=[1], raw_data=b"\0\0\0"))
    with pytest.raises(ArtifactError, match="a tensor whose bytes do not fit its type"):
        check(model)


def test_every_beginning_of_a_file_is_refused_or_whole(model):
    content = model.SerializeToString()
    for n_bytes in range(0, len(content), 7):
        is_whole = True
        try:
            n_nodes = len(onnx.load_from_string(content[:n_bytes]).graph.node)
        except Exception:  # the decoder has errors of its own
            is_whole = False
        if is_whole and n_nodes == len(model.graph.node):
            check(content[:n_bytes])
        else:
            with pytest.raises(ArtifactError, match="a whole ONNX file"):
                check(content[:n_bytes])


@settings(max_examples=400)
@given(data=st.data())
def test_no_bytes_bring_it_down(data):
    content = bytearray(SOUND)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        check(bytes(content))
    except ArtifactError:
        return


@settings(max_examples=200)
@example(b"\x08\x07:\x00")  # a model with an empty graph: bytes that are drawn hardly ever pass
@given(st.binary(max_size=200))
def test_no_foreign_bytes_bring_it_down(content):
    try:
        check(content)
    except ArtifactError:
        return
    assert onnx.load_from_string(content).HasField("graph")  # what passes is a model to the library too


SOUND = TinyEncoder().make_onnx().SerializeToString()


def test_the_numbers_of_the_fields_are_those_of_the_library():
    messages = {
        "model": onnx.ModelProto,
        "graph": onnx.GraphProto,
        "node": onnx.NodeProto,
        "attribute": onnx.AttributeProto,
        "tensor": TensorProto,
        "sparse tensor": onnx.SparseTensorProto,
        "function": onnx.FunctionProto,
        "training": onnx.TrainingInfoProto,
    }
    kinds = {message.DESCRIPTOR.name: kind for kind, message in messages.items()}
    for kind, message in messages.items():
        leading = {
            field.number: kinds[field.message_type.name]
            for field in message.DESCRIPTOR.fields
            if field.message_type is not None and field.message_type.name in kinds
        }
        assert onnx_check._INNER[kind] == leading
    tensor = TensorProto.DESCRIPTOR.fields_by_name
    for name in ("data_type", "float_data", "int32_data", "name", "raw_data", "double_data", "external_data"):
        assert getattr(onnx_check, f"_{name.upper()}") == tensor[name].number
    assert tensor["data_location"].number == onnx_check._DATA_LOCATION
    assert onnx.NodeProto.DESCRIPTOR.fields_by_name["op_type"].number == onnx_check._OPERATOR_OF_NODE
    assert re.sub(r"\D", "", str(TensorProto.BFLOAT16)) == str(onnx_check._BFLOAT16)
