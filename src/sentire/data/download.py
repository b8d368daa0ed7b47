"""One address over HTTPS, as a stream of bounded size and time."""

import http.client
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from sentire._version import __version__
from sentire.core.errors import FetchError, quote

_CHUNK_BYTES = 1 << 16
_MOST_LENGTH_DIGITS = 18


@dataclass(frozen=True, kw_only=True)
class DownloadLimits:
    """What a download may take.

    Attributes:
        silence_seconds: Longest wait for the connection or for the next byte.
        total_seconds: Longest time for one address.
        max_bytes: Most bytes of one address, and of one file taken out of an archive.
    """

    silence_seconds: float = 30.0
    total_seconds: float = 3_600.0
    max_bytes: int = 2 << 30


class Response(Protocol):
    """What is needed of an answer; ``http.client.HTTPResponse`` has it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields; names are case-insensitive."""

    def read1(self, n_bytes: int, /) -> bytes:
        """Return what has arrived, at most so many bytes; empty at the end."""


OpenUrl = Callable[[str, float], AbstractContextManager[Response]]
"""Opens an address with a limit of silence in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a download.

    Attributes:
        content: The bytes.
        n_received: Bytes received so far, with these.
        n_total: Bytes there will be, as the server says; None where it does not say.
    """

    content: bytes
    n_received: int
    n_total: int | None


def open_https(url: str, silence_seconds: float) -> AbstractContextManager[Response]:
    """Open an address and follow redirects, HTTPS only; plain HTTP is allowed on the loopback interface.

    Proxies named by the environment are used, other than for the loopback interface. Nothing is sent but the request
    itself, with the name and version of this program.

    Raises:
        FetchError: The address, or one it redirects to, is not HTTPS.
        OSError: No connection, or an answer other than 200 (``urllib.error.HTTPError``).
    """
    check_address(url)
    opener = urllib.request.OpenerDirector()
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        _CheckedRedirects(),
        urllib.request.HTTPErrorProcessor(),
    ]
    if not _is_plain_loopback(url):
        handlers.append(urllib.request.ProxyHandler())
    for handler in handlers:
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", f"sentire/{__version__}"), ("Accept-Encoding", "identity")]
    # check_address has refused every scheme but https and http on loopback; the opener knows no others.
    response: AbstractContextManager[Response] = opener.open(url, timeout=silence_seconds)
    return response


def check_address(url: str, *, came_from: str = "") -> None:
    """Make sure that an address is HTTPS, or HTTP on the loopback interface.

    Args:
        url: The address.
        came_from: The address that redirects to it; HTTPS never leads to HTTP, not even on loopback.

    Raises:
        FetchError: It is not.
    """
    try:
        parts = urlsplit(url)
        is_https = parts.scheme == "https" and bool(parts.hostname)
    except ValueError:
        is_https = False
    if is_https or (_is_plain_loopback(url) and (not came_from or _is_plain_loopback(came_from))):
        return
    raise FetchError(
        expected="an https:// address",
        got=quote(url),
        where=f"the redirect of {came_from}" if came_from else "",
        hint="nothing was fetched from there",
    )


def stream_download(
    url: str, *, open_url: OpenUrl, limits: DownloadLimits, needs_length: bool = False
) -> Iterator[Chunk]:
    """Yield the bytes of an address as they arrive.

    Args:
        url: The address.
        open_url: Opens it.
        limits: Of time and size.
        needs_length: Refuse an answer that does not say where it ends, so that a cut would go unnoticed.

    Raises:
        FetchError: No answer, another status than 200, too slow, too large, or cut short.
    """
    deadline = time.monotonic() + limits.total_seconds
    try:
        with open_url(url, limits.silence_seconds) as response:
            n_total = _parse_length(response.headers.get("Content-Length"), url)
            is_chunked = "chunked" in (response.headers.get("Transfer-Encoding") or "").lower()
            if needs_length and n_total is None and not is_chunked:
                raise FetchError(
                    expected="an answer that says how long it is, because no hash of it is known",
                    got="neither Content-Length nor chunks",
                    where=url,
                )
            _check_size(n_total or 0, limits, url)
            n_received = 0
            while n_total is None or n_received < n_total:
                wanted = _CHUNK_BYTES if n_total is None else min(_CHUNK_BYTES, n_total - n_received)
                content = response.read1(wanted)
                if not content:
                    break
                n_received += len(content)
                _check_size(n_received, limits, url)
                if time.monotonic() > deadline:
                    raise FetchError(
                        expected=f"the download within {limits.total_seconds:g} seconds",
                        got=f"{n_received} bytes until then",
                        where=url,
                        hint="try again later",
                    )
                yield Chunk(content=content, n_received=n_received, n_total=n_total)
            if n_total is not None and n_received < n_total:
                raise FetchError(
                    expected=f"{n_total} bytes",
                    got=f"the end of the connection after {n_received}",
                    where=url,
                    hint="try again",
                )
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(url, error, limits) from error


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only where `check_address` allows it."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl, came_from=req.full_url)
        except FetchError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_plain_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def _parse_length(text: str | None, url: str) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_LENGTH_DIGITS):
        raise FetchError(expected="a Content-Length that is a number", got=quote(text), where=url)
    return int(text)


def _check_size(n_bytes: int, limits: DownloadLimits, url: str) -> None:
    if n_bytes > limits.max_bytes:
        raise FetchError(expected=f"at most {limits.max_bytes} bytes", got=f"{n_bytes} bytes or more", where=url)


def _failed(url: str, error: Exception, limits: DownloadLimits) -> FetchError:
    reason: object = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        got = f"HTTP {error.code} {error.reason}"
    elif isinstance(reason, TimeoutError):
        got = f"silence for {limits.silence_seconds:g} seconds"
    elif isinstance(reason, http.client.IncompleteRead):
        got = "the end of the connection in the middle"
    elif isinstance(reason, OSError):
        got = f"no connection, or a broken one ({reason.strerror or reason})"
    else:
        got = f"an answer that is not HTTP ({type(reason).__name__}: {reason})"
    return FetchError(expected="the file", got=got, where=url)
