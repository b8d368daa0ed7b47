"""One file out of a ZIP or TAR archive, as a stream of bounded size; nothing else of the archive is written."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from typing import IO, cast

from sentire.core.errors import FetchError, did_you_mean, quote

_CHUNK_BYTES = 1 << 16

_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    NotImplementedError,  # a ZIP with a compression that Python does not know
    RuntimeError,  # a ZIP with a password
)


def stream_member(archive: IO[bytes], member: str, *, max_bytes: int, where: str) -> Generator[bytes, None, None]:
    """Yield the bytes of one file of an archive.

    The name is only looked up and never used as a path. Links, folders and devices are no files. What is unpacked on
    the way to the file counts as well, so that a small archive cannot keep the machine busy for ever.

    Args:
        archive: At its beginning, seekable: ZIP, or TAR, plain or packed by gzip, bzip2 or xz.
        member: The file's full name in the archive.
        max_bytes: Most bytes that are unpacked.
        where: The archive's place, for messages.

    Raises:
        FetchError: No such file in the archive, too large, or a damaged archive.
    """
    magic = archive.read(6)
    archive.seek(0)
    stream = _stream_zip if magic.startswith(b"PK") else _stream_tar
    try:
        yield from stream(archive, member, max_bytes, where)
    except _DAMAGE as error:
        raise FetchError(
            expected="a whole ZIP or TAR archive",
            got=f"{type(error).__name__}: {error}",
            where=where,
            hint="try again; the archive is damaged or cut",
        ) from error


def _stream_zip(archive: IO[bytes], member: str, max_bytes: int, where: str) -> Iterator[bytes]:
    with zipfile.ZipFile(archive) as file:
        try:
            info = file.getinfo(member)
        except KeyError:
            raise _no_member(member, file.namelist(), where) from None
        if info.is_dir():
            raise _no_member(member, [], where)
        with file.open(info) as content:
            yield from _chunks(_Bounded(content, max_bytes, where))


def _stream_tar(archive: IO[bytes], member: str, max_bytes: int, where: str) -> Iterator[bytes]:
    bounded = cast("IO[bytes]", _Bounded(_unpack(archive), max_bytes, where))
    names: list[str] = []
    with tarfile.open(fileobj=bounded, mode="r|") as file:
        for info in file:
            if info.name == member and info.isreg():
                content = file.extractfile(info)
                if content is not None:
                    yield from _chunks(content)
                    return
            names.append(info.name)
    raise _no_member(member, names, where)


def _unpack(archive: IO[bytes]) -> IO[bytes]:
    magic = archive.read(6)
    archive.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=archive))
    if magic.startswith(b"BZh"):
        return cast("IO[bytes]", bz2.BZ2File(archive))
    if magic.startswith(b"\xfd7zXZ"):
        return cast("IO[bytes]", lzma.LZMAFile(archive))
    return archive


def _chunks(content: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK_BYTES):
        yield chunk


class _Bounded(io.RawIOBase):
    """Reads from a file until too much has come out of it."""

    def __init__(self, file: IO[bytes], max_bytes: int, where: str) -> None:
        self._file = file
        self._n_left = max_bytes
        self._max_bytes = max_bytes
        self._where = where

    def read(self, size: int = -1, /) -> bytes:
        content = self._file.read(size if 0 <= size <= self._n_left else self._n_left + 1)
        self._n_left -= len(content)
        if self._n_left < 0:
            raise FetchError(
                expected=f"at most {self._max_bytes} bytes from the archive", got="more", where=self._where
            )
        return content


def _no_member(member: str, names: list[str], where: str) -> FetchError:
    return FetchError(
        expected=f"a file {member} in the archive",
        got=f"{len(names)} other entries" if names else "a folder of that name",
        where=where,
        hint=did_you_mean(member, names) or f"it holds {quote(names[:5])}",
    )
