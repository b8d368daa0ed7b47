"""The page on which one annotator judges a sample: on this machine alone, one key a click, saved before it is answered.

Everything is on one origin that only this machine reaches. Its other accounts reach it, too, so that the address of the
page holds a secret; a browser that is started with the address shows it to them on its command line. A page of another
origin could still send requests, so that every request must carry the token that stands in our page, and name us as its
host.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from sentire.annotation.annotations import AnnotationFile, Judgement
from sentire.annotation.sample import Sample
from sentire.core.errors import DataError, OutputError, SentireError, describe, quote

HOST = "127.0.0.1"

LARGEST_BODY_BYTES = 64 * 1024

_Answer = Callable[[Mapping[str, list[str]]], None]


class AnnotationServer(ThreadingHTTPServer):
    """Serves one sample to one annotator.

    Args:
        sample: That is judged.
        file: Open, takes what is said.
        annotator: Whose it is.
        port: 0 for any that is free.

    Raises:
        OutputError: The port is taken.
    """

    daemon_threads = True

    def __init__(self, sample: Sample, file: AnnotationFile, annotator: str, *, port: int = 0) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            got = describe(error) if isinstance(error, OSError) else str(error)
            raise OutputError(
                expected="a port that is free", got=got, where=f"{HOST}:{port}", hint="choose another --port"
            ) from error
        self.sample, self.file, self.annotator = sample, file, annotator
        self.items = {item.id: item for item in sample.items}
        self.token = secrets.token_urlsafe(24)
        self.lock = Lock()

    @property
    def address(self) -> str:
        """Where the page is, with the secret that opens it."""
        return f"http://{HOST}:{self.server_port}/?k={self.file.page_secret}"


class _Handler(BaseHTTPRequestHandler):
    server: AnnotationServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        routes: Mapping[str, _Answer] = {
            "/": self._send_page,
            "/items": self._send_items,
            "/context": self._send_context,
        }
        self._guard(routes.get(parts.path), parse_qs(parts.query), is_page=parts.path == "/")

    def do_POST(self) -> None:
        self._guard(self._save if urlsplit(self.path).path == "/save" else None, {}, is_page=False)

    def log_message(self, *arguments: object) -> None:
        """Say nothing: what is judged is nobody else's business."""

    def _guard(
        self,
        answer: Callable[[Mapping[str, list[str]]], None] | None,
        query: Mapping[str, list[str]],
        *,
        is_page: bool,
    ) -> None:
        host = self.headers.get("host", "")
        if is_page:
            said, secret = query.get("k", [""])[0], self.server.file.page_secret
            hint = "open the whole address that the command printed"
        else:
            said, secret = self.headers.get("x-token", ""), self.server.token
            hint = "reload the page: the server was started anew"
        if host not in (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"):
            self._turn_away(HTTPStatus.FORBIDDEN, "another host")
        elif not hmac.compare_digest(said.encode("utf-8", "replace"), secret.encode()):
            self._turn_away(HTTPStatus.FORBIDDEN, hint)
        elif answer is None:
            self._turn_away(HTTPStatus.NOT_FOUND, "no such address")
        else:
            try:
                answer(query)
            except OutputError as error:
                self._send(HTTPStatus.INSUFFICIENT_STORAGE, {"error": str(error)})
            except SentireError as error:
                self._send(HTTPStatus.BAD_REQUEST, {"error": str(error)})

    def _turn_away(self, status: HTTPStatus, words: str) -> None:
        # What such a request says besides is not read, and must not be taken for the next one.
        self._send_bytes(status, orjson.dumps({"error": words}), "application/json", {"connection": "close"})

    def _send_page(self, query: Mapping[str, list[str]]) -> None:  # noqa: ARG002
        nonce = secrets.token_urlsafe(16)
        page = files("sentire.annotation").joinpath("page.html").read_text(encoding="utf-8")
        page = page.replace("NONCE", nonce).replace(
            "<title>", f'<meta name="token" content="{self.server.token}">\n<title>', 1
        )
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self._send_bytes(HTTPStatus.OK, page.encode(), "text/html; charset=utf-8", {"content-security-policy": policy})

    def _send_items(self, query: Mapping[str, list[str]]) -> None:  # noqa: ARG002
        items = [
            {"id": item.id, "texts": item.texts, "options": item.options, "has_context": bool(item.context)}
            for item in self.server.sample.items
        ]
        with self.server.lock:
            judgements = {
                item: {"picks": one.picks, "is_done": one.is_done, "saw_context": one.saw_context}
                for item, one in self.server.file.judgements.items()
            }
        sample = self.server.sample
        answer: dict[str, object] = {
            "sample": sample.name,
            "question": sample.question,
            "annotator": self.server.annotator,
        }
        self._send(HTTPStatus.OK, answer | {"items": items, "judgements": judgements})

    def _send_context(self, query: Mapping[str, list[str]]) -> None:
        item = self.server.items.get(query.get("item", [""])[0])
        if item is None:
            raise DataError(expected="an item of the sample", got=quote(query.get("item", [""])[0]))
        self._send(HTTPStatus.OK, {"context": item.context})

    def _save(self, query: Mapping[str, list[str]]) -> None:  # noqa: ARG002
        row = self._read_body()
        picks = row.get("picks")
        if not isinstance(picks, list) or not all(isinstance(one, str) for one in picks):
            raise DataError(expected="a list of picks", got=type(picks).__name__)
        judgement = Judgement(
            picks=tuple(picks), is_done=row.get("is_done") is True, saw_context=row.get("saw_context") is True
        )
        with self.server.lock:
            self.server.file.save(str(row.get("item")), judgement)
        self._send(HTTPStatus.OK, {"saved": True})

    def _read_body(self) -> dict[str, Any]:
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            raise DataError(expected=f"a body of at most {LARGEST_BODY_BYTES} bytes", got=length or "no length")
        try:
            row = orjson.loads(self.rfile.read(int(length)))
        except orjson.JSONDecodeError as error:
            raise DataError(expected="JSON", got=error.msg) from error
        if not isinstance(row, dict):
            raise DataError(expected="a JSON object", got=type(row).__name__)
        return row

    def _send(self, status: HTTPStatus, value: Mapping[str, object]) -> None:
        self._send_bytes(status, orjson.dumps(value), "application/json", {})

    def _send_bytes(self, status: HTTPStatus, body: bytes, kind: str, extra: Mapping[str, str]) -> None:
        self.send_response(status)
        headers = {
            "content-type": kind,
            "content-length": str(len(body)),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
        }
        for name, value in {**headers, **extra}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
