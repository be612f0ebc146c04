"""Splits by group.

Rows of one family in one market have nearly the same label, so a random split would leak labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput

Rows = NDArray[np.intp]

GROUPS: Final = ("family", "region")
MIN_FOLDS: Final = 2


@dataclass(frozen=True, slots=True)
class GroupSplit:
    """Folds by a property of the rows.

    Args:
        by: "family" or "region".
        folds: at least 2.
    """

    by: str = "family"
    folds: int = 5

    @classmethod
    def parse(cls, text: str) -> GroupSplit:
        """Read "family", "region" or "family:4".

        Raises:
            InvalidInput: the text is something else.

        >>> GroupSplit.parse("region:4")
        GroupSplit(by='region', folds=4)
        """
        by, colon, folds = text.partition(":")
        known = by in GROUPS and (folds.isdigit() if colon else True)
        split = cls(by, int(folds)) if known and colon else cls(by)
        if not known or split.folds < MIN_FOLDS:
            raise InvalidInput(
                f"The split {text!r} is not valid for an advisor model.",
                remedy=f"Use {' or '.join(GROUPS)}, optionally with a number of folds: family:5.",
            )
        return split

    def __str__(self) -> str:
        return f"{self.by}:{self.folds}"


def group_folds(groups: Sequence[str], folds: int) -> Iterator[tuple[Rows, Rows]]:
    """Folds of about equal size that do not divide groups.

    Groups are assigned in order of falling size, each to the fold with the fewest rows, so the
    result is deterministic.

    Args:
        groups: (n,) group of each row.
        folds: at least 2.
    Yields:
        Row indices to train on and to test on; every row is tested once.
    Raises:
        InvalidInput: fewer groups than folds.

    >>> [test.tolist() for _, test in group_folds(["a", "b", "a"], 2)]
    [[0, 2], [1]]
    """
    names, group_index, counts = np.unique(
        np.asarray(groups), return_inverse=True, return_counts=True
    )
    if not 2 <= folds <= len(names):
        raise InvalidInput(
            f"{len(names)} groups cannot be split into {folds} folds.",
            remedy="Use at least 2 folds and at most as many as there are groups.",
        )
    fold_of_group = np.zeros(len(names), dtype=np.intp)
    load = np.zeros(folds, dtype=np.intp)
    for group in np.argsort(-counts, kind="stable"):
        fold_of_group[group] = np.argmin(load)
        load[fold_of_group[group]] += counts[group]
    fold = fold_of_group[group_index]
    for number in range(folds):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
