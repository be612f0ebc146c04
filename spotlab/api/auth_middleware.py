"""The door in front of Streamlit: nobody comes in without a session.

It sees every request and websocket before Streamlit does. What is not named as open is closed, so
that a route which Streamlit adds some day is closed as well. The pages' guard asks again.
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
from spotlab.api import screen_files
from spotlab.api.identity import is_from_us, visitor_of
from spotlab.api.sign_in import cookies, oidc
from spotlab.api.sign_in.responses import refusal, status_of
from spotlab.domain.access import Principal
from spotlab.errors import Forbidden, NotSignedIn, SpotlabError
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

OPEN: Final = frozenset(
    {
        *("/healthz", "/readyz", "/_stcore/health"),
        *("/sign-in", "/sign-out", "/first-administrator", "/choose-password"),
        *("/sign-in.css", "/sign-in.svg", oidc.BEGIN, oidc.DONE),
    }
)
BUNDLE: Final = "/static/"
"""Streamlit's own scripts and styles, the same in every app: they hold nothing of ours."""
OF_THE_LOGIN: Final = frozenset({"/auth/login", "/oauth2callback"})
CLOSED: Final = frozenset({"/_stcore/metrics"})
"""Streamlit's own figures, which it shows to whoever gets here; ours are behind /metrics' token."""
CLOSED_BELOW: Final = "/_stcore/agent"
"""Streamlit's own API for programs, which runs screens; ours is /api. Off by its setting, too."""
ASKED_THERE: Final = ("/api", "/metrics")
"""They ask for themselves who comes; here a session is renewed only."""
NO_PAGES: Final = ("/_stcore/", "/media/", "/component/", "/app/static/", "/auth/")


@dataclass(frozen=True, slots=True)
class _Let:
    """Somebody may come in.

    Args:
        lab: everything there is.
        who: they; None: it is asked where they go.
        renewed: what their browser is to keep from now on; None: what it has.
    """

    lab: Lab
    who: Principal | None = None
    renewed: SignedIn | None = None


class Doorway:
    """ASGI middleware.

    Args:
        app: what lies behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or refuse."""
        if scope["type"] == "http":
            send = _unframed(send)
        if scope["type"] not in ("http", "websocket") or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        if _asks_there(scope) and not _has_session(connection):
            await self._app(scope, receive, send)
            return
        try:
            let = await run_in_threadpool(_look, connection)
        except SpotlabError as exc:
            await _refuse(exc, connection)(scope, receive, send)
            return
        if let.renewed is not None:
            scope = _with_token(scope, let.renewed.token)
            send = _keeping(send, let.renewed, let.lab)
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in OPEN or path.startswith(BUNDLE)


def _asks_there(scope: Scope) -> bool:
    path = scope["path"]
    return any(path == asked or path.startswith(f"{asked}/") for asked in ASKED_THERE)


def _has_session(connection: HTTPConnection) -> bool:
    """Whether there may be one to renew: programs, which send a token, have none."""
    return "authorization" not in connection.headers and "cookie" in connection.headers


def _look(connection: HTTPConnection) -> _Let:
    """Raises NotSignedIn, Forbidden, NotAvailable."""
    lab, path = app_process.lab(), connection.scope["path"]
    if path.rstrip("/") in CLOSED:
        raise Forbidden("This is closed to everybody.", remedy="Figures are at /metrics.")
    if lab.settings.auth == "oidc" and path in OF_THE_LOGIN:
        return _Let(lab)
    if _asks_there(connection.scope):
        return _renewed_if_it_can(connection, lab)
    if connection.scope["type"] == "websocket" and not is_from_us(connection, lab):
        raise Forbidden("Another site opened this websocket.")
    let = _known(connection, lab)
    if let.who is not None:
        screen_files.refuse_foreign(path, let.who)
    if path.startswith(CLOSED_BELOW):
        raise Forbidden("This is closed to everybody.", remedy="Programs use the API; see /api.")
    return let


def _known(connection: HTTPConnection, lab: Lab) -> _Let:
    if lab.settings.auth == "off":
        return _Let(lab, visitor_of(connection, lab))
    try:
        return _session(connection, lab)
    except NotSignedIn:
        visitor = Gate(lab).visitor()
        if visitor is None:
            raise
        return _Let(lab, visitor)


def _session(connection: HTTPConnection, lab: Lab) -> _Let:
    """Whose session it is, and what the browser is to keep from now on. Raises NotSignedIn."""
    token = connection.cookies.get(SESSION_COOKIE, "")
    renewal = connection.cookies.get(cookies.RENEWAL_COOKIE, "")
    if not token and not renewal:
        raise NotSignedIn("You are not signed in.", remedy="Sign in.")
    try:
        return _Let(lab, Gate(lab).session(token))
    except NotSignedIn:
        if not renewal:
            raise
        renewed = SignIn(lab).renew(renewal)
        return _Let(lab, Gate(lab).session(renewed.token), renewed)


def _renewed_if_it_can(connection: HTTPConnection, lab: Lab) -> _Let:
    if lab.settings.auth == "off":
        return _Let(lab)
    try:
        return _session(connection, lab)
    except NotSignedIn:
        return _Let(lab)


def _refuse(exc: SpotlabError, connection: HTTPConnection) -> ASGIApp:
    if connection.scope["type"] == "websocket":
        return _closed
    path, reads = connection.scope["path"], connection.scope["method"] in ("GET", "HEAD")
    if not reads or path.startswith(NO_PAGES):
        return PlainTextResponse(f"{exc}\n", status_of(exc), _NOT_KEPT)
    if isinstance(exc, NotSignedIn):
        return _to_sign_in(connection)
    return refusal(None, exc)


_NOT_KEPT: Final = {"Cache-Control": "no-store"}


def _to_sign_in(connection: HTTPConnection) -> Response:
    if oidc.has_come_back(connection.cookies):
        return RedirectResponse(oidc.DONE, 303, _NOT_KEPT)
    path, query = connection.scope["path"], connection.url.query
    following = f"{quote(path)}?{query}" if query else quote(path)
    to = "/sign-in" if following == "/" else f"/sign-in?next={quote(following, safe='')}"
    return RedirectResponse(to, 303, _NOT_KEPT)


async def _closed(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Before it is accepted: the browser sees 403."""
    await send({"type": "websocket.close", "code": 1008})


def _with_token(scope: Scope, token: str) -> Scope:
    """The same request, as if the browser had sent the new token already."""
    pairs = [part.strip() for part in HTTPConnection(scope).headers.get("cookie", "").split(";")]
    kept = [pair for pair in pairs if pair and not pair.startswith(f"{SESSION_COOKIE}=")]
    cookie = "; ".join([*kept, f"{SESSION_COOKIE}={token}"])
    headers = [pair for pair in scope["headers"] if pair[0] != b"cookie"]
    return {**scope, "headers": [*headers, (b"cookie", cookie.encode("latin-1"))]}


_UNFRAMED: Final = {
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}
"""Streamlit sends none of these: another site must not lay its page over one of ours."""


def _unframed(send: Send) -> Send:
    """Sends these with the head of every answer that does not say otherwise."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", [])))
            for name, value in _UNFRAMED.items():
                headers.setdefault(name, value)
            message["headers"] = headers.raw
        await send(message)

    return sending


def _keeping(send: Send, signed_in: SignedIn, lab: Lab) -> Send:
    """Sends the new cookies with the head of the answer."""
    told = Response()
    cookies.keep(told, signed_in, lab)
    lines = told.headers.getlist("set-cookie")

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.accept"):
            message.setdefault("headers", [])
            headers = MutableHeaders(raw=list(message["headers"]))
            for line in lines:
                headers.append("set-cookie", line)
            message["headers"] = headers.raw
        await send(message)

    return sending
