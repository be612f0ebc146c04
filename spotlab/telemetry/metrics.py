"""Prometheus metrics that are counted and timed in this process.

No label has an unbounded set of values, such as instances, users, addresses or ids. Metrics read
from the stores on request are in monitoring/metrics.py.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY: Final = CollectorRegistry(auto_describe=True)
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
