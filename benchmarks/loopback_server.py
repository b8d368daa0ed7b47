"""A stand-in for a language model's server on this machine: OpenAI's protocol, a fixed latency, faults on demand.

What it answers follows from the question alone, so that a run that was killed and one that was not get the same
replies. Tests and benchmarks start it as a process of its own; its first line says where it listens.

    python benchmarks/loopback_server.py --latency 0.5 --fault-share 0.1
    GET /counts                 # what it saw: attempts, different questions, most at the same time
"""

import argparse
import asyncio
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field

FAULTS = (
    "429 with Retry-After",
    "429",
    "500",
    "503",
    "reset",
    "hang",
    "broken JSON",
    "cut JSON",
    "prose",
    "empty",
    "page",
)
WORDS = [
    "ladder",
    "lantern",
    "river",
    "kettle",
    "window",
    "harbour",
    "letter",
    "garden",
    "ticket",
    "bridge",
    "coat",
    "engine",
    "winter",
    "stranger",
    "bicycle",
    "drawer",
    "market",
    "thunder",
    "cousin",
    "platform",
    "candle",
    "quarry",
    "postcard",
    "orchard",
    "ferry",
    "piano",
    "staircase",
    "hammer",
    "blanket",
    "rooftop",
]
VERBS = [
    "found",
    "lost",
    "carried",
    "mended",
    "forgot",
    "painted",
    "heard",
    "followed",
    "opened",
    "hid",
    "counted",
    "missed",
    "sold",
    "kept",
]
NAMES = ["Alma", "Bruno", "Celia", "Dario", "Edda", "Fintan", "Greta", "Hollis", "Imre", "Junia", "Kasper", "Lioba"]


@dataclass
class Server:
    """The settings, and what was seen."""

    latency: float
    fault_share: float
    seed: int
    key: str
    model: str
    context_bytes: int
    has_schema: bool
    is_nonsense: bool
    n_requests: int = 0
    n_in_flight: int = 0
    most_in_flight: int = 0
    attempts: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                method, path, _ = lines[0].split(" ", 2)
                if not await self.answer(writer, method, path, headers, body):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def answer(
        self, writer: asyncio.StreamWriter, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> bool:
        """Answer one request; False where the connection is to end."""
        if path == "/counts":
            return await send(writer, 200, self.count())
        if self.key and headers.get("authorization") != f"bearer {self.key}".lower():
            return await send(writer, 401, {"error": {"message": "invalid api key"}})
        if path == "/v1/models":
            return await send(writer, 200, {"data": [{"id": self.model}]})
        if method != "POST" or path != "/v1/chat/completions":
            return await send(writer, 404, {"error": {"message": "no such address"}})
        return await self.complete(writer, json.loads(body), len(body))

    async def complete(self, writer: asyncio.StreamWriter, asked: dict, n_bytes: int) -> bool:
        """Answer a question, or fail as it was told to."""
        if asked["model"] != self.model:
            return await send(writer, 404, {"error": {"message": "the model does not exist"}})
        if not self.has_schema and "response_format" in asked:
            return await send(writer, 400, {"error": {"message": "response_format is not supported"}})
        if self.context_bytes and n_bytes > self.context_bytes:
            return await send(writer, 400, {"error": {"message": "maximum context length exceeded"}})
        system, user = asked["messages"][0]["content"], asked["messages"][1]["content"]
        question = hashlib.sha256(f"{system}\n{user}".encode()).hexdigest()
        self.n_requests += 1
        self.attempts[question] += 1
        self.n_in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.n_in_flight)
        try:
            fault = self.choose_fault(question)
            await asyncio.sleep(self.latency)
            if fault:
                self.faults[fault] += 1
                return await fail(writer, fault)
            self.answered[question] += 1
            text = "lorem ipsum " + question if self.is_nonsense else make_reply(system, question)
            usage = {"prompt_tokens": n_bytes // 4, "completion_tokens": max(1, len(text) // 4)}
            return await send(writer, 200, make_answer(text) | {"usage": usage})
        finally:
            self.n_in_flight -= 1

    def choose_fault(self, question: str) -> str:
        """Return the fault of this attempt, which follows from the question and the number of the attempt."""
        digest = hashlib.sha256(f"{self.seed}:{question}:{self.attempts[question]}".encode()).digest()
        if int.from_bytes(digest[:8], "big") / 2**64 >= self.fault_share:
            return ""
        return FAULTS[digest[8] % len(FAULTS)]

    def count(self) -> dict:
        """Return what was seen."""
        return {
            "requests": self.n_requests,
            "questions": len(self.attempts),
            "answers": sum(self.answered.values()),
            "answered_twice": sum(n - 1 for n in self.answered.values()),
            "most_in_flight": self.most_in_flight,
            "faults": dict(self.faults),
        }


def make_answer(text: str) -> dict:
    """Return an answer in OpenAI's form."""
    message = {"role": "assistant", "content": text}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


def make_reply(system: str, question: str) -> str:
    """Return what a model might reply to one of the prompts, from the hash of the question."""
    digest = hashlib.sha256(question.encode()).digest()
    labels = [line[2:].split(":")[0] for line in system.splitlines() if line.startswith("- ") and ": " in line]
    labels = [label for label in labels if label.islower() and " " not in label] or ["joy"]

    def pick(choices: list[str], place: int) -> str:
        return choices[int.from_bytes(hashlib.sha256(digest + bytes([place])).digest()[:4], "big") % len(choices)]

    def sentence(place: int) -> str:
        noun, verb, other = pick(WORDS, place), pick(VERBS, place + 1), pick(WORDS, place + 2)
        number = int.from_bytes(hashlib.sha256(digest + bytes([place, 7])).digest()[:3], "big")
        return f"I {verb} the {noun} behind the {other}, number {number}, and nobody else did."

    if '"actors"' in system:
        return json.dumps({"actors": sorted({pick(NAMES, place) for place in range(4)})})
    if '"utterances"' in system:
        rows = [{"text": sentence(5 * n), "emotion": pick(labels, 100 + n)} for n in range(10)]
        return json.dumps({"utterances": rows})
    if '"emotions"' in system:
        found = dict.fromkeys(pick(labels, place) for place in range(3))
        levels = [{"label": label, "level": round(0.9 - 0.2 * n, 1)} for n, label in enumerate(found)]
        return json.dumps({"emotions": levels})
    if '"context"' in system:
        return json.dumps({"context": f"At the {pick(WORDS, 1)} the others have left with the {pick(WORDS, 2)}."})
    return json.dumps({"utterance": sentence(3)})


async def send(writer: asyncio.StreamWriter, status: int, value: dict, extra: str = "") -> bool:
    """Send JSON; the connection stays."""
    return await send_bytes(writer, status, json.dumps(value).encode(), "application/json", extra)


async def send_bytes(writer: asyncio.StreamWriter, status: int, body: bytes, kind: str, extra: str = "") -> bool:
    """Send a body."""
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{extra}\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return True


async def fail(writer: asyncio.StreamWriter, fault: str) -> bool:
    """Fail in one of the ways that servers have."""
    if fault.startswith("429"):
        extra = "retry-after: 0.05\r\n" if "Retry" in fault else ""
        return await send(writer, 429, {"error": {"message": "slow down"}}, extra)
    if fault in ("500", "503"):
        return await send(writer, int(fault), {"error": {"message": "trouble"}})
    if fault == "reset":
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n" + b'{"choices": ['
        )
        await writer.drain()
        writer.transport.abort()
        return False
    if fault == "hang":
        await asyncio.sleep(30)
        return False
    if fault == "broken JSON":
        return await send_bytes(writer, 200, b'{"choices": [{"message": ]', "application/json")
    if fault == "page":
        return await send_bytes(writer, 200, b"<html><body>Welcome to the proxy</body></html>", "text/html")
    text = {"cut JSON": '{"emotions": [{"label": "jo', "prose": "Certainly. What would you like?", "empty": ""}[fault]
    return await send(writer, 200, make_answer(text))


async def main() -> None:
    """Listen until somebody ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", default="")
    parser.add_argument("--model", default="loopback")
    parser.add_argument("--context-bytes", type=int, default=0)
    parser.add_argument("--no-schema", action="store_true")
    parser.add_argument("--nonsense", action="store_true")
    told = parser.parse_args()
    server = Server(
        latency=told.latency,
        fault_share=told.fault_share,
        seed=told.seed,
        key=told.key,
        model=told.model,
        context_bytes=told.context_bytes,
        has_schema=not told.no_schema,
        is_nonsense=told.nonsense,
    )
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
