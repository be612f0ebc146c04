"""Log lines and metrics."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import Number, View
from spotlab.api.views.base import about as told


class LineView(View):
    """One log line."""

    id: str = told("Its place in the stream; grows.", "1762162200000-0")
    time: datetime = told("When it was written.", "2026-11-03T09:30:00Z")
    level: str = told("DEBUG, INFO, WARNING, ERROR or CRITICAL.", "INFO")
    component: str = told("Who wrote it.", "runtime.evaluation")
    message: str = told("In words.", "decided")
    process: str = told("Which process.", "app@host:4711")
    role: str = told("app, worker or command.", "app")
    correlation_id: str = told("Of what was being done.", "5b0c2f8e4a91")
    request_id: str = told("Of the request that led to it.", "")
    user: str = told("Who asked for it.", "")
    account: str = told("The account that it is about.", "")
    fields: dict[str, Any] = told("More facts.", {})
    error: str = told("Traceback; empty: none.", "")


class SampleView(View):
    """One number of a metric."""

    name: str = told("Its name.", "spotlab_requests_total")
    labels: dict[str, str] = told("What it is of.", {"method": "GET"})
    value: Number = told("The number; null: not a finite one.", 42.0)


class MetricView(View):
    """A metric."""

    name: str = told("Its name.", "spotlab_requests")
    kind: str = told("counter, gauge, histogram, ….", "counter")
    unit: str = told("Of its numbers; empty: a plain number.", "")
    help: str = told("What it counts.", "Requests by route.")
    samples: list[SampleView] = Field(description="Its numbers, those of this replica.")
