"""/healthz and /readyz: for load balancers, open to anybody."""

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
from spotlab.runtime.shutdown import LEAVING

CACHE_S: Final = 2.0
"""Whoever asks more often gets the last answer: asking often loads no database."""
_HEADERS: Final = {"Cache-Control": "no-store"}


async def healthz(_request: Request) -> PlainTextResponse:
    """The server answers. It says nothing of the parts behind it."""
    return PlainTextResponse("ok\n", headers=_HEADERS)


class Readyz:
    """Whether the server can do its work; one look at a time, whoever asks.

    Args:
        check: looks.
    """

    def __init__(self, check: ReadinessCheck) -> None:
        self._check = check
        self._task: asyncio.Task[Readiness] | None = None
        self._checked_at = -CACHE_S

    async def __call__(self, _request: Request) -> JSONResponse:
        """200 when it can, else 503; `reasons` says what is wrong, by part."""
        if LEAVING.asked:
            reasons = {"server": "It is shutting down."}
            return JSONResponse({"ready": False, "reasons": reasons}, 503, headers=_HEADERS)
        if self._task is None or (
            self._task.done() and time.monotonic() - self._checked_at > CACHE_S
        ):
            self._task = asyncio.create_task(self._run_check())
        found = await asyncio.shield(self._task)
        document = {"ready": found.ready, "reasons": found.reasons}
        return JSONResponse(document, 200 if found.ready else 503, headers=_HEADERS)

    async def _run_check(self) -> Readiness:
        found = await run_in_threadpool(self._check.look)
        self._checked_at = time.monotonic()
        return found


readyz: Final = Readyz(ReadinessCheck(lambda: app_process.lab()))


async def _readyz(request: Request) -> JSONResponse:
    return await readyz(request)


HEALTH_ROUTES: Final[list[BaseRoute]] = [Route("/healthz", healthz), Route("/readyz", _readyz)]
