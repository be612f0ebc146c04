"""/healthz and /readyz for load balancers; they need no sign-in."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute, Route

from spotlab.monitoring.health.readiness import Readiness, ReadinessCheck
from spotlab.runtime import app_process
from spotlab.runtime.shutdown import SHUTDOWN

CACHE_S: Final = 2.0
"""How long a result is reused, so that frequent checks put no load on the database."""
_HEADERS: Final = {"Cache-Control": "no-store"}


async def healthz(_request: Request) -> PlainTextResponse:
    """The server responds. This says nothing about the components."""
    return PlainTextResponse("ok\n", headers=_HEADERS)


class Readyz:
    """Whether the server is ready; concurrent requests share one check.

    Args:
        check: the readiness check.
    """

    def __init__(self, check: ReadinessCheck) -> None:
        self._check = check
        self._task: asyncio.Task[Readiness] | None = None
        self._checked_at = -CACHE_S

    async def __call__(self, _request: Request) -> JSONResponse:
        """200 if ready, otherwise 503 with `reasons` by component."""
        if SHUTDOWN.requested:
            reasons = {"server": "The server is shutting down."}
            return JSONResponse({"ready": False, "reasons": reasons}, 503, headers=_HEADERS)
        if self._task is None or (
            self._task.done() and time.monotonic() - self._checked_at > CACHE_S
        ):
            self._task = asyncio.create_task(self._run_check())
        readiness = await asyncio.shield(self._task)
        document = {"ready": readiness.ready, "reasons": readiness.reasons}
        return JSONResponse(document, 200 if readiness.ready else 503, headers=_HEADERS)

    async def _run_check(self) -> Readiness:
        readiness = await run_in_threadpool(self._check.check)
        self._checked_at = time.monotonic()
        return readiness


readyz: Final = Readyz(ReadinessCheck(lambda: app_process.lab()))


async def _readyz(request: Request) -> JSONResponse:
    return await readyz(request)


HEALTH_ROUTES: Final[list[BaseRoute]] = [Route("/healthz", healthz), Route("/readyz", _readyz)]
