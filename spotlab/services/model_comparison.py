"""Head to head: two models on the same rows of recorded or uploaded files."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from spotlab.domain.access import Right
from spotlab.recorded.traces import Polarity, trace_files
from spotlab.services.base import Service
from spotlab.training import comparison_files
from spotlab.training.capacity.evaluation import TraceOptions, forecaster
from spotlab.training.comparison_files import UploadedFile
from spotlab.training.head_to_head import Comparison, compare
from spotlab.training.paired_evaluation import (
    PairedRows,
    comparison_digest,
    pair_on_snapshots,
    pair_on_traces,
)

MAX_RESULTS: Final = 8
"""Number of results that a process caches."""


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """Two models and the data to compare them on; equal requests have equal results.

    Args:
        task: of both models.
        first, second: "name@version".
        horizon_h: hours (capacity).
        traces: trace files or folders (capacity).
        before, after, prices: feed files (advisor).
        uploads: files from a browser, instead; the last one is `after` (advisor).
        polarity, gap_s, columns: options of CSV files that do not contain them.
        zone_ids: the account's name of each zone id, if the files give ids.
    """

    task: str
    first: str
    second: str
    horizon_h: float = 1.0
    traces: tuple[Path, ...] = ()
    before: tuple[Path, ...] = ()
    after: Path | None = None
    prices: tuple[Path, ...] = ()
    uploads: tuple[UploadedFile, ...] = ()
    polarity: Polarity | None = None
    gap_s: float | None = None
    columns: tuple[str, ...] = ()
    zone_ids: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """A comparison with its rows.

    Args:
        digest: hash of models, files and options; equal inputs have equal results.
        rows: outcome and both forecasts of every row.
        comparison: scores, paired differences and disagreements.
    """

    digest: str
    rows: PairedRows
    comparison: Comparison


@dataclass(slots=True)
class ComparisonCache:
    """The newest results by digest; safe to share between threads."""

    _results: OrderedDict[str, ComparisonResult] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> ComparisonResult | None:
        """A result, or None if it is not cached."""
        with self._lock:
            return self._results.get(key)

    def put(self, result: ComparisonResult) -> ComparisonResult:
        """Add a result; the oldest one is removed."""
        with self._lock:
            self._results[result.digest] = result
            self._results.move_to_end(result.digest)
            while len(self._results) > MAX_RESULTS:
                self._results.popitem(last=False)
        return result


class ComparisonService(Service):
    """Compares models."""

    __slots__ = ()

    def result(self, key: str) -> ComparisonResult | None:
        """A result of this process by digest; None: not cached. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.process_state(ComparisonCache).get(key)

    def compare(
        self,
        request: ComparisonRequest,
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
    ) -> ComparisonResult:
        """Compare two models on the same rows; a cached result is returned immediately.

        Args:
            request: the models and the data.
            progress: called with the current step and the share done.
            cancelled: checked between steps.
        Raises:
            Forbidden: the user may not run backtests.
            NotFound, ArtefactRefused: a model cannot be opened.
            InvalidInput: a file cannot be read, or no row can be used by both models.
            Cancelled: the comparison was cancelled.
        """
        self.require(Right.BACKTEST)
        cache = self.lab.process_state(ComparisonCache)
        with comparison_files.on_disk(request.uploads) as uploads:
            models: tuple[Any, Any] = (
                self.lab.predictor.get(request.first),
                self.lab.predictor.get(request.second),
            )
            options = (
                *(request.task, request.horizon_h, request.polarity, request.gap_s),
                *request.columns,
                *request.zone_ids,
            )
            key = comparison_digest(
                [model.digest for model in models], _files(request, uploads), options
            )
            cached = cache.get(key)
            if cached is not None:
                return cached
            rows = self._rows(request, uploads, models, progress, cancelled)
        progress(f"drawing by {rows.block} for the intervals of {len(rows.outcome):,} rows", 0.75)
        names = (request.first, request.second)
        comparison = compare(names, rows.outcome, rows.first, rows.second, rows.blocks)
        return cache.put(ComparisonResult(key, rows, comparison))

    def _rows(
        self,
        request: ComparisonRequest,
        uploads: list[Path],
        models: tuple[Any, Any],
        progress: Callable[[str, float], None],
        cancelled: Callable[[], bool],
    ) -> PairedRows:
        if request.task == "capacity":
            options = TraceOptions(
                polarity=request.polarity,
                gap_s=request.gap_s,
                columns=request.columns,
                zone_ids=dict(request.zone_ids),
            )
            first, second = models
            forecasts = (forecaster(first), forecaster(second))
            paths = uploads or request.traces
            return pair_on_traces(
                models, forecasts, paths, request.horizon_h, options, progress, cancelled
            )
        before, after = (uploads[:-1], uploads[-1]) if uploads else (request.before, request.after)
        assert after is not None, "an advisor request has a later snapshot"
        return pair_on_snapshots(
            models, before, after, request.prices, self.lab.clock, progress, cancelled
        )


def _files(request: ComparisonRequest, uploads: list[Path]) -> list[Path]:
    if request.task == "capacity":
        return trace_files(uploads or request.traces)
    after = [request.after] if request.after is not None else []
    return uploads or [*request.before, *request.prices, *after]
