"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama, hosted ones.

One POST with JSON is all that is needed of that protocol, so that a plain HTTP client asks it: the official one takes
twice the processor time a call, and hides the bytes that came, which are what has to be judged. Nothing that a server
sends is trusted: a status of 200 may carry a page of HTML, half a JSON, or an empty text.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import orjson

from sentire.core.errors import GenerationError, MissingExtraError, did_you_mean, list_names, quote
from sentire.llm.exchange import FaultError, Reply, Request
from sentire.llm.model_names import name_model
from sentire.llm.settings import OpenAIServer

try:
    import httpx2
except ImportError as error:
    raise MissingExtraError(extra="llm", needed_for="asking a server") from error

LARGEST_REPLY_BYTES = 8 << 20
"""A longer reply is no answer to any of our questions."""

LONGEST_DETAIL_CHARS = 300

MOST_TOKENS = 2**40
"""A server that counts more tokens than that does not count."""

LARGEST_PORT = 65_535

SHORTEST_SECRET_CHARS = 12
"""A shorter key is a word such as EMPTY, for a server that takes any: it is not taken out of what a model says."""

_CONTEXT_WORDS = ("context length", "context_length", "maximum context", "context size", "context window", "too long")
_SCHEMA_WORDS = ("response_format", "json_schema", "guided", "grammar")


class OpenAIProvider:
    """Asks one model of one server.

    Args:
        settings: Where it is and how it is asked.

    There are as many connections as there are requests at the same time, each with a client of its own: a client with
    hundreds of connections looks at all of them for every request.
    """

    def __init__(self, settings: OpenAIServer) -> None:
        self.model = name_model(settings, folder=Path())
        self._settings = settings
        self._url = settings.base_url.rstrip("/")
        self._certificates: ssl.SSLContext | None = None
        self._asks_for_schema = settings.schema_form != "none"
        key = self._key = os.environ.get(settings.key_variable, "").strip()
        try:
            if not 0 < (httpx2.URL(self._url).port or 80) <= LARGEST_PORT:
                raise ValueError("a port that is none")
            if not key.isascii() or not key.isprintable():
                raise ValueError("a key that no header can carry")
            self._headers = httpx2.Headers({"authorization": f"Bearer {key}"} if key else {})
            self._free = [self._make_client()]
            self._all = list(self._free)
        except (httpx2.InvalidURL, ValueError, UnicodeError) as error:
            raise GenerationError(
                expected="the address of a server and a plain key",
                got=self._redact(str(error)),
                where="provider.base_url",
                hint=f"see provider.base_url, and the environment variable {settings.key_variable}",
            ) from error

    async def check(self) -> None:
        """Ask for the list of models: is the server there, does it take the key, does it know the model?"""
        try:
            answer = await self._free[0].get(f"{self._url}/models")
        except httpx2.InvalidURL as error:
            raise self._unreachable(str(error)) from error
        except httpx2.HTTPError as error:
            raise self._unreachable(_describe(error)) from error
        if answer.status_code in (401, 403):
            raise self._unauthorised(answer.status_code)
        names = _read_models(self._hide_key(answer.content))
        if names and self._settings.model not in names:
            raise GenerationError(
                expected=f"a model that the server has ({list_names(sorted(names))})",
                got=quote(self._settings.model),
                where="provider.model",
                hint=did_you_mean(self._settings.model, names),
            )

    async def complete(self, request: Request) -> Reply:
        """Ask once; see ``Provider``."""
        asks_for_schema = request.schema is not None and self._asks_for_schema
        status, headers, received = await self._post(self._make_body(request))
        content = self._hide_key(received)  # before anything is read, told or cut
        if status == 400 and asks_for_schema and _speaks_of(content, _SCHEMA_WORDS):
            self._asks_for_schema = False
            # Not sent again from here: every attempt is claimed and counted by whoever asks.
            raise FaultError("schema refused", "again", detail=_find_message(content))
        if status != 200:
            raise self._judge_status(status, headers, content)
        return _read_reply(content)

    async def close(self) -> None:
        """Close all connections."""
        for client in self._all:
            await client.aclose()

    def _make_client(self) -> "httpx2.AsyncClient":
        is_encrypted = self._url.startswith("https:")
        if is_encrypted and self._certificates is None:
            self._certificates = ssl.create_default_context()  # read once, not for every connection
        return httpx2.AsyncClient(
            headers=self._headers,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
            timeout=self._settings.timeout_seconds,
            trust_env=False,
            verify=self._certificates if self._certificates is not None else False,
        )

    @asynccontextmanager
    async def _client(self) -> AsyncIterator["httpx2.AsyncClient"]:
        if not self._free:
            self._free.append(self._make_client())
            self._all.append(self._free[-1])
        client = self._free.pop()
        try:
            yield client
        finally:
            self._free.append(client)

    def _make_body(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        body: dict[str, Any] = {
            "model": self._settings.model,
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            self._settings.token_limit: request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if sampling.repetition_penalty != 1.0:
            body["repetition_penalty"] = sampling.repetition_penalty
        if sampling.seed >= 0:
            body["seed"] = sampling.seed
        if request.schema is not None and self._asks_for_schema:
            body["response_format"] = (
                {"type": "json_object"}
                if self._settings.schema_form == "json_object"
                else {
                    "type": "json_schema",
                    "json_schema": {"name": "reply", "schema": dict(request.schema), "strict": True},
                }
            )
        return body | self._settings.extra

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes]:
        content = _dump(body)
        is_sent = False
        try:
            headers = {"content-type": "application/json"}
            async with (
                asyncio.timeout(self._settings.timeout_seconds),  # the client's own begins anew with every byte
                self._client() as client,
                client.stream("POST", f"{self._url}/chat/completions", content=content, headers=headers) as answer,
            ):
                is_sent = True
                received = bytearray()
                async for chunk in answer.aiter_bytes():
                    received += chunk
                    if len(received) > LARGEST_REPLY_BYTES:
                        raise FaultError("reply beyond all bounds", "again", may_be_billed=True)
                return answer.status_code, answer.headers, bytes(received)
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise FaultError("timeout", "again", detail=_describe(error), may_be_billed=True) from error
        except httpx2.ConnectError as error:
            raise FaultError("no connection", "again", detail=_describe(error)) from error
        except httpx2.HTTPError as error:  # a reset, a body that ends too early
            detail = self._redact(_describe(error))
            raise FaultError("connection broken", "again", detail=detail, may_be_billed=True) from error
        except httpx2.InvalidURL as error:
            raise FaultError("no address", "stop", detail=str(error), may_be_billed=is_sent) from error

    def _judge_status(self, status: int, headers: Mapping[str, str], content: bytes) -> FaultError:
        detail = self._redact(_find_message(content))
        if status in (401, 403):
            return FaultError("key refused", "stop", detail=detail, hint=self._key_hint())
        if status == 404:
            return FaultError("no such model or address", "stop", detail=detail, hint="see provider.model and base_url")
        if status == 402:
            return FaultError("payment required", "stop", detail=detail, hint="fill the account, then run it again")
        if status == 429 or status == 503:
            reason = "rate limit" if status == 429 else "server overloaded"
            return FaultError(reason, "again", detail=detail, retry_after=_read_retry_after(headers), is_throttle=True)
        if status in (408, 409, 425) or status >= 500:
            return FaultError(
                f"server error {status}",
                "again",
                detail=detail,
                retry_after=_read_retry_after(headers),
                # A gateway that gave up waiting, or a server that broke down: a model may have answered behind it.
                may_be_billed=status not in (409, 425),
            )
        if _speaks_of(content, _CONTEXT_WORDS) or status == 413:
            return FaultError("question longer than the model's context", "give up", detail=detail)
        return FaultError(f"question refused with status {status}", "give up", detail=detail)

    def _unreachable(self, got: str) -> GenerationError:
        return GenerationError(
            expected=f"a server that speaks OpenAI's protocol at {self._url}",
            got=got,
            where="provider.base_url",
            hint="start it, or mend the address; a local vLLM: vllm serve MODEL",
        )

    def _unauthorised(self, status: int) -> GenerationError:
        return GenerationError(
            expected="a key that the server takes", got=f"status {status}", where=self._url, hint=self._key_hint()
        )

    def _hide_key(self, content: bytes) -> bytes:
        """Return what came without the key, also where JSON has written its slashes with a backslash."""
        if len(self._key) >= SHORTEST_SECRET_CHARS:
            for written in (self._key, self._key.replace("/", "\\/")):
                content = content.replace(written.encode(), b"***")
        return content

    def _redact(self, text: str) -> str:
        """Return a text without the key, which some servers and libraries repeat."""
        return text.replace(self._key, "***") if self._key else text

    def _key_hint(self) -> str:
        name = self._settings.key_variable
        return f"put the key into the environment variable {name}" + (
            ", which is not set" if not os.environ.get(name) else ", which holds another one"
        )


def _dump(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:  # lone surrogates, which no server could read either
        raise FaultError("question that is no valid text", "give up", detail=str(error)) from error


def _read_reply(content: bytes) -> Reply:
    try:
        answer = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        shown = content[:LONGEST_DETAIL_CHARS].decode("utf-8", "replace")
        kind = "a page instead of an answer" if shown.lstrip()[:1] == "<" else "broken JSON"
        raise FaultError(kind, "again", detail=quote(shown), may_be_billed=True) from error
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"]
        cut = choice.get("finish_reason") == "length"
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise FaultError("answer of another form", "again", detail=quote(answer), may_be_billed=True) from error
    if choice.get("finish_reason") == "content_filter":
        raise FaultError("answer withheld by the server's filter", "give up", may_be_billed=True)
    if not isinstance(text, str) or not text.strip():
        raise FaultError("empty text", "again", may_be_billed=True)
    usage = answer.get("usage")
    return Reply(
        text=text,
        input_tokens=_read_count(usage, "prompt_tokens"),
        output_tokens=_read_count(usage, "completion_tokens"),
        is_cut=cut,
    )


def _read_count(usage: object, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS else None


def _read_retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        return _read_seconds_until(value)
    return seconds if 0 <= seconds < float("inf") else None


def _read_seconds_until(date: str) -> float | None:
    try:
        until = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):  # no date
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def _read_models(content: bytes) -> set[str]:
    try:
        return {str(model["id"]) for model in orjson.loads(content)["data"]}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return set()  # a server without the list: the first call will tell


def _find_message(content: bytes) -> str:
    text = content[:4096].decode("utf-8", "replace")
    try:
        error = orjson.loads(content).get("error")
        text = str(error.get("message", error)) if isinstance(error, dict) else str(error or text)
    except (orjson.JSONDecodeError, AttributeError):
        pass
    return " ".join(text.split())[:LONGEST_DETAIL_CHARS]


def _speaks_of(content: bytes, words: tuple[str, ...]) -> bool:
    text = content[:4096].decode("utf-8", "replace").lower()
    return any(word in text for word in words)


def _describe(error: Exception) -> str:
    return str(error) or type(error).__name__
