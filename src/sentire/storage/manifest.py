"""A manifest: the files of a folder with their sizes and hashes, so that damage is seen before use."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from sentire.core.errors import ArtifactError, describe, quote
from sentire.storage.atomic import write_json

MANIFEST_NAME = "manifest.json"

_CHUNK_BYTES = 1 << 20


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits, reading it in bounded memory."""
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
        facts: Further entries of the manifest.
    """
    files = {
        name: {"sha256": hash_file(folder / name), "n_bytes": (folder / name).stat().st_size} for name in sorted(names)
    }
    fingerprint = _fingerprint(files)
    write_json(
        folder / MANIFEST_NAME,
        {
            "format": file_format,
            "format_version": version,
            "fingerprint": fingerprint,
            **facts,
            "files": files,
        },
    )
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
    for name, recorded in files.items():
        _check_file(folder, name, recorded)
    return manifest


def _check_file(folder: Path, name: str, recorded: Any) -> None:
    path = folder / name
    if Path(name).name != name or not isinstance(recorded, dict):
        raise ArtifactError(expected="plain file names in the manifest", got=quote(name), where=str(folder))
    try:
        n_bytes = path.stat().st_size
        found = hash_file(path) if n_bytes == recorded.get("n_bytes") else f"{n_bytes} bytes"
    except OSError as error:
        raise ArtifactError(
            expected=f"the file {name}",
            got=describe(error),
            where=str(path),
            hint="copy the whole folder again",
        ) from error
    if found != recorded.get("sha256"):
        raise ArtifactError(
            expected=f"{recorded.get('n_bytes')} bytes with sha256 {str(recorded.get('sha256'))[:12]}…",
            got=found if found.endswith("bytes") else f"sha256 {found[:12]}…",
            where=str(path),
            hint="the file was changed or cut; copy the whole folder again",
        )


def _fingerprint(files: Mapping[str, Any]) -> str:
    return hashlib.sha256(orjson.dumps(files, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
