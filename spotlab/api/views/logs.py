"""Log lines and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View, field


class LineView(View):
    """One log line."""

    id: str = field("Position in the log stream; increasing.", "1762162200000-0")
    time: datetime = field("When the line was written.", "2026-11-03T09:30:00Z")
    level: str = field("DEBUG, INFO, WARNING, ERROR or CRITICAL.", "INFO")
    component: str = field("Logger that wrote the line.", "runtime.evaluation")
    message: str = field("Log message.", "decided")
    process: str = field("Process that wrote the line.", "app@host:4711")
    role: str = field("Role of the process: app, worker or command.", "app")
    correlation_id: str = field("Correlation id of the click, request or job.", "5b0c2f8e4a91")
    request_id: str = field("Request id; empty if there is none.", "")
    user: str = field("User; empty if there is none.", "")
    account: str = field("Account that the line is about; empty if none.", "")
    fields: dict[str, Any] = field("Structured fields.", {})
    error: str = field("Traceback; empty if there is none.", "")


class SampleView(View):
    """One sample of a metric."""

    name: str = field("Name of the sample.", "spotlab_requests_total")
    labels: dict[str, str] = field("Labels of the sample.", {"method": "GET"})
    value: Number = field("Value; null if it is not finite.", 42.0)


class MetricView(View):
    """A metric of this replica."""

    name: str = field("Name of the metric.", "spotlab_requests")
    kind: str = field("Type of the metric: counter, gauge, histogram, …", "counter")
    unit: str = field("Unit; empty if there is none.", "")
    help: str = field("Description of the metric.", "Requests by route.")
    samples: list[SampleView] = Field(description="Samples of this replica.")
