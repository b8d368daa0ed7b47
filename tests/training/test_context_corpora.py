"""Recipes for corpora that have to be asked for: from files in the official layouts to figures on the test split."""

from pathlib import Path

import numpy as np
import pytest

from tiny_training import FILLERS, PHRASES, write_tiny_encoder

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sentire.core.config import read_config
from sentire.evaluate.run import evaluate_model
from sentire.runtime.load import load
from sentire.training.recipe import EncoderRecipe
from sentire.training.train import train_encoder

CONFIGS = Path(__file__).parents[2] / "configs"
SAID = {"happy": PHRASES["glad"], "angry": PHRASES["cross"], "sad": PHRASES["tense"], "others": FILLERS}
CODES = {"hap": "happy", "exc": "happy", "ang": "angry", "sad": "sad", "neu": "others"}


@pytest.fixture(scope="module")
def long_encoder(tmp_path_factory):
    return write_tiny_encoder(tmp_path_factory.mktemp("encoder"), n_positions=130)


def speak(rng, mood):
    return " ".join([rng.choice(SAID[mood]), rng.choice(FILLERS)])


def write_emocontext(root):
    rng = np.random.default_rng(0)
    (root / "emocontext").mkdir()
    for split, n_rows in {"train": 160, "dev": 60, "test": 60}.items():
        lines = ["id\tturn1\tturn2\tturn3\tlabel"]
        for number in range(n_rows):
            mood = rng.choice(list(SAID))
            turns = [speak(rng, "others"), speak(rng, "others"), speak(rng, mood)]
            lines.append("\t".join([str(number), *turns, mood]))
        (root / "emocontext" / f"{split}.txt").write_text("\r\n".join(lines) + "\r\n", newline="")


def write_iemocap(root):
    rng = np.random.default_rng(1)
    for session in range(1, 6):
        dialog = root / "iemocap/IEMOCAP_full_release" / f"Session{session}" / "dialog"
        for part in ("EmoEvaluation", "transcriptions"):
            (dialog / part).mkdir(parents=True)
        for number in range(1, 4):
            name = f"Ses{session:02}F_impro{number:02}"
            judged, spoken = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
            for turn in range(20):
                code = rng.choice(list(CODES))
                time, key = f"[{turn}.0000 - {turn}.9000]", f"{name}_{'FM'[turn % 2]}{turn:03}"
                judged += [f"{time}\t{key}\t{code}\t[2.5000, 2.5000, 2.5000]", "C-E1:\tNeutral;\t()", ""]
                spoken.append(f"{key} {time.replace(' ', '')}: {speak(rng, CODES[code])}")
            (dialog / "EmoEvaluation" / f"{name}.txt").write_text("\n".join(judged) + "\n")
            (dialog / "transcriptions" / f"{name}.txt").write_text("\n".join(spoken) + "\n")


@pytest.mark.parametrize(
    ("config", "write", "test_split", "n_test"),
    [
        ("emocontext", write_emocontext, "emocontext:test", 60),
        ("iemocap-4", write_iemocap, "iemocap-4:session5", 60),
    ],
)
def test_from_the_official_files_to_figures(tmp_path, long_encoder, config, write, test_split, n_test):
    write(tmp_path)
    faster = ("optimisation.learning_rate=0.02", "optimisation.n_epochs=12", "optimisation.batch_size=16")
    recipe = read_config(EncoderRecipe, CONFIGS / f"{config}.toml", (f'encoder.name="{long_encoder}"', *faster))
    finished = train_encoder(recipe, tmp_path / "model", data_root=tmp_path)
    model = load(finished.folder)
    assert model.uses_context
    result = evaluate_model(model, test_split, data_root=tmp_path, n_resamples=50)
    assert result.data.n == n_test
    assert result.settings.context == "given"
    # Every mood has phrases of its own, so that whoever reads the text knows it; chance is a quarter to two fifths.
    assert result.metrics["micro_f1"].value > 0.7
