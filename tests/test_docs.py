"""The documentation says what is so: links, commands, generated pages and stored figures."""

import importlib.util
import re
import shlex
import shutil
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Literal

import orjson
import pytest
from pydantic import Field, TypeAdapter
from typer.main import get_command

from sentire.cli.main import app
from sentire.cli.reference import render_reference
from sentire.core.config import config, parse_config
from sentire.reproduce.suites import SUITES, make_settings, render_finished
from sentire.runtime.load import load
from sentire.training.representation_recipe import RepresentationRecipe

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")])

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)\)")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.fixture(autouse=True)
def _scripts_find_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")


def load_script(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown_commands() -> list[tuple[str, list[str]]]:
    commands = []
    for page in PAGES:
        for block in SHELL.findall(page.read_text(encoding="utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if any(word.endswith("sentire") for word in words) and "[" not in line and "|.tsv" not in line:
                    start = next(number for number, word in enumerate(words) if word.endswith("sentire"))
                    commands.append((page.name, words[start + 1 :]))
    return commands


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "commands.md").read_text(encoding="utf-8") == render_reference(), "run: make docs"


def test_the_label_spaces_page_is_what_is_registered() -> None:
    script = load_script(ROOT / "docs" / "make_label_spaces.py")
    assert script.PAGE.read_text(encoding="utf-8") == script.render(), "run: make docs"


def test_the_configurations_page_is_what_the_sections_say() -> None:
    script = load_script(ROOT / "docs" / "make_configurations.py")
    assert script.PAGE.read_text(encoding="utf-8") == script.render(), "run: make docs"


def test_a_table_that_may_stand_several_times_can_be_written_as_the_page_has_it() -> None:
    head = "[[data.affect_train]]"
    assert f"### `{head}`" in (ROOT / "docs" / "configurations.md").read_text(encoding="utf-8")
    written = f'recipe = "representation"\nname = "x"\n[data]\n{head}\ndata = "emobank:train"\n'
    recipe = parse_config(RepresentationRecipe, tomllib.loads(written))
    assert [source.data for source in recipe.data.affect_train] == ["emobank:train"]


def test_a_key_without_a_description_is_refused() -> None:
    @config
    class Section:
        """A table.

        Attributes:
            said: Described.
        """

        said: int = 1
        unsaid: int = 2

    script = load_script(ROOT / "docs" / "make_configurations.py")
    with pytest.raises(LookupError, match="Section says nothing of unsaid"):
        script.describe_keys(Section)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[float, Field(ge=0, lt=1)], "number from 0 and below 1"),
        (Annotated[int, Field(gt=0, le=5)], "integer above 0 to 5"),
        (tuple[Literal["l1", "l2"], ...] | Literal["l1", "l2"], "`l1`, `l2`; or a list of such"),
        (Annotated[tuple[bool, ...], Field(min_length=1)], "list of 1 or more: `true` or `false`"),
        (tuple[float, float], "list of 2: number"),
        (dict[str, str], "table"),
    ],
)
def test_what_a_key_takes_in_words(annotation: Any, words: str) -> None:
    script = load_script(ROOT / "docs" / "make_configurations.py")
    assert script.describe_type(TypeAdapter(annotation).json_schema()) == words


@pytest.mark.parametrize("name", SUITES)
def test_the_page_of_a_suite_shows_the_stored_parts(name: str, tmp_path: Path) -> None:
    stored = ROOT / "benchmarks" / "results" / "reproduce" / name
    page = (stored / "README.md").read_text(encoding="utf-8")
    seeds = re.search(r"seeds (\[[\d, ]+\])", page)
    assert seeds is not None
    settings = make_settings(SUITES[name], is_quick=False, overrides={"seeds": orjson.loads(seeds[1])})
    results = tmp_path / name
    shutil.copytree(stored, results)
    assert render_finished(name, settings, results) == page, "run: make docs"


def test_the_pages_show_the_stored_figures() -> None:
    script = load_script(ROOT / "benchmarks" / "classical_models.py")
    stored = orjson.loads(script.RESULTS.read_bytes())
    for page, tables in script.pages(stored).items():
        text = page.read_text(encoding="utf-8")
        assert script.fill_page(text, tables) == text, f"{page.name}: run make docs"
        assert f"{stored['tables']['models'][0]['test']['macro_f1']['value']:.3f}" in text


def test_the_page_shows_the_stored_speed() -> None:
    script = load_script(ROOT / "benchmarks" / "throughput.py")
    text = script.PAGE.read_text(encoding="utf-8")
    table = script.render_table(orjson.loads(script.RESULTS.read_bytes()))
    assert script.put_table(text, "speed", table) == text, "run: make docs"


@pytest.mark.parametrize("name", ["augmentation_experiment", "synthesis_student"])
def test_stored_figures_are_of_the_model_that_is_embedded(name: str) -> None:
    stored = orjson.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_bytes())
    assert stored["embedded_model"] == load("default").fingerprint, f"run: python benchmarks/{name}.py"


def test_the_page_shows_the_stored_experiment_of_augmentation() -> None:
    script = load_script(ROOT / "benchmarks" / "augmentation_experiment.py")
    stored, text = orjson.loads(script.RESULTS.read_bytes()), script.PAGE.read_text(encoding="utf-8")
    assert script.fill_page(text, stored) == text, "run: make docs"
    assert f"{stored['figures']['grief']['difference']:+.4f}" in text


def test_stored_rows_come_from_the_configs_and_settings_of_the_script() -> None:
    script = load_script(ROOT / "benchmarks" / "classical_models.py")
    stored = orjson.loads(script.RESULTS.read_bytes())["tables"]
    declared = {name: [(t, c, list(o)) for t, c, o in rows] for name, rows in script.TABLES.items()}
    assert {name: [(r["title"], r["config"], r["set"]) for r in rows] for name, rows in stored.items()} == declared


@pytest.mark.parametrize(("page", "words"), shown_commands(), ids=lambda value: str(value)[:60])
def test_every_command_that_is_shown_can_be_parsed(page: str, words: list[str]) -> None:
    command: Any = get_command(app)
    for stop in ("|", ">"):
        words = words[: words.index(stop)] if stop in words else words
    while hasattr(command, "commands"):
        assert words[0] in command.commands, f"{page}: sentire {' '.join(words)}"
        command, words = command.commands[words[0]], words[1:]
    command.make_context(command.name, list(words))


def test_the_readme_shows_the_two_commands_and_its_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme
    for block in PYTHON.findall(readme):
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102  the README's own code
    assert "gratitude" in capsys.readouterr().out
