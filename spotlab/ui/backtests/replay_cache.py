"""Cache of replayed windows, and the background task that fills it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.errors import Cancelled
from spotlab.gym.policies import SPOTLAB
from spotlab.gym.replay import ReplayedCell, replay_cell
from spotlab.gym.sweep_cell import CellResult
from spotlab.gym.world import World
from spotlab.services import Services
from spotlab.ui.backtests import labels
from spotlab.ui.common import background_tasks, session

SLOT: Final = "replay"
_MAX_CELLS: Final = 24
_MAX_WORLDS: Final = 2
Key = tuple[str, str]


@dataclass(slots=True)
class ReplayCache:
    """The newest replays and worlds of this process; safe to share between threads."""

    _cells: OrderedDict[Key, ReplayedCell] = field(default_factory=OrderedDict)
    _worlds: OrderedDict[tuple[str, bool], World] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> ReplayedCell | None:
        """A replay, or None if it is not cached."""
        with self._lock:
            return self._cells.get(key)

    def put(self, key: Key, cell: ReplayedCell) -> None:
        """Add a replay; the oldest one is removed."""
        with self._lock:
            self._cells[key] = cell
            while len(self._cells) > _MAX_CELLS:
                self._cells.popitem(last=False)

    def world(self, record: SweepRecord, services: Services, *, forecasts: bool) -> World:
        """The sweep's world, with or without forecasts. Raises as `BacktestService.replan`."""
        key = (record.sweep_id, forecasts)
        with self._lock:
            cached = self._worlds.get(key)
        if cached is not None:
            return cached
        world = services.backtests.world(record, forecasts=forecasts)
        with self._lock:
            self._worlds[key] = world
            while len(self._worlds) > _MAX_WORLDS:
                self._worlds.popitem(last=False)
        return world


@st.cache_resource(show_spinner=False, max_entries=1)
def replay_cache() -> ReplayCache:
    """The cache of this process."""
    return ReplayCache()


def ready(record: SweepRecord, results: Mapping[str, CellResult]) -> dict[str, ReplayedCell] | None:
    """The replays of these cells by policy; shows the progress and returns None until they exist.

    Args:
        record: the sweep.
        results: results of one window by policy.
    """
    cache = replay_cache()
    keys = {policy: (record.sweep_id, repr(one.cell)) for policy, one in results.items()}
    failed = f"{SLOT} failed"
    run = background_tasks.take(SLOT)
    if run is not None and run.error is not None:
        st.session_state[failed] = keys
    cached = {policy: cache.get(key) for policy, key in keys.items()}
    missing = [policy for policy, cell in cached.items() if cell is None]
    if not missing:
        return {policy: cell for policy, cell in cached.items() if cell is not None}
    if st.session_state.get(failed) == keys:
        if st.button("Try again", icon=":material/refresh:", key="replay-again"):
            del st.session_state[failed]
            st.rerun()
        return None
    services = session.services()
    background_tasks.begin(
        SLOT,
        "Replaying",
        lambda tell, stopped: _replay(
            cache, services, record, {name: results[name] for name in missing}, tell, stopped
        ),
    )
    if not background_tasks.watch(SLOT):
        st.rerun()
    st.skeleton(420)
    return None


def _replay(
    cache: ReplayCache,
    services: Services,
    record: SweepRecord,
    results: Mapping[str, CellResult],
    tell: background_tasks.Progress,
    stopped: Callable[[], bool],
) -> None:
    needs_forecasts = any(policy.startswith(SPOTLAB) for policy in results)
    tell(f"reading the traces{' and forecasting' if needs_forecasts else ''}", 0.1)
    world = cache.world(record, services, forecasts=needs_forecasts)
    for number, (policy, result) in enumerate(results.items()):
        if stopped():
            raise Cancelled("Cancelled.")
        tell(labels.policy(policy, record.config["models"]), 0.6 + 0.4 * number / len(results))
        cache.put((record.sweep_id, repr(result.cell)), replay_cell(world, result))
