"""Routes, middleware and lifespan of the server that also serves the screens. Screens floor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from spotlab.api import health_routes, sign_in
from spotlab.api import metrics as metrics_route
from spotlab.api.announce import announce
from spotlab.api.doorway import Doorway
from spotlab.api.ending import end_well, wait_for_work
from spotlab.api.held_files import HeldFiles
from spotlab.api.mounted import LabApi
from spotlab.api.observed import Observed
from spotlab.api.sockets import send_at_once
from spotlab.runtime.health.watch import watch
from spotlab.runtime.jobs.background import beside_the_app
from spotlab.runtime.observing import configure_logs
from spotlab.runtime.process import Background, Beside

ROUTES: Final[list[BaseRoute]] = [
    *health_routes.ROUTES,
    *metrics_route.ROUTES,
    *sign_in.ROUTES,
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
