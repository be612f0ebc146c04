"""Which ticks are rows, what their label is, and that no split shares a label across its border."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.availability_traces import TracePanel, align
from spotlab.errors import InvalidInput
from spotlab.recorded.traces import read_panel as read_panel
from spotlab.training.capacity.rows import capacity_rows, probed_rows, sample_every, time_split
from tests.support import trace_files as toys

NAN = float("nan")


def hourly(*pools: list[float]) -> TracePanel:
    """Pools probed every 30 minutes."""
    return align([toys.trace(f"z{i}", np.array(v), 1800.0) for i, v in enumerate(pools)])


@pytest.mark.parametrize(
    ("gap_s", "horizon_h", "every"),
    [(195, 1, 3), (600, 1, 1), (300, 3, 2), (60, 1, 10), (3600, 3, 1), (60, 0.05, 3)],
)
def test_ticks_are_sampled_at_most_ten_minutes_apart(
    gap_s: float, horizon_h: float, every: int
) -> None:
    assert sample_every(gap_s, horizon_h) == every


def test_a_row_is_an_available_tick_and_its_label_a_later_loss() -> None:
    panel = hourly([1, 1, 1, 0, 1, 1, 1, 1])

    rows = capacity_rows(panel, 1.0, warm_up_h=0.0)

    assert rows.tick.tolist() == [0, 1, 2, 4, 5]
    assert rows.label.tolist() == [0, 1, 1, 0, 0]


def test_the_first_day_and_the_last_horizon_are_dropped_of_each_pool() -> None:
    late = [NAN] * 10 + [1.0] * 60
    early = [1.0] * 60 + [NAN] * 10
    rows = capacity_rows(hourly(late, early), 2.0)

    assert rows.tick[rows.pool == 0].tolist() == list(range(58, 66))
    assert rows.tick[rows.pool == 1].tolist() == list(range(48, 56))


def test_an_unknown_future_is_no_row_unless_a_loss_is_known() -> None:
    rows = capacity_rows(hourly([1, NAN, 1, 1, NAN, 0, 1, 1, 1]), 1.0, warm_up_h=0.0)

    assert rows.tick.tolist() == [3, 6]
    assert rows.label.tolist() == [1.0, 0.0]


def test_probes_far_apart_give_labels_to_losses_and_survivals_on_the_same_terms() -> None:
    """A probe every two hours, refused every fifth time: shares hold, however long the horizon."""
    values = np.full((24 * 2 * 40, 1), NAN)
    values[::4, 0] = np.resize([1.0, 1.0, 1.0, 1.0, 0.0], len(values[::4]))
    panel = hourly(values[:, 0].tolist())

    assert len(probed_rows(panel, 4.0)) == 0, "probes 2 h apart say too little about 4 h"
    assert probed_rows(panel, 8.0).label.mean() == pytest.approx(1.0)
    one_lost = capacity_rows(panel, 2.0)
    assert one_lost.label.mean() == 1.0, "of these, only losses would be known"
    values[::4, 0] = np.resize([1.0] * 9 + [0.0], len(values[::4]))
    rows = probed_rows(hourly(values[:, 0].tolist()), 8.0)
    assert rows.label.mean() == pytest.approx(4 / 9, abs=0.02)


def test_probes_at_every_tick_give_the_rows_of_a_complete_trace() -> None:
    panel = toys.panel()
    for horizon_h in (1.0, 3.0):
        probed, complete = probed_rows(panel, horizon_h), capacity_rows(panel, horizon_h)
        np.testing.assert_array_equal(probed.tick, complete.tick)
        np.testing.assert_array_equal(probed.label, complete.label)


def test_no_label_before_the_border_reaches_past_it() -> None:
    panel = toys.panel()
    rows = capacity_rows(panel, 3.0)

    before, after = time_split(rows, 0.6, panel)

    border_h = 0.6 * panel.elapsed_h[-1]
    assert rows.elapsed_h[before].max() + 3.0 <= border_h + 1e-6
    assert rows.elapsed_h[after].min() >= border_h
    assert not set(before) & set(after)


@pytest.mark.parametrize(
    ("pool", "horizon_h", "wrong"),
    [
        ([1.0] * 20, 1.0, "too short"),
        ([0.0] * 200, 1.0, "check its polarity"),
        ([1.0] * 200, 0.1, "shorter than the 1800 s"),
        ([1.0] * 200, 0.0, "not valid"),
        ([1.0] * 200, NAN, "not valid"),
    ],
    ids=["short", "never available", "under a gap", "zero", "nan"],
)
def test_what_leaves_no_row_says_why(pool: list[float], horizon_h: float, wrong: str) -> None:
    with pytest.raises(InvalidInput, match=wrong):
        capacity_rows(hourly(pool), horizon_h)


def test_the_shortest_horizon_that_is_named_can_be_asked_for() -> None:
    panel = toys.panel(days=3.0, gap_s=300.0)
    with pytest.raises(InvalidInput, match=r"Use 0\.0834 h or more") as refused:
        capacity_rows(panel, 0.05)

    assert len(capacity_rows(panel, float(str(refused.value).split("Use ")[1].split()[0])))


def test_a_split_without_rows_on_a_side_is_refused() -> None:
    panel = toys.panel(days=3.0)
    with pytest.raises(InvalidInput, match="no row"):
        time_split(capacity_rows(panel, 1.0), 0.1, panel)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("horizon_h", "train", "test", "base"), [(1, 21_545, 16_899, 0.173), (3, 21_439, 16_803, 0.327)]
)
def test_the_recorded_campaign_has_the_rows_that_its_notes_say(
    shared_data: Path, horizon_h: float, train: int, test: int, base: float
) -> None:
    panel = read_panel(
        shared_data / "evaluation-only/traces/spot-traces-availability/1-node/aws-02-15-2023"
    )
    rows = capacity_rows(panel, horizon_h)
    before, after = time_split(rows, 0.6, panel)

    assert (len(before), len(after)) == (train, test)
    assert rows.label[after].mean() == pytest.approx(base, abs=0.0005)
