"""What the package promises: its names, their descriptions, and that it stays light."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import sentire

SOURCES = sorted(Path(sentire.__file__).parent.rglob("*.py"))
HEAVY = ("sklearn", "scipy", "pyarrow", "datasets", "rapidfuzz", "rensa", "torch", "pandas")


@pytest.mark.parametrize("name", sentire.__all__)
def test_a_public_name_is_there_and_described(name):
    thing = getattr(sentire, name)
    assert isinstance(thing, str) if name == "__version__" else thing.__doc__.strip()
    assert name in dir(sentire)


def test_the_names_are_sorted_and_no_other_is_offered():
    assert sorted(sentire.__all__) == dir(sentire)
    assert len(set(sentire.__all__)) == len(sentire.__all__)
    with pytest.raises(AttributeError, match="module 'sentire' has no attribute 'analyse'"):
        sentire.analyse  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'analyse'"):
        from sentire import analyse  # noqa: F401


def test_every_promised_name_has_a_home_and_a_type():
    tree = ast.parse(Path(sentire.__file__).read_text())
    typed = {
        alias.name
        for node in tree.body
        if isinstance(node, ast.If)
        for line in node.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert typed | {"__version__"} == set(sentire.__all__) == set(sentire._HOMES) | {"__version__"}


def test_a_lazy_name_is_the_thing_itself():
    from sentire.analysis.analyze import analyze
    from sentire.runtime.load import load

    assert sentire.analyze is analyze
    assert sentire.load is load


def test_importing_and_answering_stay_light():
    code = (
        "import sys, json, sentire; first = sorted(sys.modules);"
        "sentire.analyze(['Thank you!']);"
        f"print(json.dumps([first, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, heavy = json.loads(ran.stdout)
    assert heavy == []
    assert not [name for name in first if name.split(".")[0] in ("numpy", "typer", "rich", "pydantic", *HEAVY)]
    assert {name for name in first if name.startswith("sentire")} == {"sentire", "sentire._version"}


def find_undescribed(tree: ast.Module) -> list[str]:
    """List the public modules, classes, functions and methods of a file that have no docstring."""
    missing = [] if ast.get_docstring(tree) else ["the module"]
    queue: list[tuple[str, ast.AST]] = [("", node) for node in tree.body]
    while queue:
        prefix, node = queue.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            missing.append(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            queue.extend((f"{prefix}{node.name}.", child) for child in node.body)
    return missing


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(Path(sentire.__file__).parent)))
def test_every_public_name_is_described(path):
    assert find_undescribed(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_what_is_not_described_is_found():
    tree = ast.parse(
        "class A:\n    def b(self): ...\n    def _c(self): ...\nclass _D:\n    def e(self): ...\ndef f(): 'x'"
    )
    assert sorted(find_undescribed(tree)) == ["A", "A.b", "the module"]
