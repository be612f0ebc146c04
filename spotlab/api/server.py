"""Routes, middleware and background work of the server, which also serves the screens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute, Route

from spotlab.api.auth_middleware import AuthMiddleware
from spotlab.api.file_access import UploadLimitMiddleware
from spotlab.api.health_routes import HEALTH_ROUTES
from spotlab.api.metrics_routes import METRICS_ROUTES
from spotlab.api.mount import LabApi
from spotlab.api.request_middleware import RequestMetricsMiddleware
from spotlab.api.sign_in.first_admin_link import announce_first_admin
from spotlab.api.sign_in.routes import SIGN_IN_ROUTES
from spotlab.monitoring.health.database_watch import watch
from spotlab.runtime.app_process import Background, BackgroundServices
from spotlab.runtime.observability import configure_logs
from spotlab.scheduling.background import start_in_app_server

FIRST_SCREEN: Final = "instances"


async def to_first_screen(request: Request) -> RedirectResponse:
    """Redirect to /, the only path at which Streamlit serves the first screen."""
    query = request.url.query
    return RedirectResponse(f"/?{query}" if query else "/")


ROUTES: Final[list[BaseRoute]] = [
    Route(f"/{FIRST_SCREEN}", to_first_screen),
    *HEALTH_ROUTES,
    *METRICS_ROUTES,
    *SIGN_IN_ROUTES,
    LabApi(),
]
MIDDLEWARE: Final[list[Middleware]] = [
    Middleware(RequestMetricsMiddleware),
    Middleware(AuthMiddleware),
    Middleware(UploadLimitMiddleware),
]
BACKGROUNDS: Final[list[Background]] = [announce_first_admin, watch, start_in_app_server]


def start() -> Callable[[], None]:
    """Start background work; returns a function that stops it."""
    configure_logs("app")
    background = BackgroundServices(BACKGROUNDS)
    background.start()
    return background.stop
