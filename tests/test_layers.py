"""Imports go down only, optional libraries come in at the moment of use, and no file is called utils."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import sentire

SOURCE = Path(sentire.__file__).parent

LEVELS = {
    "core": 0,
    "storage": 1,
    "data": 2,
    "llm": 2,
    "losses": 2,
    "pairing": 2,
    "encoders": 2,
    "metrics": 2,
    "runtime": 2,
    "classifiers": 3,
    "analysis": 3,
    "annotation": 3,
    "export": 3,
    "representations": 3,
    "synthesis": 4,
    "training": 4,
    "probing": 4,
    "augmentation": 6,
    "evaluate": 5,
    "reproduce": 6,
    "reports": 6,
    "scale": 6,
    "cli": 7,
    "serve": 7,
    "__main__": 8,
}
WIRING = "sentire"
"""The package's own ``__init__``: it puts the units together, so nothing below may import it."""

WIRING_LEVEL = 7
FREE = "_version"
"""Anyone may ask for the version."""

LIGHT_UNITS = ("core", "storage", "metrics", "runtime", "analysis", "cli")
HEAVY = ("torch", "transformers", "onnx", "sklearn", "scipy", "pyarrow", "pandas")
NOT_ON_IMPORT = (*HEAVY, "rich", "typer", "pydantic")
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}


@dataclass(frozen=True)
class Import:
    """One imported module, in full, and whether the statement runs when the file is imported."""

    path: Path
    line: int
    module: str
    names: tuple[str, ...]
    is_at_top: bool


def iterate_imports(root: Path, path: Path) -> Iterator[Import]:
    """Yield every import of a file, wherever it stands in it; relative ones are resolved."""
    package = ["sentire", *path.relative_to(root).parent.parts]

    def visit(node: ast.AST, *, is_at_top: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, (), is_at_top)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            yield Import(path, node.lineno, module, tuple(alias.name for alias in node.names), is_at_top)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, is_at_top=is_at_top and not inside and not is_typing)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), is_at_top=True)


def find_unit(root: Path, path: Path) -> str:
    """Name the unit that a file belongs to: its folder, or for a file directly in the package its own name."""
    parts = path.relative_to(root).with_suffix("").parts
    return WIRING if parts == ("__init__",) else parts[0]


def imported_units(imported: Import) -> set[str]:
    """Name the units of Sentire that an import reaches; ``sentire`` itself is the wiring."""
    parts = imported.module.split(".")
    if parts[0] != "sentire":
        return set()
    if len(parts) > 1:
        return {parts[1]}
    submodules = {name for name in imported.names if name in LEVELS or name == FREE}
    return submodules if submodules and len(submodules) == len(imported.names) else {*submodules, WIRING}


def find_faults(root: Path) -> list[str]:
    """Return every breach of the layer rule in a tree of sources, as ``file:line: what``."""
    levels = {**LEVELS, WIRING: WIRING_LEVEL}
    faults = []
    for path in sorted(root.rglob("*.py")):
        place, unit = path.relative_to(root), find_unit(root, path)
        if path.stem in NAMELESS or any(part in NAMELESS for part in place.parent.parts):
            faults.append(f"{place}: a name that says nothing")
        if unit not in levels and unit != FREE:
            faults.append(f"{place}: {unit} has no level; add it to LEVELS")
            continue
        for imported in iterate_imports(root, path):
            for target in sorted(imported_units(imported) - {unit, FREE}):
                if target not in levels:
                    faults.append(f"{place}:{imported.line}: imports {target}, which has no level")
                elif unit == FREE:
                    faults.append(f"{place}:{imported.line}: {FREE} imports nothing, but it imports {target}")
                elif levels[target] >= levels[unit] and unit != WIRING:
                    faults.append(f"{place}:{imported.line}: {unit} may not import {target}")
    return faults


def find_heavy(root: Path) -> list[str]:
    """Return the imports of optional libraries at the top of files that must do without."""
    return [
        f"{path.relative_to(root)}:{imported.line}: imports {imported.module} at the top"
        for path in sorted(root.rglob("*.py"))
        if find_unit(root, path) in (*LIGHT_UNITS, WIRING, FREE)
        for imported in iterate_imports(root, path)
        if imported.is_at_top and imported.module.split(".")[0] in HEAVY
    ]


# --- the checker itself -----------------------------------------------------------------------------------------


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


BREACHES = {
    "plain": "import sentire.evaluate.result\n",
    "plain with another name": "import os, sentire.evaluate as e\n",
    "absolute": "from sentire.evaluate.result import read_result\n",
    "from the package": "from sentire import evaluate\n",
    "from the package beside another": "from sentire import core, evaluate\n",
    "relative": "from ..evaluate import result\n",
    "relative to the package": "from .. import evaluate\n",
    "inside a function": "def f():\n    from sentire.evaluate import result\n    return result\n",
    "inside an async method": "class A:\n    async def f(self):\n        import sentire.evaluate\n",
    "under type checking": "import typing\nif typing.TYPE_CHECKING:\n    from sentire.evaluate import result\n",
    "under a try": "try:\n    import sentire.evaluate\nexcept ImportError:\n    pass\n",
}


@pytest.mark.parametrize("kind", BREACHES)
def test_every_kind_of_import_upwards_is_seen(tmp_path, kind):
    faults = find_faults(plant(tmp_path, {"__init__.py": "", "metrics/f1.py": BREACHES[kind]}))
    assert len(faults) == 1
    assert faults[0].startswith("metrics/f1.py:")
    assert faults[0].endswith("metrics may not import evaluate")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("metrics/f1.py", "from sentire.data import cards\n", "metrics/f1.py:1: metrics may not import data"),
        (
            "classifiers/a.py",
            "from sentire.analysis import b\n",
            "classifiers/a.py:1: classifiers may not import analysis",
        ),
        ("core/labels.py", "import sentire.storage\n", "core/labels.py:1: core may not import storage"),
        ("core/deep/er/a.py", "from ....storage import rows\n", "core/deep/er/a.py:1: core may not import storage"),
        ("core/__init__.py", "from ..storage import rows\n", "core/__init__.py:1: core may not import storage"),
        ("cli/main.py", "from sentire.serve import app\n", "cli/main.py:1: cli may not import serve"),
        ("cli/main.py", "import sentire\n", "cli/main.py:1: cli may not import sentire"),
        ("evaluate/a.py", "from sentire import analyze\n", "evaluate/a.py:1: evaluate may not import sentire"),
        ("evaluate/a.py", "from sentire.magic import x\n", "evaluate/a.py:1: imports magic, which has no level"),
        ("_version.py", "import sentire.core\n", "_version.py:1: _version imports nothing, but it imports core"),
        ("magic/a.py", "", "magic/a.py: magic has no level; add it to LEVELS"),
        ("loose.py", "", "loose.py: loose has no level; add it to LEVELS"),
        ("core/utils.py", "", "core/utils.py: a name that says nothing"),
        ("core/helpers.py", "", "core/helpers.py: a name that says nothing"),
        ("core/common/a.py", "", "core/common/a.py: a name that says nothing"),
        ("data/misc.py", "", "data/misc.py: a name that says nothing"),
    ],
)
def test_other_breaches(tmp_path, name, content, fault):
    assert find_faults(plant(tmp_path, {name: content})) == [fault]


def test_what_is_allowed_is_not_reported(tmp_path):
    allowed = {
        "__init__.py": "def analyze():\n    from sentire.classifiers import linear\n    from sentire.cli import main\n",
        "_version.py": "VERSION = '1'\n",
        "core/a.py": "import os\nfrom sentire.core import b\nfrom . import b\nfrom .b import c\n",
        "storage/a.py": "from sentire._version import a\nfrom sentire import _version\nfrom ..core import a\n",
        "evaluate/a.py": "from sentire import core, metrics\nimport sentire.classifiers.linear\nimport sentiment\n",
        "cli/a.py": "from sentire import evaluate\nfrom sentire.reports import b\n",
    }
    assert find_faults(plant(tmp_path, allowed)) == []


def test_heavy_imports_are_seen_at_the_top_only(tmp_path):
    plant(
        tmp_path,
        {
            "core/a.py": "import numpy\nfrom scipy import stats\n",
            "metrics/a.py": "try:\n    import sklearn.metrics\nexcept ImportError:\n    pass\n",
            "cli/a.py": "class A:\n    import pandas as pd\n",
            "runtime/a.py": "def f():\n    import torch\n",
            "analysis/a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyarrow\n",
            "classifiers/a.py": "import sklearn\n",
            "__init__.py": "import torch\n",
        },
    )
    assert find_heavy(tmp_path) == [
        "__init__.py:1: imports torch at the top",
        "cli/a.py:2: imports pandas at the top",
        "core/a.py:2: imports scipy at the top",
        "metrics/a.py:2: imports sklearn.metrics at the top",
    ]


# --- the package ------------------------------------------------------------------------------------------------


def test_the_package_is_where_its_sources_are():
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} >= {"core", "storage"}


def test_imports_go_down_only():
    assert find_faults(SOURCE) == []


def test_optional_libraries_are_imported_where_they_are_used():
    assert find_heavy(SOURCE) == []


def test_importing_sentire_is_light():
    code = (
        "import sys\n"
        "import sentire\n"
        f"loaded = [name for name in {NOT_ON_IMPORT!r} if name in sys.modules]\n"
        "sys.exit(f'import sentire loads {loaded}' if loaded else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_a_lone_text_is_answered_without_what_it_does_not_need():
    """Every start of the command waits for what it loads, and for the search for cycles in what has none."""
    unneeded = (*HEAVY, "pydantic", "sentire.analysis.files", "sentire.analysis.explain", "sentire.storage.rows")
    code = (
        "import gc, sys\n"
        "from sentire.cli.main import main\n"
        "sys.argv = ['sentire', 'analyze', 'thank you']\n"
        "n_before = gc.get_stats()[0]['collections']\n"
        "try:\n    main()\n"
        "except SystemExit as stop:\n    assert not stop.code\n"
        f"loaded = [name for name in {unneeded!r} if name in sys.modules]\n"
        "n_collections = gc.get_stats()[0]['collections'] - n_before\n"
        "sys.exit(f'loaded {loaded}, collected {n_collections} times' if loaded or n_collections > 20 else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE).with_suffix(""))
)
def test_every_file_says_what_it_is(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) or not tree.body, f"{path.name} has no docstring"
