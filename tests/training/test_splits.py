"""No split lets a row's neighbours or its future into training."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.training.advisor.splits import group_folds, time_split

GROUPS = [f"g{i % 7}" for i in range(100)] + ["big"] * 60


def test_no_group_is_on_both_sides_and_every_row_is_tested_once() -> None:
    tested = []
    for train, test in group_folds(GROUPS, 5):
        assert not {GROUPS[i] for i in train} & {GROUPS[i] for i in test}
        assert len(train) + len(test) == len(GROUPS)
        tested += test.tolist()

    assert sorted(tested) == list(range(len(GROUPS)))


def test_folds_are_about_equally_large() -> None:
    groups = [f"g{i}" for i in range(50) for _ in range(i % 5 + 1)]
    sizes = [len(test) for _, test in group_folds(groups, 5)]

    assert max(sizes) - min(sizes) <= 5


def test_more_folds_than_groups_are_refused() -> None:
    with pytest.raises(InvalidInput, match="5 folds of 2 groups"):
        list(group_folds(["a", "b"], 5))


def test_a_time_split_purges_the_rows_whose_label_crosses_the_border() -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    times = [start + timedelta(hours=hour) for hour in range(10)]

    train, test = time_split(times, times[6], timedelta(hours=2))

    assert np.array_equal(train, [0, 1, 2, 3, 4])
    assert np.array_equal(test, [6, 7, 8, 9])
