import re

import numpy as np
import orjson
import pytest
import safetensors.torch
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from sentire.core.errors import ArtifactError, LabelError, UnknownNameError, UsageError
from sentire.core.labels import make_label_space
from sentire.training.teachers import average_teachers, load_teacher

WORDS = [
    "[PAD]",
    "<pad>",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "bus",
    "late",
    "again",
    "glad",
    "lovely",
    "soup",
    "cold",
    "rude",
    "no",
    "queue",
    "the",
    ",",
    "!",
    "##s",
    "##ly",
]
MOODS = make_label_space("moods", ["calm", "glad", "cross"])
ONE_MOOD = make_label_space("one-mood", ["calm", "glad", "cross"], task="single-label")
ORDER = ["cross", "calm", "glad"]
"""Of the classifier's columns: another one than the space's."""

TEXTS = ["the bus", "lovely soup, glad!", "no", "cold soup again, rude queue! the bus late again", "", "a"]

COMMON = {
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 24,
}
DISTIL = {"vocab_size": len(WORDS), "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 12}
KINDS = {
    "bert": ("BertConfig", "BertForSequenceClassification", COMMON),
    "distilbert": (
        "DistilBertConfig",
        "DistilBertForSequenceClassification",
        {**DISTIL, "max_position_embeddings": 24},
    ),
    "electra": ("ElectraConfig", "ElectraForSequenceClassification", {**COMMON, "embedding_size": 8}),
    "roberta": ("RobertaConfig", "RobertaForSequenceClassification", {**COMMON, "type_vocab_size": 1}),
    "xlm-roberta": ("XLMRobertaConfig", "XLMRobertaForSequenceClassification", {**COMMON, "type_vocab_size": 1}),
}


def write_classifier(folder, kind="bert", labels=ORDER, *, problem="multi_label_classification"):
    """Save a tiny random classifier as transformers itself does; return it."""
    config_class, model_class, settings = KINDS[kind]
    config = getattr(transformers, config_class)(
        **settings,
        id2label=dict(enumerate(labels)),
        label2id={label: column for column, label in enumerate(labels)},
        problem_type=problem,
    )
    torch.manual_seed(5)
    model = getattr(transformers, model_class)(config).eval()
    for parameter in model.parameters():  # no bias of zeros, which would hide a mix-up
        torch.nn.init.normal_(parameter, std=0.4)
    folder.mkdir(exist_ok=True)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token=WORDS[2]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return model


def ask_alone(model, folder, texts):
    """Return the logits of the library's own forward pass, one text at a time."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([tokenizer.encode(text).ids[:24]])).logits[0] for text in texts]
    return torch.stack(rows).double().numpy()


def change_config(folder, **changes):
    path = folder / "config.json"
    config = {**orjson.loads(path.read_bytes()), **changes}
    path.write_bytes(orjson.dumps({key: value for key, value in config.items() if value is not None}))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    weights = safetensors.torch.load_file(path)
    change(weights)
    safetensors.torch.save_file(weights, path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_classifier_answers_as_its_own_library_says_in_the_order_of_the_space(tmp_path, kind):
    model = write_classifier(tmp_path / "kept", kind)
    found = load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)(TEXTS)
    logits = ask_alone(model, tmp_path / "kept", TEXTS)[:, [ORDER.index(label) for label in MOODS.labels]]
    assert found.shape == (len(TEXTS), 3)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), atol=2e-6)
    assert np.ptp(found, axis=0).min() > 1e-4  # not one answer for all


def test_exclusive_labels_share_a_probability_of_one(tmp_path):
    model = write_classifier(tmp_path / "kept", problem="single_label_classification")
    found = load_teacher(f"transformers:{tmp_path / 'kept'}", ONE_MOOD)(TEXTS)
    logits = torch.tensor(ask_alone(model, tmp_path / "kept", TEXTS))
    expected = torch.softmax(logits, dim=1).numpy()[:, [1, 2, 0]]
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("problem", ["single_label_classification", None])
def test_logits_are_read_as_independent_where_the_name_says_so(tmp_path, problem):
    write_classifier(tmp_path / "kept")
    expected = load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)(TEXTS)
    change_config(tmp_path / "kept", problem_type=problem)
    found = load_teacher(f"transformers-sigmoid:{tmp_path / 'kept'}", MOODS)(TEXTS)
    assert np.array_equal(found, expected)


def test_a_text_gets_the_same_answer_in_every_batch(tmp_path, monkeypatch):
    write_classifier(tmp_path / "kept")
    ask = load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)
    together = ask(TEXTS * 40)
    np.testing.assert_allclose(together, np.tile(ask(TEXTS), (40, 1)), atol=2e-6)
    monkeypatch.setattr("sentire.training.sequence_classifier._BATCH_TOKENS", 1)  # below any text: one at a time
    np.testing.assert_allclose(together[: len(TEXTS)], ask(TEXTS), atol=2e-6)
    assert ask([]).shape == (0, 3)


def test_an_ensemble_is_the_weighted_mean_of_the_log_odds(tmp_path):
    write_classifier(tmp_path / "one")
    write_classifier(tmp_path / "other", "distilbert")
    names = [f"transformers:{tmp_path / name}" for name in ("one", "other")]
    first, second = (load_teacher(name, MOODS)(TEXTS) for name in names)
    found = average_teachers(names, [3.0, 1.0], MOODS, TEXTS)
    odds = (first / (1 - first)) ** 0.75 * (second / (1 - second)) ** 0.25
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-5)
    np.testing.assert_allclose(average_teachers(names[:1], [], MOODS, TEXTS), first, atol=1e-6)


def test_the_random_state_stays_as_it_was(tmp_path):
    write_classifier(tmp_path / "kept")
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)(TEXTS)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (["cross", "calm", "sad"], r"got none of glad and the foreign sad at id2label in .*config\.json"),
        (["cross", "calm"], "got none of glad at id2label"),
        (["cross", "calm", "glad", "sad"], "got the foreign sad at id2label"),
        (["cross", "calm", "calm"], "got none of glad at id2label"),
    ],
)
def test_other_labels_are_refused(tmp_path, labels, got):
    write_classifier(tmp_path / "kept")
    change_config(tmp_path / "kept", id2label={str(column): label for column, label in enumerate(labels)})
    with pytest.raises(LabelError, match=rf"the 3 labels of {MOODS.id}, in any order, {got}"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


@pytest.mark.parametrize("stated", [None, ["calm", "glad", "cross"], {"1": "calm", "2": "glad", "3": "cross"}])
def test_labels_without_columns_are_refused(tmp_path, stated):
    write_classifier(tmp_path / "kept")
    change_config(tmp_path / "kept", id2label=stated)
    with pytest.raises(ArtifactError, match="an id2label with a label for each column, got"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


def test_exclusive_labels_are_no_teacher_of_independent_ones(tmp_path):
    write_classifier(tmp_path / "kept", problem="single_label_classification")
    with pytest.raises(LabelError, match=r"got single_label_classification at .*; where it was trained with indep"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


@pytest.mark.parametrize("problem", [None, "regression"])
def test_an_unsaid_problem_type_is_refused(tmp_path, problem):
    write_classifier(tmp_path / "kept")
    change_config(tmp_path / "kept", problem_type=problem)
    with pytest.raises(ArtifactError, match=r"a problem_type \(multi_label.*name the teacher transformers-sigmoid:"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


@pytest.mark.parametrize("place", ["classifier.bias", "pooler.dense.weight", "encoder.layer.0.output.dense.bias"])
def test_weights_that_are_no_numbers_are_refused(tmp_path, place):
    write_classifier(tmp_path / "kept")
    stored = place if place.startswith("classifier") else f"bert.{place}"
    change_weights(tmp_path / "kept", lambda weights: weights[stored].view(-1)[:1].fill_(float("nan")))
    with pytest.raises(ArtifactError, match=rf"weights that are finite numbers, got .* in (bert\.)?{re.escape(place)}"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("classifier.weight"), r"with its head, got weights without classifier\.weight"),
        (lambda weights: weights.pop("bert.pooler.dense.bias"), r"got weights without bert\.pooler\.dense\.bias"),
        (
            lambda weights: weights.update({"classifier.weight": torch.zeros(2, 8)}),
            r"classifier\.weight of shape \(3, 8\) in floating-point numbers, got shape \(2, 8\)",
        ),
        (
            lambda weights: weights.update({"classifier.bias": torch.zeros(3, dtype=torch.int64)}),
            r"classifier\.bias of shape \(3,\) in floating-point numbers, got shape \(3,\) of torch\.int64",
        ),
    ],
)
def test_a_head_that_does_not_fit_is_refused(tmp_path, change, message):
    write_classifier(tmp_path / "kept")
    change_weights(tmp_path / "kept", change)
    with pytest.raises(ArtifactError, match=message):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


def test_code_of_its_own_is_refused(tmp_path):
    write_classifier(tmp_path / "kept")
    change_config(tmp_path / "kept", auto_map={"AutoModelForSequenceClassification": "strange.Model"})
    with pytest.raises(ArtifactError, match="an encoder without code of its own, got auto_map"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


def test_pickled_weights_are_refused(tmp_path):
    write_classifier(tmp_path / "kept")
    (tmp_path / "kept" / "model.safetensors").rename(tmp_path / "kept" / "pytorch_model.bin")
    with pytest.raises(ArtifactError, match=r"got only pytorch_model\.bin.*pickled weights can run code"):
        load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)


def test_a_name_of_the_hub_needs_its_commit():
    with pytest.raises(UsageError, match="the full commit of an encoder on the hub, 40 hexadecimal digits, got no rev"):
        load_teacher("transformers:somebody/classifier", MOODS)
    with pytest.raises(UsageError, match="40 hexadecimal digits, got 'main' at revision of somebody/classifier"):
        load_teacher("transformers:somebody/classifier@main", MOODS)


def test_a_name_of_the_hub_is_asked_for_at_its_commit(tmp_path, monkeypatch):
    write_classifier(tmp_path / "kept")
    commit = "0123456789" * 4
    asked = []

    def fetch(name, revision):
        asked.append((name, revision))
        return tmp_path / "kept"

    monkeypatch.setattr("sentire.encoders.sources._fetch_from_hub", fetch)
    found = load_teacher(f"transformers:somebody/classifier@{commit}", MOODS)(TEXTS)
    assert asked == [("somebody/classifier", commit)]
    assert np.array_equal(found, load_teacher(f"transformers:{tmp_path / 'kept'}", MOODS)(TEXTS))


def test_a_folder_may_have_an_at_sign_in_its_name(tmp_path):
    write_classifier(tmp_path / "kept@home")
    assert load_teacher(f"transformers:{tmp_path / 'kept@home'}", MOODS)(TEXTS).shape == (6, 3)


def test_no_such_teacher(tmp_path):
    with pytest.raises(UnknownNameError, match="the name of a registered encoder"):
        load_teacher(f"transformers:{tmp_path / 'nothing'}", MOODS)
    with pytest.raises(UnknownNameError, match=r"the name of a model \(default, linear\)"):
        load_teacher("liner", MOODS)


def test_a_model_of_ours_with_other_labels_is_refused():
    with pytest.raises(LabelError, match=rf"in the labels of {MOODS.id}, got goemotions\..* at teacher linear"):
        load_teacher("linear", MOODS)
