"""The cards of a suite's encoders: what the suite measured of each stands below what its training says."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sentire.core.errors import ArtifactError, describe
from sentire.representations.save import CARD_NAME
from sentire.reproduce.part import Figures
from sentire.storage.atomic import write_bytes

_HEAD = "\n## Measured by `sentire reproduce"
_VALUES = ("value", "mean")
"""Under which of these a figure has its low and high end beside it."""


def write_encoder_cards(suite: str, encoders: Path, found: Mapping[str, Figures]) -> None:
    """Add to the card of each encoder what parts measured of it; what stood there of the suite before is replaced.

    Args:
        suite: Its name.
        encoders: Folder of the encoders that are here; those that another machine trained are passed over.
        found: What the parts found, each named after the encoder that it measured.

    Raises:
        ArtifactError: A card cannot be read.
        OutputError: One cannot be written.
    """
    for card in sorted(encoders.glob(f"*/{CARD_NAME}")):
        rows = [
            f"| {name.removesuffix(f'.{card.parent.name}')}: {figure} | {shown} |"
            for name, figures in found.items()
            if name.endswith(f".{card.parent.name}")
            for figure, shown in _list_figures(figures)
        ]
        if rows:
            said = _read(card).partition(_HEAD)[0].rstrip("\n")
            write_bytes(card, f"{said}\n{_render(suite, rows)}".encode())


def _render(suite: str, rows: list[str]) -> str:
    return "\n".join(
        [
            f"{_HEAD} {suite}`",
            "",
            "Of this one run; 95 % intervals over texts, those of clusters over starts of k-means. Means over seeds,",
            "the other encoders and the claims of the paper stand on the page of the suite.",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def _list_figures(figures: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Yield every figure that has an interval, by where it stands."""
    value = next((figures[name] for name in _VALUES if name in figures), None)
    if value is not None and "low" in figures and "high" in figures:
        yield " ".join(path).replace("_", " "), f"{value:.4f} ({figures['low']:.4f} to {figures['high']:.4f})"
        return
    for name, inner in figures.items():
        if isinstance(inner, Mapping):
            yield from _list_figures(inner, (*path, name))


def _read(card: Path) -> str:
    try:
        return card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(
            expected="a card that can be read", got=describe(error), where=str(card), hint="delete the file"
        ) from error
