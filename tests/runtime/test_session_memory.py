"""A session does not keep what it was made of."""

import sys

import numpy as np
from tiny_encoder import TinyEncoder

from sentire.runtime.onnx_files import EncoderGraph, TokenBatch


def test_the_bytes_of_the_file_are_let_go():
    tiny = TinyEncoder()
    content = tiny.make_onnx().SerializeToString()
    held_before = sys.getrefcount(content)
    ids = np.array([[2, 4, 5, 3]])
    probe = TokenBatch(
        input_ids=ids, token_type_ids=np.zeros_like(ids), pooling_weights=np.full(ids.shape, 0.25, dtype=np.float32)
    )
    graph = EncoderGraph(content, n_labels=len(tiny.label_space), has_vad=True, probe=probe, where="here")
    assert sys.getrefcount(content) == held_before
    assert graph.run(["embedding"], probe)[0].shape == (1, graph.n_dimensions)
