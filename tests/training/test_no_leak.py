"""For every data set: altering the future changes no feature."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from spotlab.domain.market import FeedKind, MarketName
from spotlab.errors import InvalidInput, NotAvailable
from spotlab.features.capacity_model.features import compute_capacity
from spotlab.training.advisor.datasets import archived_dataset, read_advisor
from spotlab.training.advisor.evaluation import paired_dataset
from tests.support import recorded
from tests.support import snapshots as made
from tests.support import trace_files as toys
from tests.support.archive import MemoryArchive

NOW, LATER = made.NOW, made.NOW + timedelta(days=40)


def archive(seed: int) -> MemoryArchive:
    """The same past for every seed, and a future of its own."""
    past, future = np.random.default_rng(0), np.random.default_rng(seed)
    store = MemoryArchive()
    for days in (21, 14, 7, 0):
        store.save(made.advisor(past, NOW - timedelta(days=days)))
        store.save(made.spot_prices(past, NOW - timedelta(days=days)))
    store.save(made.price_history(past, NOW))
    for days in (1, 10, 40):
        store.save(made.advisor(future, NOW + timedelta(days=days)))
        store.save(made.spot_prices(future, NOW + timedelta(days=days)))
        store.save(made.price_history(future, NOW + timedelta(days=days)))
    return store


def market(store: MemoryArchive) -> MarketName:
    return store.snapshots[0].market


def test_the_apps_own_archive() -> None:
    one, other = archive(1), archive(2)

    first = archived_dataset(one, market(one), NOW, LATER)
    second = archived_dataset(other, market(other), NOW, LATER)

    assert np.array_equal(first.frame.values, second.frame.values, equal_nan=True)
    assert not np.array_equal(first.bucket, second.bucket)
    assert first.label_at == LATER


def test_an_archive_whose_label_is_too_near_or_absent_is_refused() -> None:
    store = archive(1)
    with pytest.raises(InvalidInput, match="30 days"):
        archived_dataset(store, market(store), NOW, NOW + timedelta(days=20))
    store.snapshots = [s for s in store.snapshots if s.kind is not FeedKind.ADVISOR]
    with pytest.raises(NotAvailable, match="no advisor snapshot"):
        archived_dataset(store, market(store), NOW, LATER)


def test_a_pair_of_advisor_snapshots(tmp_path: Path) -> None:
    frames = []
    for seed in (6, 7):
        folder = tmp_path / str(seed)
        recorded.write_market(folder)
        recorded.write_2022(folder, seed=seed)
        known = read_advisor(folder / "advisor" / "2021-02-10.json.gz")
        later = read_advisor(folder / "evaluation-only" / "advisor" / "2022-04-06.json.gz")
        specs = made.specs(known.origin.event_time, "advisor")
        frames.append(paired_dataset([known, specs], [], later))

    assert np.array_equal(frames[0].frame.values, frames[1].frame.values, equal_nan=True)
    assert not np.array_equal(frames[0].bucket, frames[1].bucket)


@pytest.mark.parametrize("gap_s", [195.0, 600.0])
def test_traces(gap_s: float) -> None:
    panel = toys.panel(days=6.0, gap_s=gap_s)
    tick = 2 * len(panel.elapsed_h) // 3
    altered = panel.available.copy()
    altered[tick + 1 :] = 1.0 - altered[tick + 1 :]

    whole = compute_capacity(panel).values[: tick + 1]
    other = compute_capacity(replace(panel, available=altered)).values[: tick + 1]
    then = compute_capacity(panel.until(tick)).values

    assert np.array_equal(whole, other, equal_nan=True)
    assert np.array_equal(whole, then, equal_nan=True)
