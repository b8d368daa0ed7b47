"""A causal language model in this process, against a slow loop that takes the likeliest token each time."""

import json
import shutil
from dataclasses import replace

import pytest
from questions import make_request, run

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from sentire.core.errors import GenerationError
from sentire.llm.batch_provider import BatchProvider
from sentire.llm.exchange import FaultError, Message, Sampling
from sentire.llm.settings import TransformersModel
from sentire.llm.transformers_provider import make_transformers_provider

N_POSITIONS = 128
END = "<end>"
TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}]{{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def write_model(folder, *, end=END, template=None, seed=0):
    """Write a tiny random network whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate([*alphabet, END])}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, chat_template=template)
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(alphabet) + 1,
            n_positions=N_POSITIONS,
            n_embd=32,
            n_layer=2,
            n_head=2,
            bos_token_id=fast.eos_token_id,
            eos_token_id=fast.eos_token_id,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))  # or every reply would be one token again and again
    fast.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def provider(folder):
    return load(folder)


def load(folder, **changes):
    settings = TransformersModel(kind="transformers", model=str(folder), **changes)
    made = make_transformers_provider(settings)
    run(made.check())
    return made


def ask(provider, *requests):
    import asyncio

    async def work():
        return await asyncio.gather(*(provider.complete(one) for one in requests), return_exceptions=True)

    results = run(work())
    return results if len(results) > 1 else results[0]


def make_question(text="glad?", max_tokens=12, **changes):
    return make_request(messages=(Message(role="user", text=text),), max_tokens=max_tokens, **changes)


def reply_slowly(folder, text, n_tokens):
    """The whole text through the network for every single token, with nothing kept in between."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = GPT2LMHeadModel.from_pretrained(folder).eval()
    ids = tokenizer(text, return_tensors="pt").input_ids
    n_input = ids.shape[1]
    for _ in range(n_tokens):
        with torch.inference_mode():
            best = model(ids).logits[0, -1].argmax()
        ids = torch.cat([ids, best.reshape(1, 1)], dim=1)
    return tokenizer.decode(ids[0, n_input:], skip_special_tokens=True), n_input, ids[0, n_input:].tolist()


def test_the_likeliest_token_each_time(folder, provider):
    reply = ask(provider, make_question())
    text, n_input, ids = reply_slowly(folder, "user: glad?\n\nassistant:", 12)
    assert len(set(ids)) > 2  # or the test would tell little
    assert reply.text == text
    assert (reply.input_tokens, reply.output_tokens) == (n_input, 12) == (len("user: glad?\n\nassistant:"), 12)
    assert reply.is_cut


def test_the_same_question_has_the_same_reply_alone_and_among_others(provider):
    questions = [make_question(text) for text in ("glad?", "why is the sun so low today?", "no", "")]
    together = ask(provider, *questions)
    assert together == [ask(provider, one) for one in questions]
    assert len({reply.text for reply in together}) > 1


def test_a_reply_that_ends_by_itself_is_not_cut(tmp_path, folder):
    _, _, ids = reply_slowly(folder, "user: glad?\n\nassistant:", 12)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ending = write_model(tmp_path / "ending", end=alphabet[ids[4]])
    reply = ask(load(ending), make_question())
    n_output = ids.index(ids[4]) + 1
    assert (reply.output_tokens, reply.is_cut) == (n_output, False)
    exact = ask(load(ending), make_question(max_tokens=n_output))  # the end is the very last token that may be
    assert (exact.text, exact.is_cut) == (reply.text, False)


def test_messages_are_put_together_by_the_template_of_the_model(tmp_path):
    provider = load(write_model(tmp_path / "chat", template=TEMPLATE))
    messages = (
        Message(role="system", text="s"),
        Message(role="user", text="glad?"),
        Message(role="assistant", text="yes"),
        Message(role="user", text="why?"),
    )
    reply = ask(provider, make_request(messages=messages, max_tokens=3))
    assert reply.input_tokens == len("[system]s\n[user]glad?\n[assistant]yes\n[user]why?\n[assistant]")


def test_a_question_that_is_too_long_gives_up_and_the_others_are_answered(provider):
    n_around = len("user: \n\nassistant:")
    fits = make_question("x" * (N_POSITIONS - 12 - n_around))
    long, exact, short = ask(provider, make_question("x" * 200), fits, make_question())
    assert isinstance(long, FaultError)
    assert (long.reason, long.verdict) == ("question longer than the model's context", "give up")
    assert long.detail == f"{200 + n_around} tokens and a reply of 12, of {N_POSITIONS}"
    assert (exact.input_tokens, exact.output_tokens) == (N_POSITIONS - 12, 12)
    assert short.output_tokens == 12
    assert isinstance(ask(provider, make_question(fits.messages[0].text + "x")), FaultError)


def test_draws_follow_from_the_seed(provider):
    def draw(seed, text="glad?"):
        return ask(provider, make_question(text, sampling=Sampling(temperature=1.5, seed=seed))).text

    assert draw(3) == draw(3)
    assert len({draw(seed) for seed in range(5)}) > 1
    alone = draw(3)
    draw(4, "something else in between")
    assert draw(3) == alone


def test_a_draw_of_next_to_no_probability_is_the_likeliest_token(provider):
    greedy = ask(provider, make_question())
    narrow = make_question(sampling=Sampling(temperature=1.0, top_p=1e-6, seed=1))
    assert ask(provider, narrow) == greedy


def test_a_penalty_makes_a_reply_repeat_less(provider):
    plain = ask(provider, make_question(max_tokens=40))
    varied = ask(provider, make_question(max_tokens=40, sampling=Sampling(repetition_penalty=2.0)))
    assert len(set(varied.text)) > len(set(plain.text))


def test_texts_of_any_kind_are_questions(provider):
    for text in ("שלום \u202e", "a\x00b", "😀", END):
        assert ask(provider, make_question(text, max_tokens=2)).output_tokens <= 2


def damage_weights(folder):
    (folder / "model.safetensors").write_bytes(b"no weights at all, but long enough to be looked at")


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def pickle_weights(folder):
    model = GPT2LMHeadModel.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


DAMAGES = {
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "weights that are none": damage_weights,
    "weights that are cut": cut_weights,
    "weights in a pickle": pickle_weights,
    "no configuration": lambda folder: (folder / "config.json").unlink(),
    "half a configuration": lambda folder: (folder / "config.json").write_text('{"model_type": "gp'),
    "an unknown kind": lambda folder: (folder / "config.json").write_text('{"model_type": "abacus"}'),
    "no tokenizer": lambda folder: [path.unlink() for path in folder.glob("tokenizer*")],
    "half a tokenizer": lambda folder: (folder / "tokenizer.json").write_text('{"version": "1.0", "mod'),
    "nothing": lambda folder: shutil.rmtree(folder),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_folder_that_holds_no_whole_model_is_refused_by_name(tmp_path, folder, monkeypatch, damage):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    damage(copy)
    with pytest.raises(GenerationError, match=r"a causal language model with safetensors weights, got .* at .*/copy"):
        load(copy)


def test_code_of_the_model_is_not_run(tmp_path, folder):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    told = json.loads((copy / "config.json").read_text())
    told |= {"model_type": "abacus", "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    (copy / "config.json").write_text(json.dumps(told))
    (copy / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Config: pass\nclass Model: pass\n")
    with pytest.raises(GenerationError):
        load(copy)
    assert not (tmp_path / "ran").exists()


def test_the_settings_are_those_of_the_provider(folder):
    settings = TransformersModel(kind="transformers", model=str(folder), batch_size=3)
    made = make_transformers_provider(settings)
    assert isinstance(made, BatchProvider)
    assert made.model == str(folder)
    assert made._batch_size == 3
    # Nothing is loaded yet, so that any name will do.
    other = make_transformers_provider(replace(settings, model="other/model", revision="abc"))
    assert other.model == "other/model@abc"
