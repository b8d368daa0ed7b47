"""The card of a synthesised data set: what it is, where it comes from, what is in it and what was left out."""

from collections.abc import Mapping, Sequence
from typing import Any

from sentire.synthesis.config import SynthesisConfig
from sentire.synthesis.definitions import LabelGuide

_PAPER = {
    "labels_a_row": "3.17 ± .97",
    "similarity_within": ".30",
    "similarity_across": ".16",
    "clean": ".92 ± .08",
    "rewriting_overlap": ".78 ± .15",
}


def render_card(
    settings: SynthesisConfig,
    guide: LabelGuide,
    statistics: Mapping[str, Any],
    *,
    titles: Mapping[Any, str],
    pictures: Sequence[str],
) -> str:
    """Render the card in Markdown, with the head that ``datasets`` reads."""
    splits = statistics["splits"]
    parts = [
        _render_head(settings, splits),
        f"# {settings.name}\n",
        (
            "Utterances of the characters of stories, with the emotions that they express, written by a language model "
            "(Emo Pillars, Shvets 2025, arXiv 2504.16856; steps and departures in Sentire's documentation). Every row "
            "is synthetic: learn from it, and measure on what people wrote.\n"
        ),
        _render_facts(settings, guide, statistics),
        "## Rows\n",
        _table(
            ("set", *next(iter(splits.values()), {}), "what it is"),
            [(name, *sizes.values(), titles[name]) for name, sizes in splits.items()],
        ),
        (
            "Splits are by story: no story is on both sides within a set. Between sets the shares differ, so that a "
            "story of one set's test may be in another's train.\n"
        ),
        "## Calls\n",
        _table(
            ("task", "answered", "failed"),
            [
                (task, entry["answered"], _list_counts(entry["failed"]) or "0")
                for task, entry in statistics["calls"].items()
            ],
        ),
        _render_open(statistics),
        "## What the rules left out\n",
        _table(
            ("set", "rule", "rows"),
            [(name, reason, n) for name, reasons in statistics["refused"].items() for reason, n in reasons.items()],
        ),
        "## Words outside the labels\n",
        _table(
            ("word", "stands for", "where", "times"),
            [
                (one["word"], one["stands_for"] or "nothing", one["where"], one["n"])
                for one in statistics["strays"][:40]
            ],
        ),
        (
            "All of them are in `stray-labels.csv`, to look through; `labels.strays` of the configuration says what a "
            "word stands for. Only what was asked because of the word is asked again.\n"
        ),
        _render_quota(statistics["quota"]),
        "## Labels\n",
        *(f"![{name.removesuffix('.svg')}]({name})\n" for name in pictures),
        _render_labels(statistics["labels"]),
        "## Measures\n",
        _render_measures(statistics),
    ]
    return "\n".join(part for part in parts if part)


def _render_head(settings: SynthesisConfig, splits: Mapping[str, Mapping[str, int]]) -> str:
    lines = ["---", "configs:"]
    for name, sizes in splits.items():
        if not any(sizes.values()):
            continue
        lines += [f"  - config_name: {name}", "    data_files:"]
        for split, n in sizes.items():
            if n:
                shown = "validation" if split == "dev" else split
                lines += [f"      - split: {shown}", f"        path: {name}/{split}.parquet"]
    lines += [f"license: {settings.licence!r}" if settings.licence != "not stated" else "", "---", ""]
    return "\n".join(line for line in lines if line) + "\n"


def _render_facts(settings: SynthesisConfig, guide: LabelGuide, statistics: Mapping[str, Any]) -> str:
    models = statistics["models"]
    stories = statistics["stories"]
    dropped = statistics["dropped"]
    rows = [
        ("written by", models["first"]),
        ("labelled the second time by", models["second"] if settings.labels.passes > 1 else "nobody"),
        ("label space", f"{guide.space.id}, {len(guide.space)} labels"),
        ("language", settings.language),
        ("licence", settings.licence),
        ("stories", _count(stories["used"], stories["left_out"])),
        ("characters", _count(statistics["characters"], dropped["characters"])),
        ("utterances", _count(statistics["utterances"], dropped["utterances"])),
        ("prompts", ", ".join(statistics["prompts"])),
        ("settings", f"{statistics['settings']}, Sentire {statistics['sentire_version']}"),
    ]
    return _table(("", ""), rows)


def _render_open(statistics: Mapping[str, Any]) -> str:
    n = statistics["still_to_be_made"]
    return f"**Not finished**: at least {n:,} calls are still to be made.\n" if n else ""


def _render_quota(quota: Mapping[str, Any]) -> str:
    if not quota["rounds"]:
        return ""
    rows = [
        (number, _list_counts(one["missing"]) or "nothing", one["calls"])
        for number, one in enumerate(quota["rounds"], start=1)
    ]
    end = _list_counts(quota["missing_in_the_end"])
    text = f"Missing in the end: {end}.\n" if end else "Every quota is met.\n"
    return "\n".join(["## Made on purpose\n", _table(("round", "missing rows", "calls"), rows), text])


def _render_labels(labels: Mapping[str, Mapping[str, int]]) -> str:
    heads = tuple(next(iter(labels.values())))
    ordered = sorted(labels.items(), key=lambda one: -one[1]["orig"])
    return _table(("label", *heads), [(label, *counts.values()) for label, counts in ordered])


def _render_measures(statistics: Mapping[str, Any]) -> str:
    rows: list[tuple[object, ...]] = []
    for name, figures in statistics["labels_a_row"].items():
        rows.append((name, "labels a row", _mean(figures), _PAPER["labels_a_row"] if name == "orig" else ""))
        rows.append(
            (name, "share with neutral", f"{statistics['share_neutral'][name]:.2f}", ".09" if name == "orig" else "")
        )
        rows += [
            (name, measure.replace("_", " "), _mean(one), "") for measure, one in statistics["measures"][name].items()
        ]
        words = statistics["words"][name]
        rows.append((name, "words a text", _mean(words["words_a_text"]), ""))
        rows.append((name, "distinct-1, distinct-2", f"{words['distinct_1']:.2f}, {words['distinct_2']:.2f}", ""))
    similarity = statistics["similarity"]
    for kind in ("neutral", "other", "all"):
        if kind in similarity:
            for where, paper in (
                ("within_a_character", "similarity_within"),
                ("across_characters", "similarity_across"),
            ):
                shown = _PAPER[paper] if kind == "neutral" else ""
                rows.append(
                    ("orig", f"cosine, {kind}, {where.replace('_', ' ')}", f"{similarity[kind][where]:.2f}", shown)
                )
    if "topic_spread" in similarity:
        rows.append(("orig", "topic spread (Vendi score)", f"{similarity['topic_spread']:.1f}", ""))
    if "clean_to_uncleaned_context" in similarity:
        rows.append(
            (
                "corig",
                "cosine, clean to uncleaned context",
                _mean(similarity["clean_to_uncleaned_context"]),
                _PAPER["clean"],
            )
        )
    rows.append(("orig", "first label is the intended one", f"{statistics['first_label_is_the_intended']:.2f}", ""))
    rows.append(("", "near-duplicates among all utterances", f"{statistics['near_duplicate_share']:.3f}", ""))
    note = (
        f"Mean ± standard deviation. Cosines are of the encoder `{similarity['encoder']}`, those of the paper of "
        "another one.\n"
    )
    return _table(("set", "measure", "here", "paper"), rows) + "\n" + note


def _mean(figures: Mapping[str, float]) -> str:
    return f"{figures['mean']:.2f} ± {figures['sd']:.2f}" if figures.get("n") else "–"


def _count(n_used: int, left_out: Mapping[str, int]) -> str:
    return f"{n_used}; left out: {_list_counts(left_out)}" if left_out else str(n_used)


def _list_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.items())


def _table(heads: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None.\n"
    lines = [_line(heads), f"|{'---|' * len(heads)}", *(_line(row) for row in rows), ""]
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    # What models wrote must not break the table, nor become markup.
    return f"| {' | '.join(_escape(str(cell)) for cell in cells)} |"


def _escape(text: str) -> str:
    for mark in ("\\", "|", "[", "]", "*", "`"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.replace("<", "&lt;").split())
