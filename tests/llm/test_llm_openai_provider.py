"""Servers that speak OpenAI's protocol: nothing that they send is trusted, and nothing that is secret is told."""

import asyncio
import gzip
import hashlib
import importlib.util
import json
import subprocess
import sys
import time
import urllib.request
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from questions import PATIENCE_SECONDS, make_call, make_request, open_caller, run

pytest.importorskip("httpx2")

from sentire.core.errors import GenerationError, MissingExtraError
from sentire.llm import openai_provider
from sentire.llm.caller import UnusableReplyError
from sentire.llm.exchange import FaultError, Message, Reply, Sampling
from sentire.llm.halt import Halt
from sentire.llm.openai_provider import OpenAIProvider
from sentire.llm.retries import Retries
from sentire.llm.settings import OpenAIServer

ROOT = Path(__file__).resolve().parents[2]
SECRET = "sk-of-alma-4711"  # noqa: S105  ours, and no key to anything
KEY_VARIABLE = "SENTIRE_TEST_KEY"
SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


def make_settings(url, **changes):
    return OpenAIServer(
        **{
            "kind": "openai",
            "base_url": url,
            "model": "loopback",
            "key_variable": KEY_VARIABLE,
            "timeout_seconds": PATIENCE_SECONDS,
        }
        | changes
    )


@asynccontextmanager
async def provide(url, **changes):
    provider = OpenAIProvider(make_settings(url, **changes))
    try:
        yield provider
    finally:
        await provider.close()


def ask(url, *requests, **changes):
    """Return the reply or the fault of each question, asked one after the other."""

    async def work():
        results = []
        async with provide(url, **changes) as provider:
            for request in requests or [make_request()]:
                try:
                    results.append(await provider.complete(request))
                except FaultError as fault:
                    results.append(fault)
        return results if len(results) > 1 else results[0]

    return run(work())


def check(url, **changes):
    async def work():
        async with provide(url, **changes) as provider:
            await provider.check()

    run(work())


# --- The stand-in server ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def start_server():
    """``start_server("--key", "x")`` returns the address of a server of its own."""
    processes, addresses = [], {}

    def start(*arguments):
        if arguments not in addresses:
            process = subprocess.Popen(
                [sys.executable, ROOT / "benchmarks" / "loopback_server.py", *arguments],
                stdout=subprocess.PIPE,
                text=True,
            )
            processes.append(process)
            addresses[arguments] = process.stdout.readline().strip()
        return addresses[arguments]

    yield start
    for process in processes:
        process.kill()
        process.stdout.close()
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def loopback():
    """The module of the stand-in, which knows what it will answer."""
    with pytest.MonkeyPatch.context() as patch:
        spec = importlib.util.spec_from_file_location("loopback_server", ROOT / "benchmarks" / "loopback_server.py")
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "loopback_server", module)  # a dataclass looks its module up
        spec.loader.exec_module(module)
        yield module


def read_counts(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/counts", timeout=10) as answer:  # noqa: S310  our own
        return json.load(answer)


def test_a_question_is_answered_and_its_tokens_are_counted(start_server):
    url = start_server()
    reply = ask(url)
    assert json.loads(reply.text)["utterance"].startswith("I ")
    assert reply.output_tokens == max(1, len(reply.text) // 4)
    assert reply.input_tokens > 20
    assert not reply.is_cut
    assert ask(url + "/") == reply  # the same question, the same answer
    check(url)


def test_a_server_that_is_not_there_is_named():
    url = f"http://127.0.0.1:{find_closed_port()}/v1"
    with pytest.raises(GenerationError, match=rf"a server that speaks OpenAI's protocol at {url}, got .*; start it"):
        check(url)
    fault = ask(url)
    assert (fault.reason, fault.verdict, fault.may_be_billed) == ("no connection", "again", False)


def find_closed_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    "url",
    ["localhost:8000/v1", "http://", "ftp://127.0.0.1/v1", "", "http://[::1", "/v1", "http://127.0.0.1:99999/v1"],
)
def test_an_address_that_is_none_is_said_to_be_that(url):
    with pytest.raises(GenerationError, match=r"provider\.base_url"):
        check(url)


@pytest.mark.parametrize(("key", "hint"), [("", "which is not set"), ("wrong-4711", "which holds another one")])
def test_a_wrong_key_names_its_variable_and_never_itself(start_server, monkeypatch, key, hint):
    url = start_server("--key", SECRET)
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(GenerationError, match=rf"a key that the server takes, got status 401.*{KEY_VARIABLE}, {hint}"):
        check(url)
    fault = ask(url)
    assert (fault.reason, fault.verdict, fault.detail) == ("key refused", "stop", "invalid api key")
    assert fault.hint == f"put the key into the environment variable {KEY_VARIABLE}, {hint}"
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    check(url)
    assert isinstance(ask(url), Reply)


@pytest.mark.parametrize("key", [SECRET + "\n", "\t" + SECRET, SECRET + "\x7f", SECRET + "é"])
def test_a_key_that_no_header_takes_is_not_told_either(start_server, monkeypatch, key):
    """A key out of a file often ends in a new line; the library's own message would quote it."""
    url = start_server("--key", SECRET)
    monkeypatch.setenv(KEY_VARIABLE, key)
    for act in (check, ask):
        try:
            said = act(url)
        except GenerationError as error:
            said = error
        assert SECRET not in f"{said} {getattr(said, 'detail', '')} {getattr(said, 'hint', '')}"


def test_a_server_that_tells_the_key_is_not_repeated(monkeypatch):
    """The detail of a fault goes into the ledger, which is handed on."""
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    body = {"error": {"message": f"Incorrect API key provided: {SECRET}."}}
    for status in (401, 403, 400, 429, 500):
        fault = talk(answer(body, status=status)).results[0]
        assert SECRET not in f"{fault} {fault.detail}"


@pytest.mark.parametrize("secret", [SECRET, "key/of/alma+4711"])
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("before", [0, 100, 285, 4090])
def test_no_part_of_the_key_is_told_wherever_it_stands(monkeypatch, status, before, secret):
    """Long complaints are cut, and a cut through the key must not leave the half of it."""
    monkeypatch.setenv(KEY_VARIABLE, secret)
    told = "x" * before + secret
    bodies = [
        f"<html>{told}</html>".encode(),
        told.encode(),
        json.dumps({"error": {"message": told}}).encode(),
        json.dumps({"error": {"message": told}}).replace("/", "\\/").encode(),
    ]
    for body in bodies:
        fault = talk(say(status, body)).results[0]
        assert isinstance(fault, FaultError)
        assert secret[:6] not in f"{fault} {fault.detail} {fault.hint}"


def test_a_reply_that_holds_the_key_is_recorded_without_it(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    reply = talk(answer(speak(f"the header said Bearer {SECRET}."))).results[0]
    assert reply.text == "the header said Bearer ***."


@pytest.mark.parametrize("word", ["x", "none", "EMPTY", "anything"])
def test_a_word_in_the_place_of_a_key_changes_no_reply(monkeypatch, word):
    """Servers on one's own machine take any key: what is no secret is not blotted out of what a model says."""
    monkeypatch.setenv(KEY_VARIABLE, word)
    assert talk(answer(speak(f"There was {word} left."))).results[0].text == f"There was {word} left."


def test_a_model_that_the_server_has_not_is_refused_with_the_near_ones(start_server):
    with pytest.raises(
        GenerationError, match=r"server has \(loopback\), got 'lopback' at provider.model; did you mean \"loopback\""
    ):
        check(start_server(), model="lopback")
    fault = ask(start_server(), model="lopback")
    assert (fault.reason, fault.verdict) == ("no such model or address", "stop")
    assert "the model does not exist" in fault.detail
    assert "provider.model" in fault.hint


def test_a_question_beyond_the_context_gives_up(start_server):
    url = start_server("--context-bytes", "600")
    long, short = ask(url, make_request(text="x" * 700), make_request())
    assert (long.reason, long.verdict) == ("question longer than the model's context", "give up")
    assert isinstance(short, Reply)


def test_a_server_without_schemas_is_asked_without_from_then_on(start_server):
    url = start_server("--no-schema")
    fault, *replies = ask(url, *[make_request(schema=SCHEMA)] * 3)
    assert (fault.reason, fault.verdict, fault.may_be_billed) == ("schema refused", "again", False)
    assert [type(reply) for reply in replies] == [Reply, Reply]
    assert read_counts(url)["requests"] == 2


# Reason, verdict, seconds to wait, too much to do, may have to be paid.
EXPECTED = {
    "429 with Retry-After": ("rate limit", "again", 0.05, True, False),
    "429": ("rate limit", "again", None, True, False),
    "500": ("server error 500", "again", None, False, True),
    "503": ("server overloaded", "again", None, True, False),
    "reset": ("connection broken", "again", None, False, True),
    "hang": ("timeout", "again", None, False, True),
    "broken JSON": ("broken JSON", "again", None, False, True),
    "page": ("a page instead of an answer", "again", None, False, True),
    "empty": ("empty text", "again", None, False, True),
    # What is wrong with these is not the server's doing: whoever reads the text will see it.
    "cut JSON": '{"emotions": [{"label": "jo',
    "prose": "Certainly. What would you like?",
}


def find_question(loopback, wanted):
    server = loopback.Server(0.0, 1.0, 0, "", "loopback", 0, True, False)
    for number in range(1000):
        request = make_request(text=f"question {number}")
        system, user = (message.text for message in request.messages)
        question = hashlib.sha256(f"{system}\n{user}".encode()).hexdigest()
        server.attempts[question] = 1
        if server.choose_fault(question) == wanted:
            return request
    raise AssertionError(wanted)


def test_every_fault_of_a_server_is_known_for_what_it_is(start_server, loopback):
    assert set(EXPECTED) == set(loopback.FAULTS)
    url = start_server("--fault-share", "1")
    questions = [find_question(loopback, name) for name in EXPECTED]
    results = ask(url, *questions, timeout_seconds=1.5)
    for (name, expected), result in zip(EXPECTED.items(), results, strict=True):
        if isinstance(result, Reply):
            assert result.text == expected, name
        else:
            found = (result.reason, result.verdict, result.retry_after, result.is_throttle, result.may_be_billed)
            assert found == expected, name
    assert read_counts(url)["faults"] == dict.fromkeys(EXPECTED, 1)


def test_a_job_on_a_bad_server_gets_every_answer_once_and_counts_every_attempt(tmp_path, start_server):
    """All faults together, with the ledger: what the server saw is what the ledger says."""

    def parse(text):
        try:
            return json.loads(text)["utterance"]
        except (ValueError, KeyError) as error:
            raise UnusableReplyError("no utterance") from error

    url = start_server("--fault-share", "0.25", "--seed", "3")
    provider = OpenAIProvider(make_settings(url, timeout_seconds=1.5))
    retries = Retries(attempts=12, repairs=8, first_wait_seconds=0.005, longest_wait_seconds=0.1)
    halt = Halt()

    async def work(caller):
        calls = [make_call(number, parse=parse) for number in range(40)]
        try:
            return await asyncio.gather(*(caller.ask(call) for call in calls))
        finally:
            await provider.close()

    with open_caller(tmp_path, provider, retries=retries, most_in_flight=16, halt=halt) as (caller, ledger, purse):
        outcomes = run(work(caller))
        assert not halt.is_called
        assert all(outcome.value for outcome in outcomes)
        assert ledger.sum_spent() == purse.spent
        seen = read_counts(url)
        assert seen["requests"] == ledger.sum_spent().calls
        assert (seen["answers"], seen["answered_twice"]) == (40, 0)
        assert sum(caller.counts.faults.values()) == sum(seen["faults"].values()) > 0


# --- Exact bytes ------------------------------------------------------------------------------------------------------


@dataclass
class Talk:
    """What a server of the test was asked, and what the provider made of its answers."""

    n_connections: int = 0
    heads: list[str] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    results: list = field(default_factory=list)


def say(status, body, headers=()):
    """Return an answer as bytes."""
    lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(value, status=200, headers=()):
    return say(status, json.dumps(value).encode(), headers)


def speak(text="fine", finish_reason="stop", **rest):
    return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}], **rest}


@asynccontextmanager
async def listen(talk, *answers, pauses=None):
    """Answer with these bytes in turn, the last again and again; None closes the connection without a word."""

    async def serve(reader, writer):
        talk.n_connections += 1
        open_ones.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length: ")]
                body = await reader.readexactly(int(lengths[0].split()[1])) if lengths else b"{}"
                given = answers[min(len(talk.heads), len(answers) - 1)]
                talk.heads.append(head)
                talk.bodies.append(json.loads(body))
                if given is None:
                    return
                for piece in [given] if pauses is None else (given[n : n + 1] for n in range(len(given))):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pauses or 0)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            open_ones.discard(writer)

    open_ones = set()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        while open_ones:
            await asyncio.sleep(0.001)


def talk(*answers, requests=None, pauses=None, is_check=False, **changes):
    """Ask a server that sends exactly these bytes."""
    found = Talk()

    async def work():
        async with listen(found, *answers, pauses=pauses) as url, provide(url, **changes) as provider:
            for request in requests or [make_request()]:
                try:
                    found.results.append(await (provider.check() if is_check else provider.complete(request)))
                except (FaultError, GenerationError) as fault:
                    found.results.append(fault)

    run(work())
    return found


def test_the_fields_of_a_plain_question():
    found = talk(answer(speak()))
    assert found.bodies == [
        {
            "model": "loopback",
            "messages": [
                {"role": "system", "content": "Reply with JSON."},
                {"role": "user", "content": "How does Alma feel?"},
            ],
            "max_tokens": 50,
            "temperature": 0.0,
            "top_p": 1.0,
        }
    ]
    assert found.heads[0].startswith("POST /v1/chat/completions HTTP/1.1\r\n")
    assert "authorization" not in found.heads[0].lower()


def test_the_fields_of_a_question_with_everything(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, SECRET)
    sampling = Sampling(temperature=0.7, top_p=0.9, repetition_penalty=1.1, seed=0)
    found = talk(
        answer(speak()),
        requests=[make_request(schema=SCHEMA, sampling=sampling, max_tokens=9)],
        token_limit="max_completion_tokens",  # noqa: S106  no password
        extra={"chat_template_kwargs": {"enable_thinking": False}, "top_p": 0.5},
    )
    body = found.bodies[0]
    assert {name: body[name] for name in body if name not in ("model", "messages", "response_format")} == {
        "max_completion_tokens": 9,
        "temperature": 0.7,
        "top_p": 0.5,  # the last word is the user's
        "repetition_penalty": 1.1,
        "seed": 0,
        "chat_template_kwargs": {"enable_thinking": False},
    }
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True},
    }
    assert f"authorization: Bearer {SECRET}\r\n" in found.heads[0]


@pytest.mark.parametrize(
    ("form", "schema", "expected"),
    [("json_object", SCHEMA, {"type": "json_object"}), ("none", SCHEMA, None), ("json_schema", None, None)],
)
def test_the_form_of_the_reply_is_asked_for_as_the_settings_say(form, schema, expected):
    found = talk(answer(speak()), requests=[make_request(schema=schema)], schema_form=form)
    assert found.bodies[0].get("response_format") == expected


@pytest.mark.parametrize(
    "words", ["response_format is not supported", "unknown field json_schema", "failed to parse GRAMMAR"]
)
def test_a_refused_schema_is_left_out_of_this_and_all_later_questions(words):
    requests = [make_request(schema=SCHEMA) for _ in range(3)]
    found = talk(answer({"error": {"message": words}}, status=400), answer(speak()), requests=requests)
    assert ["response_format" in body for body in found.bodies] == [True, False, False]
    assert (found.results[0].reason, found.results[0].verdict) == ("schema refused", "again")
    assert found.results[0].detail == words
    assert [result.text for result in found.results[1:]] == ["fine"] * 2


def test_a_form_that_the_user_asks_for_and_the_server_refuses_is_not_asked_for_without_end():
    refusal = answer({"error": {"message": "response_format is not supported"}}, status=400)
    requests = [make_request(schema=SCHEMA) for _ in range(3)]
    found = talk(refusal, requests=requests, extra={"response_format": {"type": "text"}})
    assert [fault.verdict for fault in found.results] == ["again", "give up", "give up"]


def test_every_request_that_reaches_a_server_without_schemas_is_an_attempt_that_is_counted(tmp_path):
    """One call is one attempt in the budget, also where the first ones have to be sent once more."""
    found = Talk()
    refusal = answer({"error": {"message": "response_format is not supported"}}, status=400)

    async def work():
        async with listen(found, refusal, refusal, refusal, answer(speak())) as url, provide(url) as provider:
            with open_caller(tmp_path, provider) as (caller, ledger, purse):
                calls = [make_call(n, request=make_request(f"{n}", f"{n}", schema=SCHEMA), parse=str) for n in range(3)]
                outcomes = await asyncio.gather(*(caller.ask(call) for call in calls))
                assert [outcome.value for outcome in outcomes] == ["fine"] * 3
                assert purse.spent.calls == ledger.sum_spent().calls == len(found.bodies) == 6

    run(work())


def test_a_refusal_that_is_not_about_the_schema_keeps_it():
    requests = [make_request(schema=SCHEMA) for _ in range(2)]
    found = talk(
        answer({"error": {"message": "temperature must be 1"}}, status=400), answer(speak()), requests=requests
    )
    assert ["response_format" in body for body in found.bodies] == [True, True]
    assert (found.results[0].reason, found.results[0].verdict) == ("question refused with status 400", "give up")
    assert found.results[0].detail == "temperature must be 1"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 12, "completion_tokens": 34}, (12, 34)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0)),
        (None, (None, None)),
        ([], (None, None)),
        ({}, (None, None)),
        ({"prompt_tokens": "12", "completion_tokens": 3.5}, (None, None)),
        ({"prompt_tokens": -1, "completion_tokens": True}, (None, None)),
        ({"prompt_tokens": None}, (None, None)),
        ({"prompt_tokens": 2**63, "completion_tokens": 2**64 - 1}, (None, None)),  # -1 of a careless server
    ],
    ids=str,
)
def test_counts_that_are_none_are_not_taken_for_counts(usage, expected):
    reply = talk(answer(speak(usage=usage))).results[0]
    assert (reply.input_tokens, reply.output_tokens) == expected
    assert reply.text == "fine"


def test_a_reply_without_usage_is_a_reply():
    assert talk(answer(speak())).results == [Reply(text="fine")]


@pytest.mark.parametrize(("reason", "is_cut"), [("length", True), ("stop", False), (None, False), ("eos", False)])
def test_a_reply_that_was_too_long_is_called_cut(reason, is_cut):
    assert talk(answer(speak(finish_reason=reason))).results[0].is_cut == is_cut


@pytest.mark.parametrize("text", ["שלום \u202e", "a\x00b", "😀" * 1000, " \n{}\n ", "x" * 1_000_000], ids=range(5))
def test_texts_come_as_they_were(text):
    assert talk(answer(speak(text))).results[0].text == text


BAD_ANSWERS = {
    "page": (say(200, b" \n<!doctype html><p>Welcome"), "a page instead of an answer"),
    "cut": (say(200, json.dumps(speak()).encode()[:-9]), "broken JSON"),
    "broken": (say(200, b'{"choices": [{]'), "broken JSON"),
    "no bytes": (say(200, b""), "broken JSON"),
    "no text in bytes": (say(200, b"\xff\xfe\x00"), "broken JSON"),
    "half of a character": (say(200, b'{"choices": [{"message": {"content": "\\ud83d"}}]}'), "broken JSON"),
    "deep": (say(200, b"[" * 100_000), "broken JSON"),
    "a list": (answer([1]), "answer of another form"),
    "a number": (answer(3), "answer of another form"),
    "null": (answer(None), "answer of another form"),
    "no choices": (answer({"choices": []}), "answer of another form"),
    "no list of choices": (answer({"choices": "many"}), "answer of another form"),
    "no message": (answer({"choices": [{"text": "old"}]}), "answer of another form"),
    "a choice that is a text": (answer({"choices": ["fine"]}), "answer of another form"),
    "a choice that is null": (answer({"choices": [None]}), "answer of another form"),
    "an error in an answer": (answer({"error": {"message": "upstream is away"}}), "answer of another form"),
    "empty": (answer(speak("")), "empty text"),
    "blank": (answer(speak(" \n\t")), "empty text"),
    "null content": (answer(speak(None)), "empty text"),
    "parts": (answer(speak([{"type": "text", "text": "fine"}])), "empty text"),
    "closed": (None, "connection broken"),
    "no HTTP": (b"220 mail.example ESMTP\r\n\r\n", "connection broken"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_an_answer_that_is_none_is_tried_again_and_may_have_to_be_paid(name):
    sent, reason = BAD_ANSWERS[name]
    fault = talk(sent, timeout_seconds=2.0).results[0]
    assert (fault.reason, fault.verdict, fault.may_be_billed, fault.is_throttle) == (reason, "again", True, False)
    assert len(str(fault)) < 500


# Reason, verdict, too much to do, may have to be paid.
STATUSES = {
    401: ("key refused", "stop", False, False),
    402: ("payment required", "stop", False, False),
    403: ("key refused", "stop", False, False),
    404: ("no such model or address", "stop", False, False),
    408: ("server error 408", "again", False, True),
    409: ("server error 409", "again", False, False),
    413: ("question longer than the model's context", "give up", False, False),
    422: ("question refused with status 422", "give up", False, False),
    425: ("server error 425", "again", False, False),
    429: ("rate limit", "again", True, False),
    500: ("server error 500", "again", False, True),
    502: ("server error 502", "again", False, True),
    503: ("server overloaded", "again", True, False),
    504: ("server error 504", "again", False, True),
    307: ("question refused with status 307", "give up", False, False),
}


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_has_its_verdict(status):
    found = talk(answer({"error": {"message": "told\n  why"}}, status=status))
    fault = found.results[0]
    assert (fault.reason, fault.verdict, fault.is_throttle, fault.may_be_billed) == STATUSES[status]
    assert fault.detail == "told why"
    assert len(found.bodies) == 1


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 8192 tokens",
        "context_length_exceeded",
        "the request exceeds the available context size",
        "Input is too long for the requested model",
    ],
)
def test_a_question_that_is_too_long_is_known_by_the_words_of_any_server(words):
    fault = talk(answer({"error": {"message": words}}, status=400)).results[0]
    assert (fault.reason, fault.verdict) == ("question longer than the model's context", "give up")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"upstream is away",
        b"<html>502</html>",
        b'{"error": "text"}',
        b'{"error": null}',
        b"[1]",
        b"\xff\xfe",
        b"3",
    ],
)
def test_a_status_is_judged_whatever_its_body_is(body):
    fault = talk(say(500, body)).results[0]
    assert (fault.reason, fault.verdict) == ("server error 500", "again")
    assert isinstance(fault.detail, str)


def test_a_long_complaint_is_cut():
    assert len(talk(answer({"error": {"message": "long " * 10_000}}, status=500)).results[0].detail) == 300


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("0", 0.0),
        ("100000", 100_000.0),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 99999999999999999999 07:28:00 GMT", None),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503, 500])
def test_the_seconds_that_a_server_asks_for_are_a_number_or_nothing(value, expected, status):
    fault = talk(answer({}, status=status, headers=[f"Retry-After: {value}"])).results[0]
    assert fault.retry_after == expected


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_a_date_that_a_server_asks_for_is_heeded(zone):
    date = time.strftime("%a, %d %b %Y %H:%M:%S ", time.gmtime(time.time() + 50)) + zone
    fault = talk(answer({}, status=429, headers=[f"Retry-After: {date}"])).results[0]
    assert 45 < fault.retry_after <= 50


@pytest.mark.parametrize("text", [None, "", "I cannot"])
def test_an_answer_that_a_filter_withheld_gives_up(text):
    fault = talk(answer(speak(text, finish_reason="content_filter"))).results[0]
    assert (fault.reason, fault.verdict) == ("answer withheld by the server's filter", "give up")
    assert fault.may_be_billed


def test_a_reply_beyond_all_bounds_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(openai_provider, "LARGEST_REPLY_BYTES", 5000)
    big = answer(speak("x" * 100_000))
    found = talk(big, answer(speak("x" * 4000)), requests=[make_request(), make_request()])
    fault, reply = found.results
    assert (fault.reason, fault.verdict, fault.may_be_billed) == ("reply beyond all bounds", "again", True)
    assert len(reply.text) == 4000


def test_a_small_reply_that_unpacks_to_a_huge_one_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(openai_provider, "LARGEST_REPLY_BYTES", 100_000)
    packed = gzip.compress(json.dumps(speak("x" * 20_000_000)).encode())
    fault = talk(say(200, packed, ["content-encoding: gzip"])).results[0]
    assert fault.reason == "reply beyond all bounds"


def test_a_server_that_says_nothing_is_not_waited_for_longer_than_allowed():
    started = time.monotonic()
    fault = talk(b"", timeout_seconds=0.2).results[0]
    assert (fault.reason, fault.verdict, fault.may_be_billed) == ("timeout", "again", True)
    assert time.monotonic() - started < 2


def test_a_server_that_sends_a_byte_now_and_then_is_not_waited_for_longer_either():
    """The time is for one attempt, not for one byte."""
    started = time.monotonic()
    fault = talk(say(200, b" " * 60), pauses=0.02, timeout_seconds=0.2).results[0]
    assert (fault.reason, fault.verdict, fault.may_be_billed) == ("timeout", "again", True)
    assert time.monotonic() - started < 2


def test_a_question_that_is_no_valid_text_gives_up_and_is_not_sent():
    found = talk(answer(speak()), requests=[make_request(messages=(Message(role="user", text="\ud83d"),))])
    assert (found.results[0].reason, found.results[0].verdict) == ("question that is no valid text", "give up")
    assert found.bodies == []


# --- Connections ------------------------------------------------------------------------------------------------------


def test_one_connection_serves_one_question_after_the_other():
    assert talk(answer(speak()), requests=[make_request()] * 8).n_connections == 1


def test_there_are_as_many_connections_as_questions_at_the_same_time_and_they_stay():
    found = Talk()

    async def work():
        async with listen(found, answer(speak()), pauses=0) as url, provide(url) as provider:
            for _ in range(3):
                replies = await asyncio.gather(*(provider.complete(make_request(f"{n}")) for n in range(7)))
                assert len(replies) == 7
            assert found.n_connections <= 7

    run(work())
    assert len(found.bodies) == 21


def test_a_connection_that_the_server_closed_is_opened_anew():
    closing = answer(speak(), headers=["connection: close"])
    found = talk(closing, None, answer(speak()), requests=[make_request()] * 3)
    assert [type(result) for result in found.results] == [Reply, FaultError, Reply]
    assert found.n_connections == 3


def test_who_is_cancelled_leaves_the_next_one_a_connection_that_works():
    found = Talk()

    async def work():
        async with listen(found, b"", answer(speak())) as url, provide(url) as provider:
            asking = asyncio.create_task(provider.complete(make_request()))
            while not found.bodies:
                await asyncio.sleep(0.001)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (await provider.complete(make_request())).text == "fine"

    run(work())


def test_proxies_of_the_environment_are_not_asked(start_server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{find_closed_port()}")
    assert isinstance(ask(start_server()), Reply)


# --- The list of models -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        answer({"data": [{"id": "other"}, {"id": "loopback"}]}),
        answer({"data": []}),
        answer({"data": None}),
        answer({"data": [3]}),
        answer([]),
        answer({"error": "no list here"}, status=404),
        say(200, b"<html></html>"),
        say(200, b"\xff"),
        say(500, b""),
    ],
    ids=range(9),
)
def test_a_server_whose_list_has_the_model_or_that_has_no_list_is_taken(sent):
    assert talk(sent, is_check=True).results == [None]


@pytest.mark.parametrize("status", [401, 403])
def test_a_list_that_wants_another_key(status):
    (error,) = talk(answer({}, status=status), is_check=True).results
    assert f"got status {status}" in str(error)
    assert KEY_VARIABLE in error.hint


def test_a_list_that_never_comes_is_not_waited_for():
    (error,) = talk(b"", is_check=True, timeout_seconds=0.2).results
    assert isinstance(error, GenerationError)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx2", None)
    monkeypatch.delitem(sys.modules, "sentire.llm.openai_provider")
    with pytest.raises(MissingExtraError, match=r"the extra 'llm' for asking a server.*sentire\[llm\]"):
        importlib.import_module("sentire.llm.openai_provider")
