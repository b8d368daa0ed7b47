"""Which answers changed from one model to another, and whether for the better."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class ChangedAnswer:
    """One example that the two models labelled differently.

    Attributes:
        id: Of the example.
        gained: Labels that B decided and A did not.
        lost: Labels that A decided and B did not.
        is_right_in_a: All of A's labels were right.
        is_right_in_b: All of B's labels were right.
    """

    id: str
    gained: tuple[str, ...]
    lost: tuple[str, ...]
    is_right_in_a: bool
    is_right_in_b: bool


@dataclass(frozen=True, kw_only=True)
class LabelChanges:
    """How often the decision on one label changed.

    Attributes:
        n_gained: B decided the label where A did not.
        n_lost: A decided the label where B did not.
        n_mended: The decision was wrong in A and is right in B.
        n_broken: The decision was right in A and is wrong in B.
    """

    n_gained: int
    n_lost: int
    n_mended: int
    n_broken: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """All answers that changed from A to B.

    Attributes:
        n: Examples that both answered.
        n_changed: Examples with another set of labels.
        n_mended: Wrong in A, all right in B.
        n_broken: All right in A, wrong in B.
        n_still_wrong: Changed, and wrong in both.
        answers: The changed examples, in the order of their ids.
        by_label: Changed decisions for each label.
    """

    n: int
    n_changed: int
    n_mended: int
    n_broken: int
    n_still_wrong: int
    answers: tuple[ChangedAnswer, ...]
    by_label: dict[str, LabelChanges]


def find_changes(
    ids: Sequence[str],
    labels: Sequence[str],
    targets: NDArray[np.bool_],
    decisions_a: NDArray[np.bool_],
    decisions_b: NDArray[np.bool_],
) -> Changes:
    """List the examples whose labels differ between A and B.

    Args:
        ids: Of the N examples.
        labels: Of the C columns.
        targets: Truths, shape (N, C).
        decisions_a: Answers of A, shape (N, C).
        decisions_b: Answers of B, shape (N, C).
    """
    gained, lost = decisions_b & ~decisions_a, decisions_a & ~decisions_b
    is_changed = gained | lost
    is_mended = is_changed & (decisions_b == targets)
    is_right_a, is_right_b = (decisions_a == targets).all(axis=1), (decisions_b == targets).all(axis=1)
    changed = np.flatnonzero(is_changed.any(axis=1))

    def name(row: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(labels[column] for column in np.flatnonzero(row).tolist())

    answers = tuple(
        ChangedAnswer(
            id=ids[row],
            gained=name(gained[row]),
            lost=name(lost[row]),
            is_right_in_a=bool(is_right_a[row]),
            is_right_in_b=bool(is_right_b[row]),
        )
        for row in changed.tolist()
    )
    return Changes(
        n=len(ids),
        n_changed=len(answers),
        n_mended=int((~is_right_a & is_right_b).sum()),
        n_broken=int((is_right_a & ~is_right_b).sum()),
        n_still_wrong=sum(not answer.is_right_in_a and not answer.is_right_in_b for answer in answers),
        answers=answers,
        by_label={
            label: LabelChanges(
                n_gained=int(gained[:, column].sum()),
                n_lost=int(lost[:, column].sum()),
                n_mended=int(is_mended[:, column].sum()),
                n_broken=int((is_changed & ~is_mended)[:, column].sum()),
            )
            for column, label in enumerate(labels)
        },
    )
