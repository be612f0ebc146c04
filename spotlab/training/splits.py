"""Splits that do not leak: by group, or by time with a purge. Training floor: pure.

Rows of one family in one market share most of their label, so a random split measures memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from spotlab.errors import InvalidInput

Rows = NDArray[np.intp]


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
    names, member, counts = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
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
    fold = fold_of_group[member]
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
