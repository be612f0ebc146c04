"""The work of a head to head, beside the page, and its results by digest."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Clock
from spotlab.recorded.traces import trace_files
from spotlab.services import Desk
from spotlab.training.capacity.evaluation import TraceOptions, forecaster
from spotlab.training.head_to_head import Comparison, compare
from spotlab.training.paired_evaluation import SameRows, digest, of_snapshots, of_traces
from spotlab.ui.common import background_tasks, session
from spotlab.ui.models import comparison_files
from spotlab.ui.models.comparison_form import Request

SLOT: Final = "versus"
MOST_KEPT: Final = 8
_SHOWN: Final = "versus:shown"


@dataclass(frozen=True, slots=True)
class Result:
    """A comparison with its rows."""

    digest: str
    rows: SameRows
    found: Comparison


@dataclass(slots=True)
class Kept:
    """The newest results by digest; safe to share between readers."""

    _results: OrderedDict[str, Result] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> Result | None:
        """A result, if it is still kept."""
        with self._lock:
            return self._results.get(key)

    def put(self, result: Result) -> Result:
        """Keep a result; the oldest one goes."""
        with self._lock:
            self._results[result.digest] = result
            self._results.move_to_end(result.digest)
            while len(self._results) > MOST_KEPT:
                self._results.popitem(last=False)
        return result


@st.cache_resource(show_spinner=False, max_entries=1)
def kept() -> Kept:
    """What was compared on this server."""
    return Kept()


def begin(request: Request) -> None:
    """Start comparing; the same content again is answered from what is kept."""
    desk, known = session.desk(), kept()
    desk.who.require(Right.BACKTEST)
    st.session_state[_SHOWN] = (request, "")
    background_tasks.begin(
        SLOT,
        f"{request.first} against {request.second}",
        lambda tell, stopped: answer(desk, known, request, tell, stopped),
    )


def outcome(request: Request | None) -> Result | None:
    """The result of what is asked for now; None: not compared yet."""
    run = background_tasks.take(SLOT)
    asked, key = st.session_state.get(_SHOWN, (None, ""))
    if run is not None and run.result is not None:
        key = run.result.digest
        st.session_state[_SHOWN] = (asked, key)
    return kept().get(key) if key and asked == request else None


def answer(
    desk: Desk,
    known: Kept,
    request: Request,
    tell: background_tasks.Progress,
    stopped: Callable[[], bool],
) -> Result:
    """Compare two models; see `same_rows` and `head_to_head` for what is raised."""
    with comparison_files.on_disk(request.sent) as sent:
        paths = _files(request, sent)
        models: tuple[Any, Any] = (
            desk.models.artefact(request.first),
            desk.models.artefact(request.second),
        )
        said = (request.task, request.horizon_h, request.polarity, request.gap_s)
        key = digest([model.digest for model in models], paths, said)
        before = known.get(key)
        if before is not None:
            return before
        rows = _rows(desk.lab.clock, request, sent, models, tell, stopped)
    tell(f"drawing {rows.block}s for the intervals of {len(rows.outcome):,} rows", 0.75)
    names = (request.first, request.second)
    found = compare(names, rows.outcome, rows.first, rows.second, rows.blocks)
    return known.put(Result(key, rows, found))


def _files(request: Request, sent: list[Path]) -> list[Path]:
    if request.task == "capacity":
        return trace_files(sent or request.traces)
    after = [request.after] if request.after is not None else []
    return sent or [*request.before, *request.prices, *after]


def _rows(
    clock: Clock,
    request: Request,
    sent: list[Path],
    models: tuple[Any, Any],
    tell: background_tasks.Progress,
    stopped: Callable[[], bool],
) -> SameRows:
    if request.task == "capacity":
        options = TraceOptions(polarity=request.polarity, gap_s=request.gap_s)
        one, other = models
        forecasts = (forecaster(one), forecaster(other))
        paths = sent or request.traces
        return of_traces(models, forecasts, paths, request.horizon_h, options, tell, stopped)
    before, after = (sent[:-1], sent[-1]) if sent else (request.before, request.after)
    assert after is not None
    return of_snapshots(models, before, after, request.prices, clock, tell, stopped)
