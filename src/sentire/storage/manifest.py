"""A manifest: the files of a folder with their sizes and hashes, so that damage is seen before use."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from sentire.core.errors import ArtifactError, UsageError, describe, quote
from sentire.storage.atomic import write_json

MANIFEST_NAME = "manifest.json"

_CHUNK_BYTES = 1 << 20
_OWN_ENTRIES = frozenset({"format", "format_version", "fingerprint", "files", "checksum"})


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits, reading it in bounded memory.

    Raises:
        OSError: The file cannot be read; the caller knows what the file was for.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def write_manifest(
    folder: Path, names: Iterable[str], *, file_format: str, version: int, facts: Mapping[str, Any]
) -> str:
    """Write the manifest of a folder's files, last of all, and return the fingerprint of their contents.

    Args:
        folder: Where the files are.
        names: The files, relative to the folder.
        file_format: What kind of folder this is, such as ``sentire-model``.
        version: Of that format.
        facts: Further entries of the manifest, as plain data.

    Raises:
        UsageError: A name is not that of a file directly in the folder, or a fact takes the name of an entry.
        OutputError: The manifest cannot be written.
    """
    names = sorted(names)
    for name in names:
        if not _is_plain(name):
            raise UsageError(expected="the name of a file in the folder itself", got=quote(name), where=str(folder))
    if taken := sorted(_OWN_ENTRIES & facts.keys()):
        raise UsageError(expected="facts with names of their own", got=", ".join(taken), where=str(folder))
    files = {name: {"sha256": hash_file(folder / name), "n_bytes": (folder / name).stat().st_size} for name in names}
    fingerprint = _fingerprint(files)
    manifest: dict[str, Any] = {
        "format": file_format,
        "format_version": version,
        "fingerprint": fingerprint,
        **facts,
        "files": files,
    }
    write_json(folder / MANIFEST_NAME, {**manifest, "checksum": _checksum(manifest)})
    return fingerprint


def read_manifest(folder: Path, *, file_format: str, version: int) -> dict[str, Any]:
    """Read a folder's manifest and check every file against it.

    Raises:
        ArtifactError: There is no manifest, it is of another format or version, or a file is missing or changed.
    """
    path = folder / MANIFEST_NAME
    try:
        manifest = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            expected=f"a {file_format} folder with a {MANIFEST_NAME}", got=describe(error), where=str(path)
        ) from error
    except orjson.JSONDecodeError as error:
        raise ArtifactError(expected="a manifest in JSON", got=error.msg, where=str(path)) from error
    if not isinstance(manifest, dict) or manifest.get("format") != file_format:
        found = manifest.get("format") if isinstance(manifest, dict) else manifest
        raise ArtifactError(expected=f"the format {file_format}", got=quote(found), where=str(path))
    if manifest.get("format_version") != version:
        raise ArtifactError(
            expected=f"{file_format} version {version}",
            got=f"version {quote(manifest.get('format_version'))}",
            where=str(path),
            hint="make the model again, or use the version of Sentire that made it",
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or manifest.get("fingerprint") != _fingerprint(files):
        raise ArtifactError(expected="a list of files that matches the fingerprint", got="another", where=str(path))
    if manifest.get("checksum") != _checksum(manifest):
        raise ArtifactError(
            expected="a manifest that matches its checksum",
            got="one that was changed",
            where=str(path),
            hint="copy the whole folder again",
        )
    for name, recorded in files.items():
        _check_file(folder, name, recorded)
    return manifest


def _check_file(folder: Path, name: str, recorded: Any) -> None:
    if not _is_plain(name) or not isinstance(recorded, dict):
        raise ArtifactError(expected="plain file names in the manifest", got=quote(name), where=str(folder))
    path = folder / name
    try:
        n_bytes = path.stat().st_size
        sha256 = hash_file(path) if n_bytes == recorded.get("n_bytes") else ""
    except OSError as error:
        raise ArtifactError(
            expected=f"the file {name}",
            got=describe(error),
            where=str(path),
            hint="copy the whole folder again",
        ) from error
    if not sha256 or sha256 != recorded.get("sha256"):
        raise ArtifactError(
            expected=f"{recorded.get('n_bytes')} bytes with sha256 {str(recorded.get('sha256'))[:12]}…",
            got=f"sha256 {sha256[:12]}…" if sha256 else f"{n_bytes} bytes",
            where=str(path),
            hint="the file was changed or cut; copy the whole folder again",
        )


def _is_plain(name: str) -> bool:
    return Path(name).name == name and name not in ("", "..") and name.isprintable() and "\\" not in name


def _checksum(manifest: Mapping[str, Any]) -> str:
    # Of what is written, not of what it was made from: numbers of numpy and tuples come back as plain ones.
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    written = orjson.loads(orjson.dumps(rest, option=orjson.OPT_SERIALIZE_NUMPY))
    return hashlib.sha256(orjson.dumps(written, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _fingerprint(files: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(files, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
