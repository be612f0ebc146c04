"""Log lines and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View, field


class LineView(View):
    """One log line."""

    id: str = field("Its place in the stream; grows.", "1762162200000-0")
    time: datetime = field("When it was written.", "2026-11-03T09:30:00Z")
    level: str = field("DEBUG, INFO, WARNING, ERROR or CRITICAL.", "INFO")
    component: str = field("Who wrote it.", "runtime.evaluation")
    message: str = field("In words.", "decided")
    process: str = field("Which process.", "app@host:4711")
    role: str = field("app, worker or command.", "app")
    correlation_id: str = field("Of what was being done.", "5b0c2f8e4a91")
    request_id: str = field("Of the request that led to it.", "")
    user: str = field("Who asked for it.", "")
    account: str = field("The account that it is about.", "")
    fields: dict[str, Any] = field("More facts.", {})
    error: str = field("Traceback; empty: none.", "")


class SampleView(View):
    """One number of a metric."""

    name: str = field("Its name.", "spotlab_requests_total")
    labels: dict[str, str] = field("What it is of.", {"method": "GET"})
    value: Number = field("The number; null: not a finite one.", 42.0)


class MetricView(View):
    """A metric."""

    name: str = field("Its name.", "spotlab_requests")
    kind: str = field("counter, gauge, histogram, ….", "counter")
    unit: str = field("Of its numbers; empty: a plain number.", "")
    help: str = field("What it counts.", "Requests by route.")
    samples: list[SampleView] = Field(description="Its numbers, those of this replica.")
