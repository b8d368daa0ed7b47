"""Write `docs/label-spaces.md` from the registered spaces and maps: `make docs`."""

from pathlib import Path

from sentire.core.affect import AFFECT_SCALES
from sentire.core.label_maps import LABEL_MAPS
from sentire.core.labels import LABEL_SPACES

PAGE = Path(__file__).resolve().parent / "label-spaces.md"

HEAD = """# Label spaces

Written by `make docs` from the registered spaces and maps; do not edit.

A label space is an ordered set of labels with a version; the order is that of the columns of every array and file.

"""

RULE = """
## The rule of projection

A target label holds where at least one of its source labels holds. Hard labels are united. Probabilities are joined by
the noisy-or, `p(t) = 1 - prod (1 - p(s))` over the sources s of t: exact where the sources are independent given the
text, and always between the two bounds of a union, `max p(s)` and `min(1, sum p(s))`. In a single-label space the
joined values are divided by their sum, and the likeliest label is the answer. For `ekman` and `sentiment` a model
carries cut-offs of their own, chosen on dev.

## Maps
"""


def render() -> str:
    """Render the page."""
    lines = [HEAD, "| space | task | labels | source |", "|---|---|---|---|"]
    for space in LABEL_SPACES.values():
        labels = ", ".join(f"**{label}**" if label == space.neutral else label for label in space.labels)
        lines.append(f"| `{space.id}` | {space.task} | {labels} | {space.source} |")
    lines += ["", "The label in bold stands for the absence of the others.", "", "| scale | from | to | source |"]
    lines.append("|---|---|---|---|")
    lines += [f"| `{s.id}` | {s.low:g} | {s.high:g} | {s.source} |" for s in AFFECT_SCALES.values()]
    lines.append(RULE)
    for label_map in LABEL_MAPS.values():
        lines += [f"### `{label_map.id}`", "", f"{label_map.note[0].upper()}{label_map.note[1:]}.", ""]
        lines += ["| target | sources |", "|---|---|"]
        lines += [f"| {target} | {', '.join(sources)} |" for target, sources in label_map.groups.items()]
        if label_map.unmapped:
            lines += ["", f"Without a target: {', '.join(label_map.unmapped)}."]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
