"""Operations on log lines, as a list and as a stream, and on metrics."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from spotlab.api.operation import Operation
from spotlab.api.paging import (
    Cursor,
    Limit,
    Page,
    PageRequest,
    decode_cursor,
    no_such_page,
)
from spotlab.api.request_state import Service, ServiceDep, ServicesDep
from spotlab.api.views.base import Moment, View, field
from spotlab.api.views.logs import LineView, MetricView, SampleView
from spotlab.domain.access import Right
from spotlab.errors import SpotlabError
from spotlab.monitoring.metrics_document import Metrics
from spotlab.runtime.shutdown import SHUTDOWN
from spotlab.services import Services
from spotlab.services.logs import LogFilter, LogLine
from spotlab.telemetry.invisible_characters import LABEL

router = APIRouter(route_class=Operation)

POLL_INTERVAL_S: Final = 0.5
HEARTBEAT_S: Final = 15.0
REAUTHENTICATE_S: Final = 30.0
MAX_STREAM_S: Final = 600.0
"""Longest stream; a client that reconnects with Last-Event-ID misses nothing."""

LINE_ID: Final = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Filter = Annotated[str, Query(max_length=100, pattern=LABEL)]
Component = Annotated[
    Filter, Query(description="Only lines of this logger.", examples=["runtime.evaluation"])
]
MinLevel = Annotated[
    Level | None, Query(description="Only lines of this level or higher.", examples=["INFO"])
]
Text = Annotated[Filter, Query(description="Only lines that contain this text.")]
Id = Annotated[
    Filter, Query(description="Only lines with this correlation id, request id or reference.")
]
Process = Annotated[
    Filter, Query(description="Only lines of this process or role.", examples=["worker"])
]


class LogPage(View):
    """A page of log lines, newest first."""

    items: list[LineView] = field("Log lines, newest first.", [])
    next: str | None = field("Cursor for older lines; null if no older line matches.", None)
    newest_id: str = field(
        "Id of the newest line: filters to continue with the stream.", "1762162200000-0"
    )


@router.get(
    "/logs",
    summary="List log lines",
    tags=["logs"],
)
def list_logs(
    request: Request,
    response: Response,
    services: ServicesDep,
    limit: Limit = 100,
    cursor: Cursor = None,
    component: Component = "",
    level: MinLevel = None,
    text: Text = "",
    id: Id = "",  # noqa: A002 (the parameter's name)
    process: Process = "",
    since: Annotated[Moment | None, Query(description="Only lines at this time or later.")] = None,
) -> LogPage:
    """Log lines of all processes, newest first. A user who may see only some accounts gets only
    lines about those."""
    before = None if cursor is None else str(decode_cursor(cursor, [""])[0])
    if before is not None and not LINE_ID.fullmatch(before):
        raise no_such_page()
    filters = LogFilter(component, level or "", text, id, process, since)
    page = services.logs.query(filters, limit=limit, before=before)
    position = [page.lines[-1].id] if page.more else None
    following = PageRequest(request, response, limit, cursor).link_next(position)
    return LogPage(
        items=[LineView.model_validate(line) for line in page.lines],
        next=following,
        newest_id=page.newest_id,
    )


@router.get(
    "/logs/stream",
    summary="Stream log lines (server-sent events)",
    tags=["logs"],
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`log` events, each with one line as JSON; comments as heartbeats.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 1762162200000-0\nevent: log\ndata: {"level":"INFO"}\n\n',
                }
            },
        }
    },
)
async def stream_logs(
    request: Request,
    services: ServicesDep,
    service: ServiceDep,
    component: Component = "",
    level: MinLevel = None,
    text: Text = "",
    id: Id = "",  # noqa: A002 (the parameter's name)
    process: Process = "",
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=r"^[0-9]{1,19}-[0-9]{1,19}$",
            description="Continue after this line.",
        ),
    ] = None,
    for_s: Annotated[
        float, Query(ge=0, le=MAX_STREAM_S, description="Duration of the stream, s.", examples=[60])
    ] = MAX_STREAM_S,
) -> StreamingResponse:
    """New lines from now on, or after Last-Event-ID. The stream ends after ten minutes at most, or
    when the token expires; reconnect with Last-Event-ID to continue."""
    filters = LogFilter(component, level or "", text, id, process, None)
    after = last_event_id
    if after is None:
        after = await run_in_threadpool(services.logs.newest_id)
    first = await run_in_threadpool(services.logs.follow, after, filters)
    service.begin_stream(services.principal.name)
    return CountedStream(
        lambda: service.end_stream(services.principal.name),
        events(request, service, services, filters, first, for_s),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


class CountedStream(StreamingResponse):
    """A stream that calls back when it ends, even if the client left before it began.

    Args:
        on_end: called at the end.
        args, kwargs: of StreamingResponse.
    """

    def __init__(self, on_end: Callable[[], None], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


async def events(
    request: Request,
    service: Service,
    services: Services,
    filters: LogFilter,
    first: tuple[list[LogLine], str],
    for_s: float,
) -> AsyncIterator[bytes]:
    """The stream, until its time is over, the server shuts down or the user loses the right."""
    began = sent_at = checked_at = time.monotonic()
    lines, after = first
    yield b"retry: 2000\n\n"
    while True:
        for line in lines:
            yield event(line)
        now = time.monotonic()
        if lines:
            sent_at = now
        elif now - sent_at >= HEARTBEAT_S:
            sent_at = now
            yield b": heartbeat\n\n"
        if now - began >= for_s or SHUTDOWN.requested:
            return
        await asyncio.sleep(POLL_INTERVAL_S)
        try:
            if now - checked_at >= REAUTHENTICATE_S:
                checked_at = now
                services = Services(
                    services.lab, await run_in_threadpool(service.principal_of, request)
                )
            lines, after = await run_in_threadpool(services.logs.follow, after, filters)
        except SpotlabError as exc:
            yield b"event: problem\ndata: " + msgspec.json.encode(exc.message) + b"\n\n"
            return


def event(line: LogLine) -> bytes:
    """A log line as a server-sent event."""
    data = LineView.model_validate(line).model_dump_json().encode()
    return b"id: " + line.id.encode() + b"\nevent: log\ndata: " + data + b"\n\n"


@router.get(
    "/metrics",
    summary="List the metrics of this replica",
    tags=["metrics"],
)
def list_metrics(
    request: Request,
    response: Response,
    services: ServicesDep,
    service: ServiceDep,
    limit: Limit = 500,
    cursor: Cursor = None,
) -> Page[MetricView]:
    """The content of /metrics as JSON, at most five seconds old."""
    services.principal.require(Right.READ_METRICS)
    metrics = service.shared("metrics", 5.0, lambda: read_metrics(services))
    page, following = PageRequest(request, response, limit, cursor).slice(
        metrics, lambda each: [each.name]
    )
    return Page[MetricView](items=list(page), total=len(metrics), next=following)


def read_metrics(services: Services) -> list[MetricView]:
    """The metrics, sorted by name."""
    text = Metrics(services.lab).text().decode()
    families = [
        MetricView(
            name=family.name,
            kind=family.type,
            unit=family.unit,
            help=family.documentation,
            samples=[
                SampleView(name=sample.name, labels=dict(sample.labels), value=sample.value)
                for sample in family.samples
            ],
        )
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    ]
    return sorted(families, key=lambda each: each.name)
