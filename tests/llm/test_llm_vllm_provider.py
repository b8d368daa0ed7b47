"""vLLM in this process: a stand-in with its documented interface hears what was asked, in its own words."""

import importlib
import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import pytest
from questions import make_request, run

import sentire.llm
from sentire.core.errors import GenerationError, MissingExtraError
from sentire.llm.exchange import FaultError, Message, Sampling
from sentire.llm.settings import VllmModel

NAME = "sentire.llm.vllm_provider"


@dataclass
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    max_tokens: int | None = 16
    seed: int | None = None
    structured_outputs: object = None


@dataclass
class StructuredOutputsParams:
    json: dict | None = None


@dataclass
class Engine:
    """What the stand-in was made with and asked."""

    made_with: list = field(default_factory=list)
    chats: list = field(default_factory=list)
    refuses: Exception | None = None
    finish_reason: str = "stop"

    def make(self, model, **options):
        if self.refuses is not None:
            raise self.refuses
        self.made_with.append({"model": model, **options})
        return SimpleNamespace(chat=self.chat)

    def chat(self, messages, sampling_params=None, use_tqdm=True):
        self.chats.append((messages, sampling_params, use_tqdm))
        return [
            SimpleNamespace(
                prompt_token_ids=list(range(len(turns[-1]["content"]))),
                outputs=[
                    SimpleNamespace(
                        text=f"to {turns[-1]['content']}", token_ids=[1, 2, 3], finish_reason=self.finish_reason
                    )
                ],
            )
            for turns in messages
        ]


@pytest.fixture
def engine(monkeypatch):
    made = Engine()
    module = ModuleType("vllm")
    module.LLM, module.SamplingParams = made.make, SamplingParams
    module.sampling_params = ModuleType("vllm.sampling_params")
    module.sampling_params.StructuredOutputsParams = StructuredOutputsParams
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", module.sampling_params)
    forget()
    yield made
    forget()


def forget():
    """Whoever imports the provider next finds what is really installed."""
    sys.modules.pop(NAME, None)
    vars(sentire.llm).pop("vllm_provider", None)


def load(**changes):
    provider = importlib.import_module(NAME).make_vllm_provider(VllmModel(kind="vllm", model="a/b", **changes))
    run(provider.check())
    return provider


def ask(provider, *requests):
    import asyncio

    async def work():
        return await asyncio.gather(*(provider.complete(one) for one in requests), return_exceptions=True)

    return run(work())


def make_question(text, **changes):
    return make_request(messages=(Message(role="system", text="s"), Message(role="user", text=text)), **changes)


def test_the_model_is_made_as_the_settings_say(engine):
    provider = load(revision="abc", engine={"max_model_len": 4096, "enable_prefix_caching": False})
    assert provider.model == "a/b@abc"
    assert engine.made_with == [
        {
            "model": "a/b",
            "trust_remote_code": False,
            "revision": "abc",
            "max_model_len": 4096,
            "enable_prefix_caching": False,
        }
    ]


def test_questions_and_parameters_arrive_as_they_were_asked(engine):
    schema = {"type": "object"}
    sampling = Sampling(temperature=0.7, top_p=0.9, repetition_penalty=1.1, seed=0)
    replies = ask(
        load(),
        make_question("one", max_tokens=5),
        make_question("three", max_tokens=9, sampling=sampling, schema=schema),
    )
    ((messages, parameters, use_tqdm),) = engine.chats
    assert messages == [
        [{"role": "system", "content": "s"}, {"role": "user", "content": text}] for text in ("one", "three")
    ]
    assert parameters == [
        SamplingParams(temperature=0.0, top_p=1.0, repetition_penalty=1.0, max_tokens=5, seed=None),
        SamplingParams(
            temperature=0.7,
            top_p=0.9,
            repetition_penalty=1.1,
            max_tokens=9,
            seed=0,
            structured_outputs=StructuredOutputsParams(json=schema),
        ),
    ]
    assert use_tqdm is False
    assert [(one.text, one.input_tokens, one.output_tokens, one.is_cut) for one in replies] == [
        ("to one", 3, 3, False),
        ("to three", 5, 3, False),
    ]


def test_a_reply_that_was_too_long_is_called_cut(engine):
    engine.finish_reason = "length"
    assert ask(load(), make_question("one"))[0].is_cut


def test_batches_are_as_large_as_the_settings_say(engine):
    ask(load(batch_size=2), *(make_question(f"{n}") for n in range(5)))
    assert [len(messages) for messages, _, _ in engine.chats] == [2, 2, 1]


@pytest.mark.parametrize(
    "error", [ValueError("no such\n model"), OSError("no such\n model"), RuntimeError("no such model")]
)
def test_a_model_that_cannot_be_made_is_named(engine, error):
    engine.refuses = error
    with pytest.raises(GenerationError, match=r"a model that vLLM can run, got no such model at a/b"):
        load()


def test_an_error_of_the_engine_is_a_fault_of_all_who_asked(engine):
    provider = load()

    def fail(*arguments, **options):
        raise RuntimeError("out of memory")

    provider._batch_model._llm.chat = fail
    faults = ask(provider, make_question("a"), make_question("b"))
    assert [(type(one), str(one)) for one in faults] == [(FaultError, "model failed: RuntimeError: out of memory")] * 2


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", None)
    forget()
    with pytest.raises(MissingExtraError, match=r"the extra 'vllm' for vLLM in this process.*or start its server"):
        importlib.import_module(NAME)
    assert NAME not in sys.modules
