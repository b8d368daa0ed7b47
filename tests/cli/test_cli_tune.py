"""``sentire tune`` on invented data and a tiny encoder."""

import random

import orjson
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "bus", "soup", "is", "lovely", "rude", "late", "warm"]
DATA = """
[dataset]
name = "remarks"
labels = ["glad", "cross"]
licence = "ours"
weights_may_ship = "yes"
[columns]
labels = "moods"
[splits]
train = "train.csv"
dev = "dev.csv"
"""
RECIPE = """
recipe = "encoder"
name = "remarks-tiny"
[data]
train = "remarks.toml:train"
dev = "remarks.toml:dev"
[encoder]
name = "encoder"
max_tokens = 12
[optimisation]
n_epochs = 1
batch_size = 8
learning_rate = 1e-2
[export]
precision = "float32"
window_tokens = 0
"""
SPACE = """
batch_size = [8, 16]
n_epochs = [1]
loss = ["bce", "asymmetric"]
learning_rate = { low = 1e-3, high = 1e-1 }
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data, a tiny encoder and a recipe, in which commands run."""
    monkeypatch.chdir(tmp_path)
    draw = random.Random(1)  # noqa: S311
    for name, n in (("train.csv", 24), ("dev.csv", 16)):
        rows = [
            draw.choice([("lovely", "glad"), ("rude", "cross"), ("late", "cross"), ("warm", "glad")]) for _ in range(n)
        ]
        lines = [f"the {draw.choice(['bus', 'soup'])} is {word},{mood}\n" for word, mood in rows]
        (tmp_path / name).write_text("text,moods\n" + "".join(lines))
    (tmp_path / "remarks.toml").write_text(DATA)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    (tmp_path / "space.toml").write_text(SPACE)
    torch.manual_seed(2)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=24,
    )
    transformers.BertModel(config).save_pretrained(tmp_path / "encoder")
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token=WORDS[1]))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(word, WORDS.index(word)) for word in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=special
    )
    tokenizer.save(str(tmp_path / "encoder" / "tokenizer.json"))
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(n_threads)


def test_a_search_is_shown_kept_and_not_run_again(sentire, project):
    arguments = ("tune", "recipe.toml", "--trials", 3, "--space", "space.toml", "--seed", 3)
    ran = sentire(*arguments)
    assert ran.code == 0, ran.err
    kept = orjson.loads((project / "runs" / "remarks-tiny-tuning" / "tuning.json").read_bytes())
    lines = ran.text.splitlines()
    assert lines[0] == "remarks-tiny · macro_f1 on remarks.toml:dev · 3 complete trials"
    assert lines[1].split() == ["trial", "macro_f1", "learning", "rate", "batch", "epochs", "loss"]
    assert [int(line.split()[0]) for line in lines[2:5]] == [trial["number"] for trial in kept["trials"]]
    assert [float(line.split()[1]) for line in lines[2:5]] == [round(trial["score"], 4) for trial in kept["trials"]]
    assert [line.removeprefix("  --set ") for line in lines[7:]] == kept["best"]["set"]
    number = kept["best"]["number"]
    folder = "runs/remarks-tiny-tuning"
    assert ran.err.endswith(
        f"wrote {folder}; its model: sentire train {folder}/best.toml --output {folder}/trial-{number}\n"
    )
    before = (project / folder / "tuning.json").stat().st_mtime_ns
    assert sentire(*arguments, "--json").json == kept
    assert (project / folder / "tuning.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("recipe.toml", "--set", "recipe=tfidf"), 2, "recipe.toml"),
        (("recipe.toml", "--trials", "0"), 2, "--trials"),
        (
            ("recipe.toml", "--space", "none.toml"),
            2,
            "a readable TOML file, got No such file or directory at none.toml",
        ),
        (("recipe.toml", "--space", "recipe.toml"), 2, "the unknown key"),
        (("recipe.toml", "--set", "encoder.name=nothing"), 2, "registered encoder"),
    ],
)
def test_what_goes_wrong_is_said(sentire, project, arguments, code, message):
    ran = sentire("tune", *arguments)
    assert ran.code == code
    assert message in ran.err
    assert not (project / "runs").exists()
