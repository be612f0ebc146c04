"""/metrics in the OpenMetrics format."""

from __future__ import annotations

import hmac
import threading
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from spotlab.api.identity import principal_of
from spotlab.domain.access import Right
from spotlab.errors import Forbidden, NotSignedIn, SpotlabError
from spotlab.monitoring.metrics_document import CONTENT_TYPE, Metrics
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

_cache: list[Metrics] = []
_lock: Final = threading.Lock()


def metrics(request: Request) -> Response:
    """Metrics of this process and of the stores; each replica reports its own."""
    try:
        lab = app_process.lab()
        if not _has_token(request, lab):
            principal_of(request).require(Right.READ_METRICS)
    except NotSignedIn as exc:
        return PlainTextResponse(f"{exc}\n", 401, headers={"WWW-Authenticate": "Bearer"})
    except Forbidden as exc:
        return PlainTextResponse(f"{exc}\n", 403)
    except SpotlabError as exc:
        return PlainTextResponse(f"{exc}\n", 503)
    return Response(
        _metrics_of(lab).text(), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )


def _has_token(request: Request, lab: Lab) -> bool:
    """Whether the request has SPOTLAB_METRICS_TOKEN; compared in constant time."""
    token = lab.settings.metrics_token
    scheme, _, sent_token = request.headers.get("authorization", "").partition(" ")
    if token is None or not token.get_secret_value() or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(sent_token.strip().encode(), token.get_secret_value().encode())


def _metrics_of(lab: Lab) -> Metrics:
    with _lock:
        if not _cache or _cache[0].lab is not lab:
            _cache[:] = [Metrics(lab)]
        return _cache[0]


METRICS_ROUTES: Final[list[BaseRoute]] = [Route("/metrics", metrics)]
