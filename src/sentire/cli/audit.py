"""``sentire audit``: does a word for what somebody is change what a model hears in a sentence?"""

from pathlib import Path
from typing import Annotated

import typer


def audit(
    model: Annotated[str, typer.Argument(help="Embedded model (default, linear) or folder of a trained one.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the audit to this JSON file.")] = None,
    largest: Annotated[int, typer.Option(min=0, help="How many of the largest shifts the table shows.")] = 12,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    resamples: Annotated[int, typer.Option(min=10, help="Resamples of the bootstrap.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the audit as JSON.")] = False,
) -> None:
    """Ask a model the same sentences about people of different kinds, and show what that changes."""
    import sys

    import orjson

    from sentire.cli.audit_table import print_audit
    from sentire.cli.console import make_console, say
    from sentire.cli.models import load_model
    from sentire.evaluate.identity_terms import audit_identity_terms
    from sentire.storage.atomic import check_writable, write_json

    if output is not None:
        check_writable(output)
    found = audit_identity_terms(load_model(model, where="MODEL"), seed=seed, n_resamples=resamples)
    if output is not None:
        write_json(output, found.as_dict())
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(found.as_dict(), option=orjson.OPT_APPEND_NEWLINE))
    else:
        print_audit(make_console(), found, largest)
    if output is not None:
        say(f"wrote {output}")
