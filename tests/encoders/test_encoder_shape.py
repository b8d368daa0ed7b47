import subprocess
import sys

import pytest

from sentire.core.errors import ArtifactError
from sentire.encoders.shape import describe_encoder, read_json_file

MINILM = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 384,
    "intermediate_size": 1536,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 512,
    "num_attention_heads": 12,
    "num_hidden_layers": 6,
    "pad_token_id": 0,
    "position_embedding_type": "absolute",
    "type_vocab_size": 2,
    "vocab_size": 30522,
}


def test_the_numbers_of_a_bert():
    shape = describe_encoder(MINILM)
    assert (shape.model_type, shape.hidden_size, shape.n_layers, shape.n_heads) == ("bert", 384, 6, 12)
    assert (shape.intermediate_size, shape.vocab_size, shape.n_positions) == (1536, 30522, 512)
    assert (shape.layer_norm_eps, shape.position_offset, shape.n_token_types) == (1e-12, 0, 2)


def test_the_numbers_of_a_roberta():
    # roberta-base: 514 rows of positions, of which the first two belong to no token; one token type in the file
    roberta = MINILM | {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1}
    shape = describe_encoder(roberta | {"pad_token_id": 1})
    assert (shape.n_positions, shape.position_offset, shape.n_token_types, shape.padding_id) == (512, 2, 2, 1)
    without_padding = {key: value for key, value in roberta.items() if key != "pad_token_id"}
    assert describe_encoder(without_padding).position_offset == 2


def test_the_numbers_of_a_distilbert():
    shape = describe_encoder(
        {
            "model_type": "distilbert",
            "activation": "gelu",
            "dim": 768,
            "hidden_dim": 3072,
            "n_heads": 12,
            "n_layers": 6,
            "max_position_embeddings": 512,
            "vocab_size": 30522,
        }
    )
    assert (shape.hidden_size, shape.intermediate_size, shape.n_layers) == (768, 3072, 6)
    assert (shape.n_token_types, shape.layer_norm_eps) == (0, 1e-12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"model_type": "deberta-v2"},
            r"supported model_type \(bert, distilbert, electra, roberta, xlm-roberta\), got 'deberta-v2' at here",
        ),
        ({"model_type": None}, "supported model_type .*got None"),
        ({"model_type": ["bert"]}, r"supported model_type .*got \['bert'\]"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "without code of its own, got auto_map .*own.Model.* at here"),
        ({"hidden_act": "relu"}, "activation gelu or gelu_python, got 'relu'"),
        ({"hidden_act": "gelu_new"}, "got 'gelu_new'"),
        ({"position_embedding_type": "relative_key"}, "absolute positions, got 'relative_key'"),
        ({"is_decoder": True}, "expected an encoder, got a decoder"),
        ({"quantization_config": {"load_in_8bit": True}}, "not quantised"),
        ({"model_type": "electra", "embedding_size": 128}, "embedding_size is its hidden_size .*got 128 and 384"),
        ({"model_type": "electra"}, "embedding_size is its hidden_size .*got None and 384"),
        ({"hidden_size": 390}, "that num_attention_heads divides, got 390 and 12"),
        ({"hidden_size": "384"}, "hidden_size between 1 and 16384, got '384'"),
        ({"num_hidden_layers": 0}, "num_hidden_layers between 1 and 256, got 0"),
        ({"num_hidden_layers": True}, "num_hidden_layers between 1 and 256, got True"),
        ({"vocab_size": 10**15}, "vocab_size between 1 and 4000000, got 1000000000000000"),
        ({"type_vocab_size": -1}, "type_vocab_size between 1 and 64, got -1"),
        ({"pad_token_id": 30522}, "pad_token_id between 0 and 30521, got 30522"),
        ({"layer_norm_eps": 0}, "layer_norm_eps between 0 and 1, got 0"),
        ({"layer_norm_eps": "tiny"}, "layer_norm_eps between 0 and 1, got 'tiny'"),
        ({"model_type": "roberta", "pad_token_id": 1, "max_position_embeddings": 2}, "more than 2 max_position"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(changes, message):
    with pytest.raises(ArtifactError, match=message):
        describe_encoder(MINILM | changes, where="here")


def test_a_number_that_is_missing_is_named():
    with pytest.raises(ArtifactError, match="intermediate_size between 1 and 131072, got no such key"):
        describe_encoder({key: value for key, value in MINILM.items() if key != "intermediate_size"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"config\.json in JSON"),
        (b"[1]", "a JSON object, got"),
        (b" " * (4 * 1024 * 1024 + 1), "at most 4194304 bytes"),
        (None, r"an encoder's config\.json, got No such file"),
    ],
)
def test_a_file_that_is_no_config(tmp_path, content, message):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match=message) as caught:
        read_json_file(path)
    assert str(path) in str(caught.value)


def test_finding_and_describing_need_no_torch():
    code = (
        "import sys\n"
        "import sentire.encoders.shape, sentire.encoders.sources, sentire.encoders.tokenizer\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub'} & sys.modules.keys()\n"
        "sys.exit(f'loads {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
