"""Middleware that lets only signed-in users and visitors reach Streamlit.

It sees every request and websocket before Streamlit does. Paths that are not listed as open are
closed, so that a route that Streamlit adds later is closed as well. Each page's guard checks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.access.sessions import SignedIn
from spotlab.access.sign_in import SignIn
from spotlab.api import file_access
from spotlab.api.identity import is_same_origin, visitor_of
from spotlab.api.problems import status_of
from spotlab.api.sign_in import cookies, oidc
from spotlab.api.sign_in.responses import error_page
from spotlab.domain.access import Principal
from spotlab.errors import Forbidden, NotSignedIn, SpotlabError
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

OPEN_PATHS: Final = frozenset(
    {
        *("/healthz", "/readyz", "/_stcore/health"),
        *("/sign-in", "/sign-out", "/first-administrator", "/choose-password"),
        *("/sign-in.css", "/sign-in.svg", oidc.BEGIN_PATH, oidc.DONE_PATH),
    }
)
BUNDLE_PREFIX: Final = "/static/"
"""Streamlit's own scripts and styles, which are the same in every app and contain no data."""
LOGIN_PATHS: Final = frozenset({"/auth/login", "/oauth2callback"})
CLOSED_PATHS: Final = frozenset({"/_stcore/metrics"})
"""Streamlit's own metrics, shown without a check; ours are at /metrics, with a token."""
CLOSED_PREFIX: Final = "/_stcore/agent"
"""Streamlit's own API for programs, which runs screens; ours is /api. Also off by its setting."""
SELF_AUTHENTICATED: Final = ("/api", "/metrics")
"""Prefixes whose routes authenticate requests; the middleware only renews sessions there."""
ASSET_PREFIXES: Final = ("/_stcore/", "/media/", "/component/", "/app/static/", "/auth/")


@dataclass(frozen=True, slots=True)
class _Admission:
    """A request that may pass.

    Args:
        lab: the lab.
        principal: who sends the request; None if its route authenticates it.
        renewed_session: session to set in the browser; None to keep the current one.
    """

    lab: Lab
    principal: Principal | None = None
    renewed_session: SignedIn | None = None


class AuthMiddleware:
    """ASGI middleware.

    Args:
        app: the application behind the middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or reject it."""
        if scope["type"] == "http":
            send = _adding_security_headers(send)
        if scope["type"] not in ("http", "websocket") or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if _authenticates_itself(scope) and not _may_have_session(connection):
            await self._app(scope, receive, send)
            return
        try:
            admission = await run_in_threadpool(_admit, connection)
        except SpotlabError as exc:
            await _rejection(exc, connection)(scope, receive, send)
            return
        if admission.renewed_session is not None:
            scope = _with_token(scope, admission.renewed_session.token)
            send = _setting_session_cookies(send, admission.renewed_session, admission.lab)
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(BUNDLE_PREFIX)


def _authenticates_itself(scope: Scope) -> bool:
    path = scope["path"]
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in SELF_AUTHENTICATED)


def _may_have_session(connection: HTTPConnection) -> bool:
    """Whether there may be a session to renew; programs, which send a token, have none."""
    return "authorization" not in connection.headers and "cookie" in connection.headers


def _admit(connection: HTTPConnection) -> _Admission:
    """Authenticate and check a request. Raises NotSignedIn, Forbidden, NotAvailable."""
    lab, path = app_process.lab(), connection.scope["path"]
    if path.rstrip("/") in CLOSED_PATHS:
        raise Forbidden("This path is closed.", remedy="Metrics are at /metrics.")
    if lab.settings.auth == "oidc" and path in LOGIN_PATHS:
        return _Admission(lab)
    if _authenticates_itself(connection.scope):
        return _renew_if_possible(connection, lab)
    if connection.scope["type"] == "websocket" and not is_same_origin(connection, lab):
        raise Forbidden("This websocket was opened by another site.")
    admission = _identify(connection, lab)
    if admission.principal is not None:
        file_access.require_file_access(path, admission.principal)
    if path.startswith(CLOSED_PREFIX):
        raise Forbidden("This path is closed.", remedy="Programs use the API; see /api/docs.")
    return admission


def _identify(connection: HTTPConnection, lab: Lab) -> _Admission:
    if lab.settings.auth == "off":
        return _Admission(lab, visitor_of(connection, lab))
    try:
        return _identify_by_session(connection, lab)
    except NotSignedIn:
        visitor = Gate(lab).visitor()
        if visitor is None:
            raise
        return _Admission(lab, visitor)


def _identify_by_session(connection: HTTPConnection, lab: Lab) -> _Admission:
    """The user of the session, which is renewed if it has expired. Raises NotSignedIn."""
    token = connection.cookies.get(SESSION_COOKIE, "")
    renewal = connection.cookies.get(cookies.RENEWAL_COOKIE, "")
    if not token and not renewal:
        raise NotSignedIn("You are not signed in.", remedy="Sign in.")
    try:
        return _Admission(lab, Gate(lab).session(token))
    except NotSignedIn:
        if not renewal:
            raise
        renewed = SignIn(lab).renew(renewal)
        return _Admission(lab, Gate(lab).session(renewed.token), renewed)


def _renew_if_possible(connection: HTTPConnection, lab: Lab) -> _Admission:
    if lab.settings.auth == "off":
        return _Admission(lab)
    try:
        return _identify_by_session(connection, lab)
    except NotSignedIn:
        return _Admission(lab)


def _rejection(exc: SpotlabError, connection: HTTPConnection) -> ASGIApp:
    if connection.scope["type"] == "websocket":
        return _close_websocket
    path, is_read = connection.scope["path"], connection.scope["method"] in ("GET", "HEAD")
    if not is_read or path.startswith(ASSET_PREFIXES):
        return PlainTextResponse(f"{exc}\n", status_of(exc), _NO_STORE)
    if isinstance(exc, NotSignedIn):
        return _redirect_to_sign_in(connection)
    return error_page(None, exc)


_NO_STORE: Final = {"Cache-Control": "no-store"}


def _redirect_to_sign_in(connection: HTTPConnection) -> Response:
    if oidc.returned_from_provider(connection.cookies):
        return RedirectResponse(oidc.DONE_PATH, 303, _NO_STORE)
    path, query = connection.scope["path"], connection.url.query
    next_path = f"{quote(path)}?{query}" if query else quote(path)
    url = "/sign-in" if next_path == "/" else f"/sign-in?next={quote(next_path, safe='')}"
    return RedirectResponse(url, 303, _NO_STORE)


async def _close_websocket(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Close a websocket before it is accepted: the browser sees 403."""
    await send({"type": "websocket.close", "code": 1008})


def _with_token(scope: Scope, token: str) -> Scope:
    """The same request with the new session token in its cookie."""
    pairs = [part.strip() for part in HTTPConnection(scope).headers.get("cookie", "").split(";")]
    other_cookies = [pair for pair in pairs if pair and not pair.startswith(f"{SESSION_COOKIE}=")]
    cookie = "; ".join([*other_cookies, f"{SESSION_COOKIE}={token}"])
    headers = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
    return {**scope, "headers": [*headers, (b"cookie", cookie.encode("latin-1"))]}


_SECURITY_HEADERS: Final = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Streamlit sends none of these. They prevent other sites from framing our pages."""


def _adding_security_headers(send: Send) -> Send:
    """Adds the security headers to responses that do not set them."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            message["headers"] = headers.raw
        await send(message)

    return send_with_headers


def _setting_session_cookies(send: Send, signed_in: SignedIn, lab: Lab) -> Send:
    """Adds the cookies of a renewed session to the response."""
    response = Response()
    cookies.set_session_cookies(response, signed_in, lab)
    lines = response.headers.getlist("set-cookie")

    async def send_with_headers(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            message.setdefault("headers", [])
            headers = MutableHeaders(raw=list(message["headers"]))
            for line in lines:
                headers.append("set-cookie", line)
            message["headers"] = headers.raw
        await send(message)

    return send_with_headers
