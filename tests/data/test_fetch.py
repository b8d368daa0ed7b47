"""Fetching from a real server on loopback that is good, wrong, slow, cut and lying; nothing half-written remains."""

import bz2
import contextlib
import gzip
import hashlib
import io
import lzma
import resource
import signal
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sentire.core.errors import DataError, FetchError, OutputError, UsageError
from sentire.data.archives import stream_member
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.download import DownloadLimits, check_address
from sentire.data.fetch import FetchProgress, fetch_dataset

CONTENT = b"".join(b"%d\ta line that we wrote\n" % number for number in range(20_000))
OTHER = CONTENT[:-1] + b"!"
SHA = hashlib.sha256(CONTENT).hexdigest()
OTHER_SHA = hashlib.sha256(OTHER).hexdigest()
QUICK = DownloadLimits(silence_seconds=0.3, total_seconds=5.0)

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers each path as told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.headers.append(dict(self.headers))
                self.close_connection = True
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has given up
                    server.answers.get(self.path, status(404))(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = False
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.released.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()


def body(content: bytes, *, length: int | None = -1) -> Answer:
    """Answer 200 with a body; with another Content-Length than the true one, or with none."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(len(content) if length == -1 else length))
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def status(code: int, **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


def make_card(*files: RemoteFile, **changes: object) -> DatasetCard:
    fields: dict[str, object] = {
        "name": "moods",
        "title": "Moods",
        "revision": "7",
        "citation": "ours",
        "homepage": "https://example.org/moods",
        "licence": "Apache-2.0",
        "weights_may_ship": "yes",
        "files": files,
    }
    return DatasetCard(**(fields | changes))  # type: ignore[arg-type]


def one(server: Server, address: str = "/train.tsv", **changes: str) -> RemoteFile:
    return replace(RemoteFile(path="moods/train.tsv", sha256=SHA, url=server.url + address), **changes)  # type: ignore[arg-type]


def assert_nothing_left(root: Path) -> None:
    assert not root.exists(), sorted(root.rglob("*"))


def test_a_good_file_takes_its_place_once(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    seen: list[FetchProgress] = []
    report = fetch_dataset(make_card(one(server)), root, on_progress=seen.append)
    assert (root / "moods" / "train.tsv").read_bytes() == CONTENT
    assert sorted(path.name for path in (root / "moods").iterdir()) == ["train.tsv"]
    assert report.as_dict() == {
        "dataset": "moods",
        "files": [{"path": "moods/train.tsv", "status": "fetched", "is_verified": True, "sha256": SHA}],
    }
    assert (seen[-1].path, seen[-1].n_received, seen[-1].n_total) == ("moods/train.tsv", len(CONTENT), len(CONTENT))
    assert [progress.n_received for progress in seen] == sorted({progress.n_received for progress in seen})

    again = fetch_dataset(make_card(one(server)), root)
    assert again.files[0].status == "present"
    assert again.files[0].is_verified
    assert server.asked == ["/train.tsv"]


def test_the_request_says_no_more_than_the_name_of_the_program(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    fetch_dataset(make_card(one(server)), root)
    assert set(server.headers[0]) == {"Host", "User-Agent", "Accept-Encoding", "Connection"}
    assert server.headers[0]["User-Agent"].startswith("sentire/")


def test_a_body_in_chunks_arrives(server: Server, root: Path):
    def chunked(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(CONTENT), 7_000):
            piece = CONTENT[start : start + 7_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.write(b"0\r\n\r\n")

    server.answers["/train.tsv"] = chunked
    # Without a hash, chunks are accepted too, since they say where they end.
    report = fetch_dataset(make_card(one(server, sha256="")), root)
    assert (report.files[0].is_verified, report.files[0].sha256) == (False, SHA)


@pytest.mark.parametrize("code", [403, 404, 500, 503])
def test_another_status_is_an_error_that_says_what_to_do(server: Server, root: Path, code: int):
    server.answers["/train.tsv"] = status(code)
    with pytest.raises(FetchError, match=f"got HTTP {code} ") as caught:
        fetch_dataset(make_card(one(server)), root)
    message = str(caught.value)
    assert f"{root / 'moods' / 'train.tsv'} (sha256 {SHA}, from {server.url}/train.tsv)" in message
    assert "the corpus is described at https://example.org/moods" in message
    assert_nothing_left(root)


def test_wrong_content_names_both_hashes_and_leaves_nothing(server: Server, root: Path):
    server.answers["/train.tsv"] = body(OTHER)
    with pytest.raises(FetchError, match=f"expected sha256 {SHA}, got sha256 {OTHER_SHA} at {server.url}/train.tsv"):
        fetch_dataset(make_card(one(server)), root)
    assert_nothing_left(root)


@pytest.mark.parametrize("sha256", [SHA, ""])
def test_a_connection_cut_in_the_middle(server: Server, root: Path, sha256: str):
    server.answers["/train.tsv"] = body(CONTENT[:100_000], length=len(CONTENT))
    with pytest.raises(FetchError, match=f"expected {len(CONTENT)} bytes, got the end of the connection after 100000"):
        fetch_dataset(make_card(one(server, sha256=sha256)), root, limits=QUICK)
    assert_nothing_left(root)


def test_chunks_cut_in_the_middle(server: Server, root: Path):
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b"1000\r\n" + CONTENT[:0x1000] + b"\r\n")

    server.answers["/train.tsv"] = cut
    with pytest.raises(FetchError, match="the end of the connection in the middle"):
        fetch_dataset(make_card(one(server, sha256="")), root, limits=QUICK)
    assert_nothing_left(root)


def test_a_connection_reset_is_a_failed_download_and_no_full_disk(server: Server, root: Path):
    def reset(handler: BaseHTTPRequestHandler) -> None:
        body(CONTENT[:100_000], length=len(CONTENT))(handler)
        handler.wfile.flush()
        # Closing with a zero linger sends a reset instead of an end.
        handler.connection.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SOL_SOCKET, SO_LINGER
        handler.connection.close()

    server.answers["/train.tsv"] = reset
    with pytest.raises(FetchError):
        fetch_dataset(make_card(one(server)), root, limits=QUICK)
    assert_nothing_left(root)


def test_a_length_that_promises_less_than_comes(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT, length=len(CONTENT) - 1_000)
    short = hashlib.sha256(CONTENT[:-1_000]).hexdigest()
    with pytest.raises(FetchError, match=f"expected sha256 {SHA}, got sha256 {short}"):
        fetch_dataset(make_card(one(server)), root, limits=QUICK)
    assert_nothing_left(root)


def test_without_hash_and_length_a_cut_could_not_be_seen(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT, length=None)
    with pytest.raises(FetchError, match="neither Content-Length nor chunks"):
        fetch_dataset(make_card(one(server, sha256="")), root)
    assert_nothing_left(root)
    # With a hash it may come without a length.
    assert fetch_dataset(make_card(one(server)), root).files[0].is_verified


def test_an_answer_that_hangs_is_given_up(server: Server, root: Path):
    def hang(handler: BaseHTTPRequestHandler) -> None:
        body(CONTENT[:50_000], length=len(CONTENT))(handler)
        server.released.wait(20)

    server.answers["/train.tsv"] = hang
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"got silence for 0\.3 seconds"):
        fetch_dataset(make_card(one(server)), root, limits=QUICK)
    assert time.monotonic() - start < 3
    assert_nothing_left(root)


def test_an_answer_that_never_begins_is_given_up(server: Server, root: Path):
    server.answers["/train.tsv"] = lambda _: server.released.wait(20) and None
    with pytest.raises(FetchError, match=r"got silence for 0\.3 seconds"):
        fetch_dataset(make_card(one(server)), root, limits=QUICK)


def test_a_drip_is_not_silence_but_ends_with_the_total_time(server: Server, root: Path):
    def drip(handler: BaseHTTPRequestHandler) -> None:
        body(b"", length=len(CONTENT))(handler)
        while not server.released.wait(0.02):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    server.answers["/train.tsv"] = drip
    start = time.monotonic()
    limits = DownloadLimits(silence_seconds=2.0, total_seconds=0.4)
    with pytest.raises(FetchError, match=r"expected the download within 0\.4 seconds"):
        fetch_dataset(make_card(one(server)), root, limits=limits)
    assert time.monotonic() - start < 2
    assert_nothing_left(root)


@pytest.mark.parametrize("length", [-1, None])
def test_a_file_beyond_the_size_limit_is_refused(server: Server, root: Path, length: int | None):
    server.answers["/train.tsv"] = body(CONTENT, length=length)
    with pytest.raises(FetchError, match="expected at most 1000 bytes"):
        fetch_dataset(make_card(one(server)), root, limits=DownloadLimits(max_bytes=1_000))
    assert_nothing_left(root)


def test_a_length_beyond_the_limit_is_refused_before_the_body(server: Server, root: Path):
    server.answers["/train.tsv"] = body(b"", length=10**12)
    with pytest.raises(FetchError, match="at most 1000 bytes, got 1000000000000 bytes"):
        fetch_dataset(make_card(one(server)), root, limits=DownloadLimits(max_bytes=1_000))


def test_a_length_beyond_what_python_parses_is_refused(server: Server, root: Path):
    server.answers["/train.tsv"] = status(200, **{"Content-Length": "9" * 5_000})
    with pytest.raises(FetchError, match=r"a Content-Length that is a number, got '999.*\(5002 characters\)"):
        fetch_dataset(make_card(one(server)), root)
    assert_nothing_left(root)


def test_a_card_without_files_has_nothing_to_fetch(root: Path):
    with pytest.raises(UsageError, match=r"files to fetch, got 'moods'.*data of your own are not fetched") as caught:
        fetch_dataset(make_card(), root)
    assert caught.value.exit_code == 2
    assert fetch_dataset(make_card(access="ask for it"), root).files == ()


def test_nobody_listens(server: Server, root: Path):
    url = server.url
    server.close()
    with pytest.raises(FetchError, match=r"no connection.*refused"):
        fetch_dataset(make_card(RemoteFile(path="moods/train.tsv", sha256=SHA, url=url)), root)
    assert_nothing_left(root)


def test_redirects_are_followed_on_loopback_and_refused_elsewhere(server: Server, root: Path):
    server.answers["/train.tsv"] = status(302, Location="/moved")
    server.answers["/moved"] = body(CONTENT)
    assert fetch_dataset(make_card(one(server)), root).files[0].status == "fetched"
    server.answers["/other"] = status(301, Location="http://example.org/train.tsv")
    card = make_card(one(server, "/other", path="moods/other.tsv"))
    with pytest.raises(FetchError, match=r"an https:// address, got 'http://example.org/train.tsv' at the redirect of"):
        fetch_dataset(card, root)
    server.answers["/file"] = status(301, Location="file:///etc/hostname")
    with pytest.raises(FetchError, match="HTTP 301"):
        fetch_dataset(make_card(one(server, "/file", path="moods/other.tsv")), root)
    assert sorted(path.name for path in (root / "moods").iterdir()) == ["train.tsv"]


def test_redirects_in_a_circle_end(server: Server, root: Path):
    server.answers["/train.tsv"] = status(302, Location="/train.tsv")
    with pytest.raises(FetchError, match="HTTP 302"):
        fetch_dataset(make_card(one(server)), root)
    assert len(server.asked) < 20


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a",
        "http://localhost.example.org/a",
        "http://127.0.0.1.example.org/a",
        "ftp://example.org/a",
        "file:///etc/hostname",
        "https:///a",
        "http://[broken/a",
        "example.org/a",
    ],
)
def test_addresses_other_than_https_are_refused(url: str, root: Path):
    with pytest.raises(FetchError, match="expected an https:// address"):
        fetch_dataset(make_card(RemoteFile(path="moods/train.tsv", sha256=SHA, url=url)), root)


def test_https_never_leads_to_plain_http_not_even_on_loopback():
    check_address("https://example.org/a")
    check_address("http://127.0.0.1:80/a")
    check_address("http://[::1]:80/a", came_from="http://localhost/b")
    with pytest.raises(FetchError, match=r"the redirect of https://example\.org/a"):
        check_address("http://127.0.0.1:80/a", came_from="https://example.org/a")


def test_another_file_is_never_overwritten_unless_forced(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    target = root / "moods" / "train.tsv"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"my own notes")
    mine = hashlib.sha256(b"my own notes").hexdigest()
    with pytest.raises(FetchError, match=f"expected sha256 {SHA} .*got sha256 {mine} at {target}; .*--force"):
        fetch_dataset(make_card(one(server)), root)
    assert target.read_bytes() == b"my own notes"
    assert server.asked == []
    # Without an address force has nothing to offer, and does not destroy the file.
    with pytest.raises(FetchError, match="put the right one there"):
        fetch_dataset(make_card(one(server, url="")), root, is_forced=True)
    # A download that fails leaves the old file, also when forced.
    server.answers["/train.tsv"] = body(OTHER)
    with pytest.raises(FetchError, match="got sha256"):
        fetch_dataset(make_card(one(server)), root, is_forced=True)
    assert target.read_bytes() == b"my own notes"
    server.answers["/train.tsv"] = body(CONTENT)
    assert fetch_dataset(make_card(one(server)), root, is_forced=True).files[0].status == "replaced"
    assert target.read_bytes() == CONTENT


def test_files_without_an_address_are_asked_for_with_their_place(root: Path):
    card = make_card(
        RemoteFile(path="moods/session1"),
        RemoteFile(path="moods/train.tsv", sha256=SHA),
        access="sign the licence and unpack the release",
    )
    with pytest.raises(FetchError) as caught:
        fetch_dataset(card, root)
    assert str(caught.value) == (
        "expected a public address of moods/session1 and moods/train.tsv, got none: it cannot be fetched at Moods; "
        f"put there by hand:\n  {root / 'moods' / 'session1'} (no hash is known)"
        f"\n  {root / 'moods' / 'train.tsv'} (sha256 {SHA})"
        "\nsign the licence and unpack the release (homepage: https://example.org/moods)"
    )
    assert caught.value.exit_code == 7
    assert_nothing_left(root)
    # Once they are there, a folder among them, the corpus is complete.
    (root / "moods" / "session1").mkdir(parents=True)
    (root / "moods" / "train.tsv").write_bytes(CONTENT)
    report = fetch_dataset(card, root)
    assert [(file.status, file.is_verified) for file in report.files] == [("present", False), ("present", True)]


def test_what_can_be_fetched_is_fetched_before_the_rest_is_asked_for(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    card = make_card(RemoteFile(path="moods/dev.tsv", sha256=OTHER_SHA), one(server))
    with pytest.raises(FetchError, match=r"public address of moods/dev\.tsv") as caught:
        fetch_dataset(card, root)
    assert (root / "moods" / "train.tsv").read_bytes() == CONTENT
    assert "train.tsv" not in str(caught.value)


def test_when_one_fails_all_that_are_missing_are_listed(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    names = ("dev", "test")
    files = [RemoteFile(path=f"moods/{name}.tsv", sha256=SHA, url=f"{server.url}/{name}.tsv") for name in names]
    with pytest.raises(FetchError) as caught:
        fetch_dataset(make_card(one(server), *files), root)
    message = str(caught.value)
    assert f"{root / 'moods' / 'dev.tsv'} " in message
    assert f"{root / 'moods' / 'test.tsv'} " in message
    assert f"{root / 'moods' / 'train.tsv'} " not in message


def test_optional_files(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    server.answers["/raters.tsv"] = body(OTHER)
    optional = (
        RemoteFile(path="moods/raters.tsv", sha256=OTHER_SHA, url=f"{server.url}/raters.tsv"),
        RemoteFile(path="moods/audio"),
    )
    card = make_card(one(server), optional_files=optional)
    assert len(fetch_dataset(card, root, with_optional=False).files) == 1
    report = fetch_dataset(card, root)
    assert [file.status for file in report.files] == ["present", "fetched", "absent"]


@pytest.mark.parametrize("path", ["../outside.tsv", "/outside.tsv", "moods/../../outside.tsv", "moods\\..\\x", "."])
def test_a_card_cannot_leave_the_data_root(server: Server, root: Path, path: str):
    server.answers["/train.tsv"] = body(CONTENT)
    with pytest.raises(DataError, match="a path inside the data root"):
        fetch_dataset(make_card(one(server, path=path)), root)
    assert server.asked == []


def test_ctrl_c_leaves_nothing(server: Server, root: Path):
    server.answers["/train.tsv"] = body(CONTENT)

    def interrupt(progress: FetchProgress) -> None:
        if progress.n_received > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_dataset(make_card(one(server)), root, on_progress=interrupt)
    assert_nothing_left(root)


@pytest.fixture
def tiny_files() -> Iterator[None]:
    """No file may grow beyond 100 KB: a real refusal of the operating system, as from a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_is_told_and_leaves_nothing(server: Server, root: Path, tiny_files: None):
    server.answers["/train.tsv"] = body(CONTENT)
    with pytest.raises(OutputError, match="got File too large"):
        fetch_dataset(make_card(one(server)), root)
    assert_nothing_left(root)


def test_a_full_disk_while_an_archive_is_kept(server: Server, root: Path, tiny_files: None):
    server.answers["/all.tar"] = body(pack_tar({"train.tsv": CONTENT}))
    with pytest.raises(OutputError, match="room for an archive while it is unpacked, got File too large"):
        fetch_dataset(make_card(one(server, "/all.tar", member="train.tsv")), root)
    assert_nothing_left(root)


def test_a_place_that_cannot_be_written(server: Server, tmp_path: Path):
    server.answers["/train.tsv"] = body(CONTENT)
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="a place that can be written"):
        fetch_dataset(make_card(one(server)), tmp_path / "data")


def test_a_folder_where_the_file_should_be(server: Server, root: Path):
    (root / "moods" / "train.tsv").mkdir(parents=True)
    with pytest.raises(DataError, match=r"moods/train\.tsv as a file that can be read, got Is a directory"):
        fetch_dataset(make_card(one(server)), root)


def pack_zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


def pack_tar(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return packed.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "zip": pack_zip,
    "tar": pack_tar,
    "tar.gz": lambda members: gzip.compress(pack_tar(members)),
    "tar.bz2": lambda members: bz2.compress(pack_tar(members)),
    "tar.xz": lambda members: lzma.compress(pack_tar(members)),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_members_of_an_archive_take_the_places_of_the_card(server: Server, root: Path, kind: str):
    members = {"../evil.sh": b"no", "release/dev.tsv": OTHER, "release/train.tsv": CONTENT}
    server.answers["/all"] = body(PACKERS[kind](members))
    card = make_card(
        one(server, "/all", member="release/train.tsv"),
        RemoteFile(path="moods/dev.tsv", sha256=OTHER_SHA, url=f"{server.url}/all", member="release/dev.tsv"),
    )
    report = fetch_dataset(card, root)
    assert [file.is_verified for file in report.files] == [True, True]
    assert (root / "moods" / "train.tsv").read_bytes() == CONTENT
    assert (root / "moods" / "dev.tsv").read_bytes() == OTHER
    assert sorted(path.name for path in root.parent.rglob("*") if path.is_file()) == ["dev.tsv", "train.tsv"]
    assert server.asked == ["/all"]  # once for both


@pytest.mark.parametrize("kind", PACKERS)
def test_a_member_that_is_missing_wrong_or_too_large(server: Server, root: Path, kind: str):
    server.answers["/all"] = body(PACKERS[kind]({"release/train.tsv": OTHER}))
    with pytest.raises(FetchError, match=r'a file release/trian\.tsv in the archive.*mean "release/train\.tsv"'):
        fetch_dataset(make_card(one(server, "/all", member="release/trian.tsv")), root)
    with pytest.raises(FetchError, match=rf"got sha256 {OTHER_SHA} at .*/all \(release/train\.tsv\)"):
        fetch_dataset(make_card(one(server, "/all", member="release/train.tsv")), root)
    if kind != "tar":  # where packing makes small what unpacks to much
        limits = DownloadLimits(max_bytes=200_000)
        with pytest.raises(FetchError, match="at most 200000 bytes from the archive, got more"):
            fetch_dataset(make_card(one(server, "/all", member="release/train.tsv")), root, limits=limits)
    assert_nothing_left(root)


@pytest.mark.parametrize("kind", PACKERS)
def test_a_damaged_archive(server: Server, root: Path, kind: str):
    whole = PACKERS[kind]({"train.tsv": CONTENT})
    server.answers["/all"] = body(whole[: len(whole) // 2])
    with pytest.raises(FetchError, match=r"a whole ZIP or TAR archive|a file train\.tsv in the archive"):
        fetch_dataset(make_card(one(server, "/all", member="train.tsv")), root)
    assert_nothing_left(root)


def test_no_archive_at_all(server: Server, root: Path):
    server.answers["/all"] = body(b"<html>please log in</html>" * 100)
    with pytest.raises(FetchError, match="a whole ZIP or TAR archive, got ReadError"):
        fetch_dataset(make_card(one(server, "/all", member="train.tsv")), root)
    assert_nothing_left(root)


def test_links_and_folders_in_an_archive_are_no_files():
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as file:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("folder", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "/etc/hostname"
            file.addfile(info)
    for name in ("link", "hard", "folder"):
        packed.seek(0)
        with pytest.raises(FetchError, match=f"a file {name} in the archive"):
            list(stream_member(packed, name, max_bytes=1_000_000, where="here"))
    folder = io.BytesIO(pack_zip({"folder/": b""}))
    with pytest.raises(FetchError, match="got a folder of that name"):
        list(stream_member(folder, "folder/", max_bytes=1_000_000, where="here"))


def test_what_lies_before_the_member_counts_too():
    # 3 MB of zeros pack to 3 KB; looking for what comes after them must not unpack them all.
    bomb = gzip.compress(pack_tar({"zeros": bytes(3_000_000), "train.tsv": b"small"}))
    with pytest.raises(FetchError, match="at most 1000000 bytes from the archive"):
        list(stream_member(io.BytesIO(bomb), "train.tsv", max_bytes=1_000_000, where="here"))
    found = stream_member(io.BytesIO(bomb), "train.tsv", max_bytes=4_000_000, where="here")
    assert b"".join(found) == b"small"


@pytest.mark.corpus
def test_the_public_corpora_at_hand_have_the_hashes_of_their_cards(corpus_root: Path):
    from sentire.data.registry import DATASETS

    n_verified = 0
    for dataset in DATASETS.values():
        files = tuple(file for file in dataset.card.files if (corpus_root / file.path).exists())
        if not files:
            continue
        report = fetch_dataset(replace(dataset.card, files=files, optional_files=()), corpus_root)
        n_verified += sum(file.is_verified for file in report.files)
        assert all(file.status == "present" for file in report.files)
    assert n_verified >= 10
