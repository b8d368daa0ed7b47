"""Write ``docs/commands.md`` from the commands themselves, so that the page cannot say anything else.

``python -m sentire.cli.reference docs/commands.md`` writes it; a test compares the page with what would be written.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from sentire.cli.main import app

HEAD = """# Commands

Written by `python -m sentire.cli.reference docs/commands.md`; do not edit. `sentire COMMAND --help` tells the same.
Answers go to standard output, everything else to standard error.
"""

_EVERYWHERE = {"help", "install_completion", "show_completion"}


def render_reference() -> str:
    """Render every command with its arguments and options, in the order of the command line."""
    root: Any = get_command(app)
    parts = [HEAD, f"{root.epilog}\n"]
    parts += [_render_command(path, command) for path, command in _iterate_commands(("sentire",), root)]
    return "\n".join(parts)


def _iterate_commands(path: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, child in getattr(command, "commands", {}).items():
        if hasattr(child, "commands"):
            yield from _iterate_commands((*path, name), child)
        else:
            yield (*path, name), child


def _render_command(path: tuple[str, ...], command: Any) -> str:
    lines = [f"## {' '.join(path)}", "", " ".join(command.help.split()), "", "| argument or option | |", "|---|---|"]
    for parameter in command.params:
        if parameter.name in _EVERYWHERE:
            continue
        names = ", ".join(
            f"`{name}`" for name in (parameter.opts if _is_option(parameter) else [parameter.name.upper()])
        )
        lines.append(f"| {names} | {parameter.help}{_show_default(parameter)} |")
    return "\n".join([*lines, ""])


def _show_default(parameter: Any) -> str:
    if parameter.required or parameter.default in (None, "", False):
        return ""
    return f" Default: `{parameter.default}`."


def _is_option(parameter: Any) -> bool:
    return all(name.startswith("-") for name in parameter.opts)


def main() -> None:
    """Write the page to the path that is given."""
    Path(sys.argv[1]).write_text(render_reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
