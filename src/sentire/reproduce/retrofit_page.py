"""The page of the retrofitting suite: its tables, and what of the paper's claims held."""

from collections.abc import Mapping
from statistics import fmean

from sentire.reproduce.claims import Claim, render_claims
from sentire.reproduce.data_bias import LEVEL, N_ENOUGH
from sentire.reproduce.part import Figures
from sentire.reproduce.pictures import draw_curves
from sentire.reproduce.retrofit import COMPARED, DOMAINS, TASKS, TITLES, RetrofitSettings, name_map_point
from sentire.reproduce.rows import Cell, find_cell, render_table, scale, subtract
from sentire.reproduce.shelf import PRETRAINED
from sentire.reproduce.suite_settings import describe_size

MAIN = "retrofit"

_ABOUT_BIAS = (
    "How far a word for what somebody is moves the probabilities of a linear classifier on the frozen vectors, and in "
    "which share of the sentences it changes the answer. A classifier that is less sure of everything moves less, too: "
    "where the shift falls and the share does not, nothing was won. Intervals are over seeds alone.\n"
)

_EMOTION_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "AMI": ("ami",),
    "ARI": ("ari",),
    "FMS": ("fms",),
    "MRR": ("mrr",),
    "P@1": ("precision_at_1",),
    "P@10": ("precision_at_k",),
    "MAP@R": ("map_at_r",),
}


def render_retrofit_page(settings: RetrofitSettings, found: Mapping[str, Figures]) -> str:
    """Render the page in Markdown from what the parts found; parts that are missing leave gaps."""
    seeds = settings.seeds

    def column(kind: str, *path: str, by_seed: bool = False) -> dict[str, Cell | None]:
        return {row: find_cell(found, kind, row, seeds, path, by_seed=by_seed) for row in TITLES}

    emotions = {title: column("emotions", *path) for title, path in _EMOTION_COLUMNS.items()}
    shifts = {"Δemb × 1000": {row: cell and scale(cell, 1000) for row, cell in column("emotions", "shift").items()}}
    neighbours = {task.name: column(f"neighbours.{task.name}", "macro_f1") for task in (*TASKS, *DOMAINS)}
    few = {
        f"{task.name}, {n}": column(f"few-shot.{task.name}.{n}", "macro_f1", by_seed=True)
        for task in TASKS
        for n in settings.shots
    }
    whole = {
        task.name: column(f"fine-tuned.{task.name}", "macro_f1", by_seed=True)
        for task in TASKS
        if task.name in settings.fine_tuned
    }
    bias = {
        "mean shift × 1000": {
            row: cell and scale(cell, 1000) for row, cell in column("bias", "mean_absolute_shift").items()
        },
        "changed answers": {
            row: find_cell(_average_flips(found), "bias", row, seeds, ("share_flipped",)) for row in TITLES
        },
    }
    compared = {row: TITLES[row] for row in COMPARED}
    parts = [
        "## Emotions held out: clusters, retrieval, shift\n",
        "AMI, ARI and FMS: intervals over ten starts of k-means and over seeds; the texts are not in them.\n",
        render_table("GoEmotions test", TITLES, {**emotions, **shifts}),
        "\n## Other tasks and domains, by nearest neighbours\n",
        "Macro-F1 of a vote of the nearest training texts. MTL has learned SST-2, whose sentences SST-5 shares.\n",
        render_table("frozen", TITLES, neighbours),
        "\n## From few examples\n",
        "Macro-F1 after fine-tuning on so many texts of each class; each seed draws others.\n",
        render_table("few-shot", compared, few),
        "\n## Fine-tuned\n",
        f"Macro-F1 after fine-tuning on {describe_size(settings.n_tuning_train)} of each train split.\n",
        render_table("fine-tuned", compared, whole),
        "\n## Over λ and τ\n",
        f"On dev, of one seed alone: P@1 / MAP@R / Δemb × 1000, trained on {describe_size(settings.n_map_train)}.\n",
        _render_map(settings, found),
        "\n## Bias of the encoders\n",
        _ABOUT_BIAS,
        render_table("identity terms", TITLES, bias),
        "\n## Bias of the data\n",
        _render_data_audit(found.get("bias.data")),
        "\n## What of the claims held\n",
        render_claims(_make_claims(settings, emotions, shifts, few, whole)),
    ]
    return "\n".join(parts) + "\n"


def draw_retrofit(settings: RetrofitSettings, found: Mapping[str, Figures]) -> dict[str, bytes]:
    """Draw what is learned from few examples, where any of it was measured."""
    panels = {
        task.name: {
            TITLES[row]: {
                n: find_cell(found, f"few-shot.{task.name}.{n}", row, settings.seeds, ("macro_f1",), by_seed=True)
                for n in settings.shots
            }
            for row in COMPARED
        }
        for task in TASKS
    }
    is_measured = any(cell for rows in panels.values() for cells in rows.values() for cell in cells.values())
    if not is_measured:
        return {}
    return {"few-shot.svg": draw_curves(panels, x_title="texts of each class", y_title="macro-F1")}


def _make_claims(
    settings: RetrofitSettings,
    emotions: Mapping[str, Mapping[str, Cell | None]],
    shifts: Mapping[str, Mapping[str, Cell | None]],
    few: Mapping[str, Mapping[str, Cell | None]],
    whole: Mapping[str, Mapping[str, Cell | None]],
) -> list[Claim]:
    claims = [
        Claim.of_interval("AMI: texts of one emotion form clusters", emotions["AMI"][MAIN], emotions["AMI"][PRETRAINED])
    ]
    claims += [
        Claim.of_ratio(
            f"{name}: retrofitted at least 1.3 times the pre-trained encoder's",
            emotions[name][MAIN],
            emotions[name][PRETRAINED],
            1.3,
        )
        for name in ("P@1", "MAP@R")
    ]
    shift = shifts["Δemb × 1000"]
    claims.append(Claim.of_order("the vectors move less than by transfer learning", shift[MAIN], shift["tlearn"]))
    claims.append(Claim.of_order("preservation makes them move less", shift[MAIN], shift["contrast"]))
    fewest, most = min(settings.shots), describe_size(settings.n_tuning_train)
    for task in TASKS:
        cells = few[f"{task.name}, {fewest}"]
        text = f"{task.name}: better than the pre-trained encoder from {fewest} examples of each class"
        claims.append(Claim.of_interval(text, cells[MAIN], cells[PRETRAINED], paper="yes"))
    for name, cells in whole.items():
        text = f"{name}: better when fine-tuned on {most}"
        claims.append(Claim.of_interval(text, cells[MAIN], cells[PRETRAINED], paper="about one point of F1, on all"))
    for name, cells in whole.items():
        text = f"{name}: gains more from {fewest} examples of each class than from {most}"
        gains = [_find_gain(one) for one in (few[f"{name}, {fewest}"], cells)]
        claims.append(Claim.of_interval(text, *gains, paper="yes"))
    return claims


def _find_gain(cells: Mapping[str, Cell | None]) -> Cell | None:
    """Return how far retrofitted is above pre-trained."""
    after, before = cells[MAIN], cells[PRETRAINED]
    return None if after is None or before is None else subtract(after, before)


def _average_flips(found: Mapping[str, Figures]) -> dict[str, Figures]:
    """Return of each audited encoder the share of sentences whose answer a word changes, over the groups of words."""
    groups = {name: figures["groups"].values() for name, figures in found.items() if "groups" in figures}
    return {name: {"share_flipped": fmean(one["share_flipped"] for one in all_)} for name, all_ in groups.items()}


def _render_data_audit(audit: Figures | None) -> str:
    """Render beside which words for what somebody is a label stands more or less often than by chance."""
    if audit is None:
        return "–"
    compared = {word: entry for word, entry in audit["terms"].items() if entry["differences"] is not None}
    telling = {word: entry for word, entry in compared.items() if entry["differences"]}
    n_rare = len(audit["terms"]) - len(compared)
    masks = ", ".join(f"`{mask}` in {n:,}" for mask, n in audit["n_masked"].items())
    intro = (
        f"Labels beside words for what somebody is, against those of all {audit['n_texts']:,} texts: "
        f"{audit['n_compared']:,} comparisons of {len(compared)} words by Fisher's exact test, adjusted together "
        f"(Holm), of which {sum(len(entry['differences']) for entry in telling.values())} differ by more than chance "
        f"(p < {LEVEL:g}). {n_rare} more words stand in fewer than {N_ENOUGH} texts and are not compared."
    )
    if masks:
        intro += f" The data has masks for some words, so that it cannot be asked about them: {masks} texts."
    if not telling:
        return intro
    lines = ["", "", "| word | texts | label | beside the word | in all | adjusted p |", "|---|---|---|---|---|---|"]
    for word, entry in telling.items():
        for label, share, in_all, p_value in entry["differences"]:
            shown = "< .001" if p_value < 0.001 else f"{p_value:.3f}".removeprefix("0")
            lines.append(f"| {word} | {entry['n']:,} | {label} | {share:.1%} | {in_all:.1%} | {shown} |")
    return intro + "\n".join(lines)


def _render_map(settings: RetrofitSettings, found: Mapping[str, Figures]) -> str:
    lines = [
        f"| λ \\ τ | {' | '.join(f'{one:g}' for one in settings.map_temperatures)} |",
        f"|---|{'---|' * len(settings.map_temperatures)}",
    ]
    for weight in settings.map_weights:
        cells = []
        for temperature in settings.map_temperatures:
            figures = found.get(name_map_point(weight, temperature))
            if figures is None:
                cells.append("–")
                continue
            best = next(row for row in figures["evaluations"] if row["step"] == figures["best_step"])
            cells.append(f"{best['p_at_1']:.3f} / {best['map_at_r']:.3f} / {1000 * figures['shift_on_dev']:.2f}")
        lines.append(f"| {weight:g} | {' | '.join(cells)} |")
    return "\n".join(lines)
