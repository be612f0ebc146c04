"""The FastAPI application of the Lab API: routers, OpenAPI document and error handlers.

Importing it takes most of a second; `mount.py` does so on the first request.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from spotlab.api import docs_page, operation
from spotlab.api.openapi import document
from spotlab.api.request_state import Service
from spotlab.api.response_cache import ResponseCacheMiddleware
from spotlab.api.routes import (
    accounts,
    alerts,
    audit,
    candidates,
    evaluations,
    experiments,
    health,
    instances,
    jobs,
    logs,
    market,
    models,
    onboarding,
    policies,
    spot_events,
    switch_guards,
    switches,
    throughputs,
    users,
    what_if,
    whoami,
    workloads,
)
from spotlab.domain.access import Principal
from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Lab

PREFIX = "/api/v1"
ROUTERS = (
    whoami.router,
    health.router,
    accounts.router,
    onboarding.router,
    instances.router,
    evaluations.router,
    market.router,
    candidates.router,
    what_if.router,
    experiments.router,
    models.router,
    workloads.router,
    policies.router,
    switches.router,
    switch_guards.router,
    jobs.router,
    logs.router,
    alerts.router,
    throughputs.router,
    spot_events.router,
    users.router,
    audit.router,
)


def build(
    open_lab: Callable[[], Lab],
    principal_of: Callable[[HTTPConnection], Principal],
    is_known: Callable[[HTTPConnection], bool] = lambda _connection: False,
) -> FastAPI:
    """The application.

    Args:
        open_lab: returns the lab of this process.
        principal_of: returns the principal that sends a request; raises NotSignedIn.
        is_known: whether `principal_of` answers without waiting.
    """
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, title="SpotLab"
    )
    app.state.service = Service(open_lab, principal_of, is_known)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    app.state.operations = [
        (PREFIX, route)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    app.add_middleware(ResponseCacheMiddleware)
    app.add_route("/api/openapi.json", _openapi, methods=["GET"], include_in_schema=False)
    app.add_route("/api/docs", _docs, methods=["GET"], include_in_schema=False)
    for error_type in (SpotlabError, RequestValidationError, HTTPException):
        app.add_exception_handler(error_type, operation.problem)
    return app


def _openapi(request: Request) -> Response:
    return Response(msgspec.json.encode(request.app.openapi()), media_type="application/json")


def _docs(request: Request) -> Response:
    return HTMLResponse(docs_page.page(request.app.openapi()), headers=docs_page.HEADERS)
