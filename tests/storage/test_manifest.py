"""Manifests: every changed bit, missing file and foreign folder is seen before anything is used."""

# ruff: noqa: S311 (damage needs no secret numbers)

import hashlib
import random
import shutil

import numpy as np
import orjson
import pytest

from sentire.core.errors import ArtifactError, SentireError, UsageError
from sentire.storage.manifest import MANIFEST_NAME, hash_file, read_manifest, write_manifest

FORMAT = {"file_format": "sentire-model", "version": 1}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights.npz").write_bytes(random.Random(0).randbytes(300))
    (path / "empty.txt").write_bytes(b"")
    facts = {"kind": "linear", "scale": np.float64(0.1), "sizes": (1, 2)}
    write_manifest(path, ["weights.npz", "empty.txt"], facts=facts, **FORMAT)
    return path


def change(folder, **entries):
    path = folder / MANIFEST_NAME
    path.write_bytes(orjson.dumps({**orjson.loads(path.read_bytes()), **entries}))


def test_what_was_written_is_read(folder):
    manifest = read_manifest(folder, **FORMAT)
    assert list(manifest) == [
        "format", "format_version", "fingerprint", "kind", "scale", "sizes", "files", "checksum"
    ]  # fmt: skip
    assert (manifest["kind"], manifest["scale"], manifest["sizes"]) == ("linear", 0.1, [1, 2])
    content = (folder / "weights.npz").read_bytes()
    assert manifest["files"] == {
        "empty.txt": {"sha256": hashlib.sha256(b"").hexdigest(), "n_bytes": 0},
        "weights.npz": {"sha256": hashlib.sha256(content).hexdigest(), "n_bytes": 300},
    }


def test_the_fingerprint_is_of_the_contents_alone(folder):
    first = read_manifest(folder, **FORMAT)["fingerprint"]
    assert write_manifest(folder, ["empty.txt", "weights.npz"], facts={"other": 1}, **FORMAT) == first
    (folder / "empty.txt").write_bytes(b"x")
    assert write_manifest(folder, ["empty.txt", "weights.npz"], facts={}, **FORMAT) != first


def test_files_are_hashed_in_pieces(tmp_path):
    content = random.Random(1).randbytes((1 << 20) + 17)
    (tmp_path / "a").write_bytes(content)
    assert hash_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("position", [0, 1, 150, 299])
@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit(folder, position, bit):
    path = folder / "weights.npz"
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"300 bytes with sha256 \w{12}…, got sha256 \w{12}… at .*weights\.npz"):
        read_manifest(folder, **FORMAT)


def test_every_flipped_bit_of_the_manifest_itself(folder):
    path = folder / MANIFEST_NAME
    good = path.read_bytes()
    meaning = read_manifest(folder, **FORMAT)
    for position in range(len(good)):
        for bit in range(8):
            content = bytearray(good)
            content[position] ^= 1 << bit
            path.write_bytes(content)
            try:
                # White space between the entries has no meaning; everything else has.
                assert read_manifest(folder, **FORMAT) == meaning
            except ArtifactError:
                continue
            assert good[position : position + 1].isspace(), (position, bit)


@pytest.mark.parametrize("n_bytes", [0, 1, 150, 299])
def test_a_truncated_file(folder, n_bytes):
    path = folder / "weights.npz"
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ArtifactError, match=rf"300 bytes with sha256 .*, got {n_bytes} bytes at .*weights\.npz; the"):
        read_manifest(folder, **FORMAT)


def test_a_longer_file(folder):
    (folder / "empty.txt").write_bytes(b"x")
    with pytest.raises(ArtifactError, match=r"0 bytes with sha256 .*, got 1 bytes at .*empty\.txt"):
        read_manifest(folder, **FORMAT)


def test_a_truncated_manifest(folder):
    path = folder / MANIFEST_NAME
    good = path.read_bytes().rstrip()
    for n_bytes in range(len(good)):
        path.write_bytes(good[:n_bytes])
        with pytest.raises(ArtifactError):
            read_manifest(folder, **FORMAT)


def test_a_missing_file(folder):
    (folder / "empty.txt").unlink()
    with pytest.raises(ArtifactError, match=r"the file empty\.txt, got No such file or directory .*copy the whole"):
        read_manifest(folder, **FORMAT)


def test_a_directory_in_the_place_of_a_file(folder):
    (folder / "empty.txt").unlink()
    (folder / "empty.txt").mkdir()
    with pytest.raises(ArtifactError, match=r"empty\.txt"):
        read_manifest(folder, **FORMAT)


def test_two_files_that_changed_places(folder):
    (folder / "other.npz").write_bytes(random.Random(5).randbytes(300))
    write_manifest(folder, ["weights.npz", "other.npz"], facts={}, **FORMAT)
    shutil.move(folder / "weights.npz", folder / "third")
    shutil.move(folder / "other.npz", folder / "weights.npz")
    shutil.move(folder / "third", folder / "other.npz")
    with pytest.raises(ArtifactError, match=r"other\.npz"):
        read_manifest(folder, **FORMAT)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "sub/file", "..", ".", "", "a\x00b", "sub/../../secret", "..\\secret"]
)
def test_names_cannot_leave_the_folder(folder, name):
    (folder.parent / "secret").write_bytes(b"s")
    with pytest.raises(UsageError, match="the name of a file in the folder itself, got"):
        write_manifest(folder, [name], facts={}, **FORMAT)
    files = {name: {"sha256": hashlib.sha256(b"s").hexdigest(), "n_bytes": 1}}
    forged = {"format": "sentire-model", "format_version": 1, "files": files}
    sorted_files = orjson.dumps(files, option=orjson.OPT_SORT_KEYS)
    forged["fingerprint"] = hashlib.sha256(sorted_files).hexdigest()[:16]
    forged["checksum"] = hashlib.sha256(orjson.dumps(forged, option=orjson.OPT_SORT_KEYS)).hexdigest()
    (folder / MANIFEST_NAME).write_bytes(orjson.dumps(forged))
    with pytest.raises(ArtifactError, match="plain file names in the manifest, got"):
        read_manifest(folder, **FORMAT)


def test_foreign_formats_and_other_versions(folder):
    with pytest.raises(ArtifactError, match="the format sentire-result, got 'sentire-model'"):
        read_manifest(folder, file_format="sentire-result", version=1)
    with pytest.raises(
        ArtifactError, match=r"sentire-model version 2, got version 1 at .*manifest\.json; make the mod"
    ):
        read_manifest(folder, file_format="sentire-model", version=2)
    change(folder, format_version="1")
    with pytest.raises(ArtifactError, match="sentire-model version 1, got version '1'"):
        read_manifest(folder, **FORMAT)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a manifest in JSON"),
        (b"{", "a manifest in JSON"),
        (b"\xff\xfe", "a manifest in JSON"),
        (b"[" * 100_000, "a manifest in JSON"),
        (b"[]", r"the format sentire-model, got \[\]"),
        (b"null", "the format sentire-model, got None"),
        (b"{}", "the format sentire-model, got None"),
        (b'{"format": "sentire-model"}', "version 1, got version None"),
        (b'{"format": "sentire-model", "format_version": 1}', "a list of files that matches the fingerprint"),
        (b'{"format": "sentire-model", "format_version": 1, "files": []}', "a list of files"),
    ],
)
def test_files_that_are_no_manifest(folder, content, message):
    (folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ArtifactError, match=message) as caught:
        read_manifest(folder, **FORMAT)
    assert MANIFEST_NAME in str(caught.value)


def test_no_manifest_and_no_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(ArtifactError, match=r"a sentire-model folder with a manifest\.json, got"):
            read_manifest(folder, **FORMAT)


def test_changed_facts_and_lists_are_seen(folder):
    shutil.copy(folder / MANIFEST_NAME, folder.parent / "good.json")
    change(folder, kind="encoder")
    with pytest.raises(ArtifactError, match="a manifest that matches its checksum, got one that was changed"):
        read_manifest(folder, **FORMAT)
    shutil.copy(folder.parent / "good.json", folder / MANIFEST_NAME)
    change(folder, files={})
    with pytest.raises(ArtifactError, match="a list of files that matches the fingerprint"):
        read_manifest(folder, **FORMAT)


def test_facts_cannot_take_the_place_of_entries(folder):
    with pytest.raises(UsageError, match="facts with names of their own, got files, format"):
        write_manifest(folder, [], facts={"format": "x", "files": {}}, **FORMAT)


def test_every_error_is_one_of_ours(folder):
    rng = random.Random(4)
    path = folder / MANIFEST_NAME
    good = path.read_bytes()
    for _ in range(300):
        content = bytearray(good)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content[: rng.randrange(len(content))] if rng.random() < 0.3 else content)
        try:
            read_manifest(folder, **FORMAT)
        except SentireError:
            continue
