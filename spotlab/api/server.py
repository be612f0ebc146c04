"""Routes, middleware and lifespan of the server that also serves the screens. Screens floor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from spotlab.runtime.process import Background, Beside


def healthz(_request: Request) -> PlainTextResponse:
    """For a load balancer: the server answers. It says nothing of the parts behind it."""
    return PlainTextResponse("ok\n")


ROUTES: Final[list[BaseRoute]] = [Route("/healthz", healthz)]
MIDDLEWARE: Final[list[Middleware]] = []
BACKGROUNDS: Final[list[Background]] = []


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    """Run what runs beside the requests while the server does."""
    beside = Beside(BACKGROUNDS)
    beside.start()
    try:
        yield
    finally:
        await run_in_threadpool(beside.stop)
