"""Routes, middleware and lifespan of the server that also serves the screens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from spotlab.api import health_routes
from spotlab.api import metrics as metrics_route
from spotlab.api.auth_middleware import Doorway
from spotlab.api.graceful_shutdown import end_well, wait_for_work
from spotlab.api.mount import LabApi
from spotlab.api.request_metrics import Observed
from spotlab.api.sign_in import routes
from spotlab.api.sign_in.first_admin_link import announce
from spotlab.api.tcp_nodelay import send_at_once
from spotlab.api.upload_limits import HeldFiles
from spotlab.monitoring.health.database_watch import watch
from spotlab.runtime.app_process import Background, Beside
from spotlab.runtime.observability import configure_logs
from spotlab.scheduling.background import beside_the_app

FIRST_SCREEN: Final = "instances"


async def to_first_screen(request: Request) -> RedirectResponse:
    """Streamlit serves the first screen at / alone; here it answers at its own name, too."""
    query = request.url.query
    return RedirectResponse(f"/?{query}" if query else "/")


ROUTES: Final[list[BaseRoute]] = [
    Route(f"/{FIRST_SCREEN}", to_first_screen),
    *health_routes.ROUTES,
    *metrics_route.ROUTES,
    *routes.ROUTES,
    LabApi(),
]
MIDDLEWARE: Final[list[Middleware]] = [
    Middleware(Observed),
    Middleware(Doorway),
    Middleware(HeldFiles),
]
BACKGROUNDS: Final[list[Background]] = [announce, watch, beside_the_app]


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Run what runs beside the requests while the server does."""
    configure_logs("app")
    send_at_once()
    end_well()
    beside = Beside(BACKGROUNDS)
    beside.start()
    try:
        yield
    finally:
        await run_in_threadpool(wait_for_work)
        await run_in_threadpool(beside.stop)
