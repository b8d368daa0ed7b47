"""The page of the CARL suite: its tables, and what of the paper's claims held."""

from collections.abc import Mapping

from sentire.reproduce.carl import FINE_TUNED, PLANES, TASKS, TITLES, CarlSettings
from sentire.reproduce.claims import Claim, render_claims
from sentire.reproduce.part import Figures
from sentire.reproduce.pictures import draw_planes
from sentire.reproduce.rows import Cell, find_cell, render_table
from sentire.reproduce.shelf import PRETRAINED
from sentire.reproduce.suite_settings import describe_size

MAIN = "carl"

_ABOUT_AFFECT = (
    "On the scale from -1 to 1; an RMSE on EmoBank's own scale, from 1 to 5, is twice as large. Trained on what "
    "EmoBank's annotators said of its texts, unless a row names another source.\n"
)


def render_carl_page(settings: CarlSettings, found: Mapping[str, Figures]) -> str:
    """Render the page in Markdown from what the parts found; parts that are missing leave gaps."""
    seeds = settings.seeds

    def column(kind: str, *path: str, by_seed: bool = False) -> dict[str, Cell | None]:
        return {row: find_cell(found, kind, row, seeds, path, by_seed=by_seed) for row in TITLES}

    affect = {
        f"{dimension[0].upper()} {title}": column("affect", "probe", dimension, measure)
        for dimension in ("valence", "arousal")
        for title, measure in (("r", "pearson"), ("ρ", "spearman"), ("CCC", "concordance"), ("RMSE", "rmse"))
    }
    shape = {
        "alignment": column("affect", "alignment", "alignment"),
        "uniformity": column("affect", "uniformity", "uniformity"),
        "Δemb": column("affect", "shift"),
    }
    probes = {f"{task.name}, probe": column(f"probe.{task.name}", "macro_f1") for task in TASKS}
    whole = {
        f"{task.name}, fine-tuned": column(f"fine-tuned.{task.name}", "macro_f1", by_seed=True)
        for task in TASKS
        if task.name in settings.fine_tuned
    }
    emotion = probes["emotion, probe"]
    claims = [
        Claim.of_ratio(
            "emotions by a linear probe: at least a tenth above the pre-trained encoder's",
            emotion[MAIN],
            emotion[PRETRAINED],
            1.1,
            paper="up to 15.5 % above its baselines, which are others",
        ),
        *(
            Claim.of_interval(
                f"{dimension} by a probe: above the pre-trained encoder's",
                affect[f"{dimension[0].upper()} r"][MAIN],
                affect[f"{dimension[0].upper()} r"][PRETRAINED],
                paper="yes",
            )
            for dimension in ("valence", "arousal")
        ),
        *(
            Claim.of_interval(
                f"{title}: above the pre-trained encoder's", column[MAIN], column[PRETRAINED], paper="yes, each task"
            )
            for title, column in {**probes, **whole}.items()
            if column is not emotion
        ),
        Claim.of_order(
            "texts close in affect lie closer (alignment)",
            shape["alignment"][MAIN],
            shape["alignment"][PRETRAINED],
            paper="well aligned",
        ),
        Claim.of_order(
            "vectors are spread more evenly (uniformity)",
            shape["uniformity"][MAIN],
            shape["uniformity"][PRETRAINED],
            paper="uniformly distributed",
        ),
        *(
            Claim.of_interval(f"emotions by a probe: both tasks are better than {title}", emotion[MAIN], emotion[row])
            for row, title in (("mccl", "MCCL alone"), ("ptd", "PTD alone"))
        ),
        *(
            Claim.of_interval(f"emotions by a probe: {text}", emotion[MAIN], emotion[row])
            for row, text in (
                ("discrete", "continuous labels are better than discrete ones"),
                ("no-momentum", "momentum helps"),
                ("no-queue", "the queue helps"),
            )
        ),
    ]
    parts = [
        "## Valence and arousal by a ridge probe, EmoBank test\n",
        _ABOUT_AFFECT,
        _say_baseline(found),
        render_table("frozen", TITLES, affect),
        "\n## Polarity, sentiment and emotions by a linear probe\n",
        "Macro-F1: SST-2, SST-5, and GoEmotions' texts with one label.\n",
        render_table("frozen", TITLES, probes),
        "\n## Fine-tuned\n",
        f"Macro-F1 after fine-tuning on {describe_size(settings.n_tuning_train)} of each train split.\n",
        render_table("fine-tuned", {row: TITLES[row] for row in FINE_TUNED}, whole),
        "\n## Alignment and uniformity\n",
        "Alignment: mean squared distance of texts close in valence and arousal. Both: lower is better.\n",
        render_table("EmoBank test", TITLES, shape, digits=4),
        "\n## What of the claims held\n",
        render_claims(claims),
    ]
    return "\n".join(parts) + "\n"


def _say_baseline(found: Mapping[str, Figures]) -> str:
    """Say which error the answer has that knows nothing; it is the same for every encoder."""
    cells = {
        name: find_cell(found, "affect", PRETRAINED, (), ("probe", dimension, "rmse_mean_baseline"))
        for name, dimension in (("V", "valence"), ("A", "arousal"))
    }
    errors = ", ".join(f"{name} {'–' if cell is None else cell.render()}" for name, cell in cells.items())
    return f"RMSE of always answering the mean of train: {errors}.\n"


def draw_carl(settings: CarlSettings, found: Mapping[str, Figures]) -> dict[str, bytes]:
    """Draw the planes that were measured, coloured by valence."""
    seed = settings.seeds[0]
    names = {row: f"plane.{row}" if row == PRETRAINED else f"plane.{row}-{seed}" for row in PLANES}
    planes = {TITLES[row]: found[name] for row, name in names.items() if name in found}
    return {"plane.svg": draw_planes(planes)} if planes else {}
