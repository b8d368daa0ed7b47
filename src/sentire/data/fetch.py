"""Bring a corpus's files to their place: from its own public address, verified, whole or not at all."""

import hashlib
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from sentire.core.errors import DataError, FetchError, OutputError, UsageError, describe, quote
from sentire.data.archives import stream_member
from sentire.data.cards import DatasetCard, RemoteFile
from sentire.data.download import DownloadLimits, OpenUrl, open_https, stream_download
from sentire.storage.atomic import make_directory, open_atomic
from sentire.storage.manifest import hash_file

FetchStatus = Literal["present", "fetched", "replaced", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """How far a download is.

    Attributes:
        path: The file it is for, relative to the data root.
        n_received: Bytes so far.
        n_total: Bytes there will be; None where the server does not say.
    """

    path: str
    n_received: int
    n_total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedFile:
    """What became of one file of a corpus.

    Attributes:
        path: Relative to the data root.
        status: ``present`` (it was there), ``fetched``, ``replaced`` (another file stood there), or ``absent`` (an
            optional file that has no address).
        is_verified: Its SHA-256 is the one of the data card. False where the card has none.
        sha256: What the file has; empty where it was not computed.
    """

    path: str
    status: FetchStatus
    is_verified: bool
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What became of the files of a corpus.

    Attributes:
        dataset: Name of the card.
        files: In the order of the card, optional files last.
    """

    dataset: str
    files: tuple[FetchedFile, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the report as plain data."""
        files = [
            {"path": file.path, "status": file.status, "is_verified": file.is_verified, "sha256": file.sha256}
            for file in self.files
        ]
        return {"dataset": self.dataset, "files": files}


def fetch_dataset(
    card: DatasetCard,
    root: Path,
    *,
    is_forced: bool = False,
    with_optional: bool = True,
    open_url: OpenUrl = open_https,
    limits: DownloadLimits | None = None,
    on_progress: Callable[[FetchProgress], None] | None = None,
) -> FetchReport:
    """Make sure that every file of a corpus is in its place.

    A file that is there with the right hash is left alone. Others are downloaded into a hidden neighbour, hashed on the
    way, and take their name only when the hash is right, so that a file is there whole or not at all. An archive from
    which several files come is downloaded once. All files are looked at before the first download.

    Args:
        card: The corpus.
        root: The data root.
        is_forced: Replace files that have another hash than the card says.
        with_optional: Fetch the card's optional files too.
        open_url: Opens an address; another one is for tests and unusual networks.
        limits: Of time and size for each address.
        on_progress: Called with every piece that arrives.

    Raises:
        UsageError: The card names no file and no way to get one: data of your own are read where they are.
        FetchError: A file could not be fetched, is not what the card says, or has no address. The message lists every
            file that is still missing, where to put it, and where to find it.
        DataError: A file that is there cannot be read.
        OutputError: The place cannot be written.

    Edge cases:
        Where the card knows no hash, a download is accepted if the server says how long it is and all of it comes; the
        report then says that it is not verified. A folder that the card names has to be put there by hand.
    """
    if not card.files and not card.optional_files and not card.access:
        raise UsageError(
            expected="a corpus with files to fetch",
            got=f"{quote(card.name)}, whose card names none",
            hint="data of your own are not fetched: they are read from where their description says",
        )
    limits = limits or DownloadLimits()
    root = root.absolute()
    files = (*card.files, *(card.optional_files if with_optional else ()))
    done: dict[str, FetchedFile] = {}
    missing: list[RemoteFile] = []
    for file in files:
        found = _inspect(file, _target(root, file, card), card, is_forced=is_forced)
        if found is not None:
            done[file.path] = found
        elif not file.url and file in card.optional_files:
            done[file.path] = FetchedFile(path=file.path, status="absent", is_verified=False)
        else:
            missing.append(file)
    for url in dict.fromkeys(file.url for file in missing if file.url):
        wanted = [file for file in missing if file.url == url]
        try:
            for fetched in _fetch_address(url, wanted, root, open_url, limits, on_progress):
                done[fetched.path] = fetched
        except FetchError as error:
            raise FetchError(
                expected=error.expected,
                got=error.got,
                where=error.where,
                hint=_advise(error.hint, [file for file in missing if file.path not in done], root, card),
            ) from error
    by_hand = [file for file in missing if not file.url]
    if by_hand:
        raise FetchError(
            expected=f"a public address of {' and '.join(file.path for file in by_hand)}",
            got="none: it cannot be fetched",
            where=card.title,
            hint=_advise("", by_hand, root, card),
        )
    return FetchReport(dataset=card.name, files=tuple(done[file.path] for file in files))


def _target(root: Path, file: RemoteFile, card: DatasetCard) -> Path:
    path = PurePosixPath(file.path)
    if path.is_absolute() or ".." in path.parts or "\\" in file.path or not path.parts:
        raise DataError(
            expected="a path inside the data root", got=quote(file.path), where=f"the data card of {card.name}"
        )
    return root / path


def _inspect(file: RemoteFile, target: Path, card: DatasetCard, *, is_forced: bool) -> FetchedFile | None:
    """Return what is known of a file that is there, or None where it has to be fetched."""
    try:
        if not target.exists():
            return None
        if not file.sha256:
            return None if is_forced and file.url else FetchedFile(path=file.path, status="present", is_verified=False)
        sha256 = hash_file(target)
    except OSError as error:
        raise DataError(
            expected=f"{file.path} as a file that can be read", got=describe(error), where=str(target)
        ) from error
    if sha256 == file.sha256:
        return FetchedFile(path=file.path, status="present", is_verified=True, sha256=sha256)
    if is_forced and file.url:
        return None
    raise FetchError(
        expected=f"sha256 {file.sha256} ({card.title}, revision {card.revision})",
        got=f"sha256 {sha256}",
        where=str(target),
        hint="the file was left as it is: move it away"
        + (", or fetch with --force to replace it" if file.url else " and put the right one there"),
    )


def _fetch_address(
    url: str,
    files: Sequence[RemoteFile],
    root: Path,
    open_url: OpenUrl,
    limits: DownloadLimits,
    on_progress: Callable[[FetchProgress], None] | None,
) -> Iterator[FetchedFile]:
    """Download what is at one address and yield each file that has taken its place."""

    def stream(file: RemoteFile) -> Generator[bytes, None, None]:
        needs_length = not file.sha256 and not file.member
        for chunk in stream_download(url, open_url=open_url, limits=limits, needs_length=needs_length):
            if on_progress is not None:
                on_progress(FetchProgress(path=file.path, n_received=chunk.n_received, n_total=chunk.n_total))
            yield chunk.content

    members = [file for file in files if file.member]
    for file in files:
        if not file.member:
            yield _write_verified(stream(file), file, root / file.path)
    if members:
        with _keep_folder(root), _temporary_file(root) as archive:
            with closing(stream(members[0])) as download:
                for content in download:
                    _write_temporary(archive, content, root)
            for file in members:
                archive.seek(0)
                content_of_member = stream_member(archive, file.member, max_bytes=limits.max_bytes, where=url)
                yield _write_verified(content_of_member, file, root / file.path)


def _write_verified(content: Generator[bytes, None, None], file: RemoteFile, target: Path) -> FetchedFile:
    """Write a file under its name if its hash is right, and leave nothing behind otherwise."""
    status: FetchStatus = "replaced" if target.exists() else "fetched"
    digest = hashlib.sha256()
    with closing(content), _keep_folder(target.parent), open_atomic(target) as output:
        for chunk in content:
            digest.update(chunk)
            output.write(chunk)
        if file.sha256 and digest.hexdigest() != file.sha256:
            raise FetchError(
                expected=f"sha256 {file.sha256}",
                got=f"sha256 {digest.hexdigest()}",
                where=f"{file.url}{f' ({file.member})' if file.member else ''}",
                hint="the release has changed or the download was altered; nothing was written",
            )
    return FetchedFile(path=file.path, status=status, is_verified=bool(file.sha256), sha256=digest.hexdigest())


@contextmanager
def _keep_folder(folder: Path) -> Iterator[None]:
    """Make a folder for what follows, and take away again what was made of it if that fails."""
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    make_directory(folder)
    try:
        yield
    except BaseException:
        for parent in made:
            try:
                parent.rmdir()
            except OSError:  # something else is in it by now
                break
        raise


@contextmanager
def _temporary_file(folder: Path) -> Iterator[IO[bytes]]:
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the block below closes it
    except OSError as error:
        raise _no_room(folder, error) from error
    with file:
        yield file


def _write_temporary(file: IO[bytes], content: bytes, folder: Path) -> None:
    try:
        file.write(content)
    except OSError as error:
        raise _no_room(folder, error) from error


def _no_room(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        expected="room for an archive while it is unpacked",
        got=describe(error),
        where=str(folder),
        hint="make room or choose another data root; nothing was left half-written",
    )


def _advise(first: str, files: Sequence[RemoteFile], root: Path, card: DatasetCard) -> str:
    """Say which files to put where by hand, after what else there is to say."""
    lines = []
    for file in files:
        known = f"sha256 {file.sha256}" if file.sha256 else "no hash is known"
        source = f", from {file.url}" if file.url else ""
        member = f", the file {file.member} in it" if file.member else ""
        lines.append(f"\n  {root / file.path} ({known}{source}{member})")
    place = card.access or f"the corpus is described at {card.homepage}"
    if card.access and card.homepage not in card.access:
        place += f" (homepage: {card.homepage})"
    by_hand = f"put there by hand:{''.join(lines)}\n{place}"
    return f"{first}; or {by_hand}" if first else by_hand
