"""One window of a sweep replayed once more, with all that happened in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import streamlit as st

from spotlab.domain.ports.backtests import SweepRecord
from spotlab.domain.traces import TracePanel
from spotlab.errors import Cancelled
from spotlab.gym.policies import SPOTLAB
from spotlab.gym.replay import Replay, replay
from spotlab.gym.sweep_cell import Cell, CellResult
from spotlab.gym.world import World
from spotlab.services import Desk
from spotlab.ui.backtests import labels
from spotlab.ui.common import background_tasks, session

SLOT: Final = "replay"
_MOST: Final = 24
_WORLDS: Final = 2
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """A replayed cell.

    Args:
        replay: what happened.
        panel: the window's ticks.
        same: whether it came to what the sweep had kept.
    """

    replay: Replay
    panel: TracePanel
    same: bool


@dataclass(slots=True)
class Memory:
    """Replays and worlds that were made on this server; safe to share between readers."""

    _seen: OrderedDict[Key, Seen] = field(default_factory=OrderedDict)
    _worlds: OrderedDict[tuple[str, bool], World] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Seen | None:
        """A replay, if it is still there."""
        with self._lock:
            return self._seen.get(key)

    def put(self, key: Key, seen: Seen) -> None:
        """Keep one; the oldest goes."""
        with self._lock:
            self._seen[key] = seen
            while len(self._seen) > _MOST:
                self._seen.popitem(last=False)

    def world(self, record: SweepRecord, desk: Desk, *, forecasts: bool) -> World:
        """The sweep's world, with or without forecasts. Raises as `BacktestsDesk.again`."""
        key = (record.sweep_id, forecasts)
        with self._lock:
            found = self._worlds.get(key)
        if found is not None:
            return found
        world = desk.backtests.world(record, forecasts=forecasts)
        with self._lock:
            self._worlds[key] = world
            while len(self._worlds) > _WORLDS:
                self._worlds.popitem(last=False)
        return world


@st.cache_resource(show_spinner=False, max_entries=1)
def memory() -> Memory:
    """What was replayed on this server."""
    return Memory()


def ready(record: SweepRecord, results: Mapping[str, CellResult]) -> dict[str, Seen] | None:
    """The replays of these cells, by policy; None while they are made, which is shown.

    Args:
        record: of the sweep.
        results: what was kept, by policy, of one window.
    """
    known = memory()
    asked = {policy: (record.sweep_id, repr(one.cell)) for policy, one in results.items()}
    failed = f"{SLOT} failed"
    run = background_tasks.take(SLOT)
    if run is not None and run.error is not None:
        st.session_state[failed] = asked
    found = {policy: known.get(key) for policy, key in asked.items()}
    missing = [policy for policy, seen in found.items() if seen is None]
    if not missing:
        return {policy: seen for policy, seen in found.items() if seen is not None}
    if st.session_state.get(failed) == asked:
        if st.button("Try again", icon=":material/refresh:", key="replay-again"):
            del st.session_state[failed]
            st.rerun()
        return None
    desk = session.desk()
    background_tasks.begin(
        SLOT,
        "Replaying",
        lambda tell, stopped: _work(
            known, desk, record, {name: results[name] for name in missing}, tell, stopped
        ),
    )
    if not background_tasks.watch(SLOT):
        st.rerun()
    st.skeleton(420)
    return None


def _work(
    known: Memory,
    desk: Desk,
    record: SweepRecord,
    results: Mapping[str, CellResult],
    tell: background_tasks.Progress,
    stopped: Callable[[], bool],
) -> None:
    modelled = any(policy.startswith(SPOTLAB) for policy in results)
    tell(f"reading the traces{', then asking the model' if modelled else ''}", 0.1)
    world = known.world(record, desk, forecasts=modelled)
    for number, (policy, kept) in enumerate(results.items()):
        if stopped():
            raise Cancelled("Stopped.")
        tell(labels.policy(policy, record.config["models"]), 0.6 + 0.4 * number / len(results))
        known.put((record.sweep_id, repr(kept.cell)), seen_of(world, kept))


def seen_of(world: World, kept: CellResult) -> Seen:
    """Replay a cell, and hold it against what was kept."""
    cell: Cell = kept.cell
    made = replay(world, cell)
    same = made.result.cost_usd == kept.cost_usd and made.result.moves == kept.moves
    return Seen(made, world.panel.window(cell.first_tick, cell.ticks), same)
