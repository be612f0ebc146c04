"""Group folds never put rows of one group into both training and test."""

from __future__ import annotations

import pytest

from spotlab.errors import InvalidInput
from spotlab.training.advisor.splits import group_folds

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
    with pytest.raises(InvalidInput, match="2 groups cannot be split into 5 folds"):
        list(group_folds(["a", "b"], 5))
