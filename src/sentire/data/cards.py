"""What is known of a corpus before it is read: where it comes from, what it holds, what may be done with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sentire.core.affect import AffectScale
from sentire.core.labels import LabelSpace

WeightsMayShip = Literal["yes", "with attribution", "with attribution, same licence", "no"]

DatasetKind = Literal["examples", "lexicon", "narratives"]


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """One file of a corpus.

    Attributes:
        path: Where it stands, relative to the data root.
        sha256: Of the public release; empty where the corpus is not public and no hash is known.
        url: Where to fetch it; empty where it has to be asked for.
        member: The file's path inside the archive at ``url``; empty where ``url`` is the file itself.
    """

    path: str
    sha256: str = ""
    url: str = ""
    member: str = ""


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """A corpus, described.

    Attributes:
        name: Registered name.
        title: What people call it.
        kind: ``examples`` (texts with labels), ``lexicon`` (words with ratings) or ``narratives`` (stories).
        revision: Of the release and of our reading of it; changes when either does.
        citation: Authors, year, title, venue.
        homepage: Where the corpus is described.
        licence: As its makers state it.
        weights_may_ship: Whether a model trained on it may be given away.
        label_space: Of the labels; None where the corpus has none.
        affect_scale: Of continuous scores; None where the corpus has none.
        split_counts: Usable examples by split; 0 where that is not known before reading.
        files: Every file that the loader reads, apart from ``optional_files``.
        optional_files: Read where they are there.
        grouped_by: What ``Example.group`` holds, such as ``respondent``; empty where there are no groups.
        has_context: Whether examples carry the turns before them.
        defects: What is wrong with the release, measured.
        changes: What the loader changes of what it reads.
        access: How to get the corpus where it cannot be fetched; empty where it can.
        is_ours: Made by the project itself, or by a model for whoever uses it: its rows are marked as synthetic, and
            figures on it say so.
        is_contrast_set: Rows of one group have one text, and their labels have nothing in common: only their contexts
            tell them apart.
    """

    name: str
    title: str
    kind: DatasetKind = "examples"
    revision: str
    citation: str
    homepage: str
    licence: str
    weights_may_ship: WeightsMayShip
    label_space: LabelSpace | None = None
    affect_scale: AffectScale | None = None
    split_counts: Mapping[str, int] = field(default_factory=dict)
    files: tuple[RemoteFile, ...] = ()
    optional_files: tuple[RemoteFile, ...] = ()
    grouped_by: str = ""
    has_context: bool = False
    defects: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    access: str = ""
    is_ours: bool = False
    is_contrast_set: bool = False

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the splits, in the order of the card."""
        return tuple(self.split_counts)
