"""Replies from a file: for tests, for demonstrations, and for a run that somebody else paid for."""

from pathlib import Path

from sentire.core.errors import GenerationError
from sentire.llm.exchange import FaultError, Reply, Request
from sentire.storage.report import ReadReport
from sentire.storage.rows import read_rows


class ReplayProvider:
    """Answers by the name of the question.

    Args:
        path: Of the file.
        model: Its name, as the ledger records it.

    Raises:
        DataError: The file cannot be read.
        GenerationError: It has a row without name or reply.
    """

    def __init__(self, path: Path, *, model: str) -> None:
        self.model = model
        self._replies: dict[str, list[str]] = {}
        self._n_asked: dict[str, int] = {}
        for row in read_rows(path, ReadReport(str(path), is_strict=True), file_format="jsonl"):
            name, reply = row.fields.get("name"), row.fields.get("reply")
            if not isinstance(name, str) or not isinstance(reply, str):
                raise GenerationError(
                    expected="rows with a name and a reply, both texts",
                    got=str(sorted(row.fields)),
                    where=f"{path}:{row.number}",
                )
            self._replies.setdefault(name, []).append(reply)

    async def check(self) -> None:
        """Nothing can be wrong any more."""

    async def complete(self, request: Request) -> Reply:
        """Return the next reply of that name, the last one again and again."""
        replies = self._replies.get(request.name)
        if replies is None:
            raise FaultError("no reply in the file", "give up", detail=request.name)
        turn = self._n_asked.get(request.name, 0)
        self._n_asked[request.name] = turn + 1
        text = replies[min(turn, len(replies) - 1)]
        n_input = sum(len(message.text) for message in request.messages) // 4
        return Reply(text=text, input_tokens=n_input, output_tokens=max(1, len(text) // 4))

    async def close(self) -> None:
        """There is nothing to let go of."""
