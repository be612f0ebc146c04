"""Prometheus metrics that are counted and timed in this process.

No label has an unbounded set of values, such as instances, users, addresses or ids. Metrics read
from the stores on request are in monitoring/metrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

REGISTRY: Final = CollectorRegistry(auto_describe=True)
Observation = tuple[str, tuple[str, ...], float]
"""Name of a counter or histogram, values of its labels, and the amount."""
_relayed: list[Observation] | None = None
"""In a process that serves no metrics: what it observed since `take_relayed`."""
_by_name: Final[dict[str, Counter | Histogram]] = {}


class Counter(prometheus_client.Counter):
    """A counter that another process of the same installation may report."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        super().__init__(name, *args, **options)
        _by_name.setdefault(self._name, self)

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        """Increment it here, or where it is reported."""
        super().inc(amount, exemplar)
        if _relayed is not None:
            _relayed.append((self._name, tuple(self._labelvalues), amount))


class Histogram(prometheus_client.Histogram):
    """A histogram that another process of the same installation may report."""

    def __init__(self, name: str, *args: Any, **options: Any) -> None:
        super().__init__(name, *args, **options)
        _by_name.setdefault(self._name, self)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Observe an amount here, or where it is reported."""
        super().observe(amount, exemplar)
        if _relayed is not None:
            _relayed.append((self._name, tuple(self._labelvalues), amount))


def relay() -> None:
    """Keep what this process observes for `take_relayed`: another process reports it."""
    global _relayed
    _relayed = []


def take_relayed() -> Sequence[Observation]:
    """What was observed since the last call."""
    if not _relayed:
        return ()
    taken = _relayed[:]
    del _relayed[: len(taken)]
    return taken


def report(observations: Sequence[Observation]) -> None:
    """Count and time in this process what another one observed."""
    for name, labels, amount in observations:
        metric = _by_name[name].labels(*labels) if labels else _by_name[name]
        if isinstance(metric, Counter):
            metric.inc(amount)
        else:
            metric.observe(amount)


SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)

REQUESTS: Final = Counter(
    "spotlab_http_requests",
    "Answered requests, by route template.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
REQUEST_SECONDS: Final = Histogram(
    "spotlab_http_request_seconds",
    "Time to answer a request, by route template.",
    ["method", "route"],
    buckets=SECONDS,
    registry=REGISTRY,
)
SCRIPT_RUNS: Final = Counter(
    "spotlab_script_runs", "Runs of a page's script.", ["page"], registry=REGISTRY
)
SCRIPT_SECONDS: Final = Histogram(
    "spotlab_script_seconds",
    "Time to run a page's script.",
    ["page"],
    buckets=SECONDS,
    registry=REGISTRY,
)
EVALUATION_SECONDS: Final = Histogram(
    "spotlab_evaluation_seconds",
    "Duration of a whole evaluation, from market to ledger.",
    buckets=SECONDS,
    registry=REGISTRY,
)
EVALUATIONS: Final = Counter(
    "spotlab_evaluations", "Evaluations, by outcome.", ["outcome"], registry=REGISTRY
)
STAGE_SECONDS: Final = Histogram(
    "spotlab_stage_seconds",
    "Duration of one stage of an evaluation.",
    ["stage"],
    buckets=(0.0005, 0.001, *SECONDS),
    registry=REGISTRY,
)
DECISIONS: Final = Counter(
    "spotlab_decisions",
    "Recorded decisions, by kind.",
    ["decision", "shadow"],
    registry=REGISTRY,
)
COLLECTS: Final = Counter(
    "spotlab_collects",
    "Reads of sources, by kind and outcome.",
    ["source", "outcome"],
    registry=REGISTRY,
)
JOB_RUNS: Final = Counter(
    "spotlab_job_runs", "Finished runs of scheduled jobs.", ["job", "state"], registry=REGISTRY
)
JOB_SECONDS: Final = Histogram(
    "spotlab_job_seconds",
    "Duration of a run of a scheduled job.",
    ["job"],
    buckets=SECONDS,
    registry=REGISTRY,
)
SPOT_EVENTS: Final = Counter(
    "spotlab_spot_events",
    "Events read from queues, by kind; repeated and refused messages are kinds of their own.",
    ["kind"],
    registry=REGISTRY,
)
SPOT_EVENT_SECONDS: Final = Histogram(
    "spotlab_spot_event_seconds",
    "Time from an event to its receipt, and to the end of its evaluation.",
    ["step"],
    buckets=SECONDS,
    registry=REGISTRY,
)
ALERTS: Final = Counter(
    "spotlab_alerts",
    "Delivery attempts of alert notifications, by channel and outcome.",
    ["channel", "outcome"],
    registry=REGISTRY,
)
MODEL_FAILURES: Final = Counter(
    "spotlab_model_failures",
    "Terminated processes of uploaded models, by reason.",
    ["reason"],
    registry=REGISTRY,
)
LEADER: Final = Gauge(
    "spotlab_leader", "1 if this process is the scheduler's leader, else 0.", registry=REGISTRY
)
LOG_LINES: Final = Counter("spotlab_log_lines", "Log lines.", ["level"], registry=REGISTRY)
LOG_LINES_DROPPED: Final = Counter(
    "spotlab_log_lines_dropped",
    "Log lines that were not sent to the online store; they are on stderr.",
    registry=REGISTRY,
)
ProcessCollector(registry=REGISTRY)
