"""Splits that do not leak: by group, or by time with a purge.

Rows of one family in one market share most of their label, so a random split measures memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput

Rows = NDArray[np.intp]

GROUPS: Final = ("family", "region")
MIN_FOLDS: Final = 2


@dataclass(frozen=True, slots=True)
class GroupSplit:
    """Folds by what rows have in common.

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
            InvalidInput: anything else.

        >>> GroupSplit.parse("region:4")
        GroupSplit(by='region', folds=4)
        """
        by, colon, folds = text.partition(":")
        known = by in GROUPS and (folds.isdigit() if colon else True)
        split = cls(by, int(folds)) if known and colon else cls(by)
        if not known or split.folds < MIN_FOLDS:
            raise InvalidInput(
                f"The split {text!r} is none of an advisor model's.",
                remedy=f"Say {' or '.join(GROUPS)}, with a number of folds if you like: family:5.",
            )
        return split

    def __str__(self) -> str:
        return f"{self.by}:{self.folds}"


def group_folds(groups: Sequence[str], folds: int) -> Iterator[tuple[Rows, Rows]]:
    """Split so that no group is on both sides; folds have about equally many rows.

    The largest group goes to the fold that has the fewest rows, and so on: the same answer for
    the same groups, without a seed.

    Args:
        groups: (n,) group of each row.
        folds: at least 2.
    Yields:
        Row numbers to train on and to test on; every row is tested once.
    Raises:
        InvalidInput: fewer groups than folds.

    >>> [test.tolist() for _, test in group_folds(["a", "b", "a"], 2)]
    [[0, 2], [1]]
    """
    names, group_index, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if not 2 <= folds <= len(names):
        raise InvalidInput(
            f"{folds} folds of {len(names)} groups.",
            remedy="Ask for at least 2 folds and at most as many as there are groups.",
        )
    fold_of_group = np.zeros(len(names), dtype=np.intp)
    load = np.zeros(folds, dtype=np.intp)
    for group in np.argsort(-counts, kind="stable"):
        fold_of_group[group] = np.argmin(load)
        load[fold_of_group[group]] += counts[group]
    fold = fold_of_group[group_index]
    for number in range(folds):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)


def time_split(
    times: Sequence[datetime], border: datetime, horizon: timedelta
) -> tuple[Rows, Rows]:
    """Split at a moment; rows whose label reaches past it are in neither part.

    Args:
        times: (n,) when each row's features were known, aware UTC.
        border: tests start here.
        horizon: how far ahead a label looks.
    Returns:
        Row numbers with time + horizon <= border, and those with time >= border.
    """
    known = np.array([time.timestamp() for time in times])
    purged = known + horizon.total_seconds() <= border.timestamp()
    return np.flatnonzero(purged), np.flatnonzero(known >= border.timestamp())
