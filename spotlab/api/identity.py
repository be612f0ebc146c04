"""The principal of a request: by API token, by session cookie, or as a visitor."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.access.loopback import is_loopback
from spotlab.domain.access import Principal
from spotlab.errors import Forbidden, NotSignedIn
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def principal_of(connection: HTTPConnection) -> Principal:
    """The principal that sends a request or opens a websocket.

    Raises:
        NotSignedIn: there is no valid token or session.
        Forbidden: another site made the browser send the request.
        DatabaseDown, NotAvailable: the token or session cannot be checked now.
    """
    lab = app_process.lab()
    gate = Gate(lab)
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn("Only bearer tokens are supported.", remedy="Send an API token.")
        return gate.bearer(token.strip())
    cookie = connection.cookies.get(SESSION_COOKIE)
    if cookie is not None and lab.settings.auth != "off":
        require_same_origin(connection, lab)
        return gate.session(cookie)
    return visitor_of(connection, lab)


def is_known(connection: HTTPConnection) -> bool:
    """Whether `principal_of` needs no database query, so that the event loop may call it.

    The lab must be open.
    """
    lab = app_process.lab()
    _, _, token = connection.headers.get("authorization", "").partition(" ")
    if token:
        return Gate(lab).knows(token.strip())
    return lab.settings.auth == "off"


def visitor_of(connection: HTTPConnection, lab: Lab) -> Principal:
    """The principal of a request without token and session.

    Raises:
        NotSignedIn: visitors must sign in.
        Forbidden: sign-in is off and the request is not from this machine, or another site sent it.
    """
    visitor = Gate(lab).visitor()
    if visitor is None:
        raise NotSignedIn("You are not signed in.", remedy="Sign in, or send an API token.")
    if lab.settings.auth == "off" and not _is_over_loopback(connection):
        raise Forbidden(
            "Sign-in is off, so that only requests from this machine are allowed.",
            remedy="Set SPOTLAB_AUTH=accounts.",
        )
    require_same_origin(connection, lab)
    return visitor


def require_same_origin(connection: HTTPConnection, lab: Lab) -> None:
    """Check that a request changes nothing or comes from a page of this server.

    Raises:
        Forbidden: another site made the browser send it.
    """
    websocket = connection.scope["type"] == "websocket"
    if not websocket and connection.scope["method"] in SAFE_METHODS:
        return
    if not is_same_origin(connection, lab):
        raise Forbidden(
            "This request does not come from a page of this server.",
            remedy="Open the page directly. Programs send an API token instead of a cookie.",
        )


def is_same_origin(connection: HTTPConnection, lab: Lab) -> bool:
    """Whether a page of this server sent the request, according to the browser's headers.

    Browsers always send the origin of a websocket. A client that sends no such header is not a
    browser; it is accepted unless a browser could have been tricked into sending a cookie.
    """
    site, origin = (connection.headers.get(name) for name in ("sec-fetch-site", "origin"))
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        own_hosts = {connection.headers.get("host"), _host(lab.settings.public_url)}
        return _host(origin) in own_hosts - {""}  # the origin is "null" if the page hides it
    no_browser = connection.scope["type"] == "websocket" or lab.settings.auth == "off"
    return site is not None or no_browser


def client_address(connection: HTTPConnection, lab: Lab) -> str:
    """IP address of the client, as reported by the outermost trusted proxy if there is one."""
    trusted = {part.strip() for part in lab.settings.trusted_proxies.split(",")}
    address = connection.client.host if connection.client else ""
    # Some proxies add a header of their own after the client's, instead of extending it.
    forwarded_for = ",".join(connection.headers.getlist("x-forwarded-for"))
    hops = [part.strip() for part in forwarded_for.split(",")]
    while address in trusted and hops and hops[-1]:
        address = hops.pop()
    return address[:64]


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _is_over_loopback(connection: HTTPConnection) -> bool:
    """Whether client, server and host name are all loopback.

    The host name is checked to reject sites whose name resolves to 127.0.0.1 (DNS rebinding).
    """
    name = urlsplit(f"//{connection.headers.get('host', '')}").hostname
    server = connection.scope.get("server")
    client = connection.client
    ends = [server[0] if server else None, client.host if client else None, name]
    return all(is_loopback(end) for end in ends)
