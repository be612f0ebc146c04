"""Losses that come together, on traces whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.availability_traces import align
from spotlab.settings import Settings
from spotlab.sweeps.results import capacity, champions, joint_losses
from spotlab.sweeps.results.joint_losses import between_pools, joint_loss, within_pools
from tests.support import trace_files as toys

TICKS = 12 * 144


def always(_name: str, _other: str) -> bool:
    return True


def test_pools_that_fall_together_are_lost_together() -> None:
    values = toys.ups_and_downs(TICKS, 3)
    panel = align([toys.trace(name, values) for name in ("a", "b")])
    loss = joint_loss(between_pools(panel, always, 30.0))
    assert loss.given_loss == 1.0
    assert loss.excess == 1.0
    falls = int(((values[:-4] == 1) & (values[1:-3] == 0)).sum())
    assert loss.events == 2 * falls, "each pool's losses, seen from the other"


def test_pools_that_have_nothing_to_do_with_each_other_have_no_excess() -> None:
    loss = joint_loss(between_pools(toys.panel(pools=6, days=60.0), always, 30.0))
    assert loss.given_loss > 0.05, "losses coincide by chance"
    assert loss.low < 0.0 < loss.high
    assert abs(loss.excess) < 0.03


def test_a_later_loss_counts_within_the_window_only() -> None:
    first = np.ones(TICKS)
    second = np.ones(TICKS)
    for start in range(50, TICKS - 50, 50):
        first[start : start + 5] = 0
        second[start + 3 : start + 8] = 0
    panel = align([toys.trace("a", first), toys.trace("b", second)])

    def b_after_a(name: str, _other: str) -> bool:
        return name == "a"

    assert joint_loss(between_pools(panel, b_after_a, 30.0)).given_loss == 1.0
    assert joint_loss(between_pools(panel, b_after_a, 20.0)).given_loss == 0.0


def test_of_a_pool_the_share_of_the_other_nodes_is_counted() -> None:
    nodes = np.full(TICKS, 16.0)
    nodes[100::100] = 8.0  # one tick: 8 nodes are lost, each together with 7 of 15
    loss = joint_loss(within_pools([nodes], 600.0, 30.0))
    assert loss.given_loss == pytest.approx(7 / 15)
    assert loss.events == len(range(100, TICKS - 4, 100))
    nodes[101::100] = 0.0
    assert joint_loss(within_pools([nodes], 600.0, 30.0)).given_loss == 1.0


def test_without_a_loss_nothing_is_known() -> None:
    loss = joint_loss(within_pools([np.full(TICKS, 16.0)], 600.0, 30.0))
    assert np.isnan(loss.given_loss)
    assert np.isnan(loss.low)
    assert loss.events == 0


def test_the_section_says_what_is_missing_or_measures_every_window(tmp_path: Path) -> None:
    assert joint_losses.joint_losses_section(tmp_path, print).skipped
    for number, path in enumerate(
        (capacity.CAMPAIGN_2023, capacity.CAMPAIGN_2022, champions.CAMPAIGN_16)
    ):
        for seed, name in enumerate(
            ("us-west-2a_v100_1", "us-west-2b_v100_1", "us-east-1a_v100_1")
        ):
            nodes = 16 if path == champions.CAMPAIGN_16 else 1
            data = nodes * toys.ups_and_downs(TICKS, 10 * number + seed)
            toys.write_counts(tmp_path / path / f"{name}.json.gz", data)
    section = joint_losses.joint_losses_section(tmp_path, lambda _: None)
    assert not section.skipped
    assert {row[1] for row in section.tables[0].rows} == {"10", "30", "60"}
    assert len(section.figures) == 5


def test_the_defaults_are_the_measured_figures(shared_data: Path) -> None:
    settings = Settings()
    section = joint_losses.joint_losses_section(shared_data, lambda _: None)
    measured = {figure.what: figure.value for figure in section.figures}
    assert settings.loss_within_min == joint_losses.WITHIN_MIN
    for what, default in (
        ("same pool, 16 nodes, 2023-08-27", settings.loss_same_pool),
        ("same type, another zone of the region, 2023-02-15", settings.loss_same_type),
        ("same zone, another type, 2022-10-26", settings.loss_same_zone),
    ):
        assert measured[what] == pytest.approx(default, abs=0.005)
