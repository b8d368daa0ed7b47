"""All data sets by name, and names with splits such as ``goemotions:test``."""

from pathlib import Path

from sentire.core.errors import UnknownNameError, UsageError, quote
from sentire.data import (
    context_contrast,
    emobank,
    emocontext,
    glasgow,
    goemotions,
    goemotions_raw,
    iemocap,
    isear,
    meld,
    narratives,
    sarcasm,
    situations,
    sst,
    vader,
)
from sentire.data.dataset import Dataset
from sentire.data.own_files import read_dataset_file

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(card=goemotions.CARD, iter_records=goemotions.iter_records),
        Dataset(card=goemotions_raw.CARD, iter_records=goemotions_raw.iter_records),
        Dataset(card=emobank.CARD, iter_records=emobank.iter_records),
        Dataset(card=isear.CARD, iter_records=isear.iter_records),
        Dataset(card=emocontext.CARD, iter_records=emocontext.iter_records),
        Dataset(card=iemocap.IEMOCAP_4_CARD, iter_records=iemocap.iter_iemocap_4_records),
        Dataset(card=iemocap.IEMOCAP_6_CARD, iter_records=iemocap.iter_iemocap_6_records),
        Dataset(card=meld.CARD, iter_records=meld.iter_records),
        Dataset(card=sst.SST_2_CARD, iter_records=sst.iter_sst_2_records),
        Dataset(card=sst.SST_5_CARD, iter_records=sst.iter_sst_5_records),
        Dataset(card=sarcasm.CARD, iter_records=sarcasm.iter_records),
        Dataset(card=vader.CARD, iter_records=vader.iter_records),
        Dataset(card=glasgow.CARD, iter_records=glasgow.iter_records),
        Dataset(card=narratives.FAIRYTALEQA_CARD, iter_records=narratives.iter_fairytaleqa_records),
        Dataset(card=narratives.CLASSIC_FICTION_CARD, iter_records=narratives.iter_classic_fiction_records),
        Dataset(card=situations.SITUATIONS_CARD, iter_records=situations.iter_situations_records),
        Dataset(card=situations.RARE_LABELS_CARD, iter_records=situations.iter_rare_labels_records),
        Dataset(card=context_contrast.CARD, iter_records=context_contrast.iter_records),
    )
}


def load_dataset(name: str) -> Dataset:
    """Return a registered data set, or the one that a TOML file describes (a name that ends in ``.toml``).

    Raises:
        UnknownNameError: No such name; the message holds near matches.
        ConfigError: The TOML file cannot be read or is wrong.
    """
    if isinstance(name, str) and name.endswith(".toml"):
        return read_dataset_file(Path(name))
    found = DATASETS.get(name) if isinstance(name, str) else None
    if found is None:
        raise UnknownNameError.among("data set", name, DATASETS)
    return found


def parse_split_name(name: str) -> tuple[Dataset, str]:
    """Read a data set and one of its splits from ``goemotions:test`` or ``my-data.toml:test``.

    Raises:
        UsageError: No split is named; the message names those there are.
        UnknownNameError: No such data set, or it has no such split.
        ConfigError: A TOML file cannot be read or is wrong.
    """
    source, separator, split = name.rpartition(":")
    if not separator or name.endswith(".toml"):
        dataset = load_dataset(name)
        choices = ", ".join(f"{name}:{known}" for known in dataset.card.splits)
        raise UsageError(
            expected=f"a data set with a split ({choices})", got=quote(name), hint="add a colon and the split"
        )
    dataset = load_dataset(source)
    dataset.check_split(split)
    return dataset, split
