"""Who sends a request: by API token, by the browser's session, or as a visitor."""

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
    """Who sends a request or opens a websocket.

    Raises:
        NotSignedIn: nobody that is known.
        Forbidden: a browser was led here by another site.
        DatabaseDown, NotAvailable: it cannot be looked up now.
    """
    lab = app_process.lab()
    gate = Gate(lab)
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise NotSignedIn("Only bearer tokens are understood.", remedy="Send an API token.")
        return gate.bearer(token.strip())
    cookie = connection.cookies.get(SESSION_COOKIE)
    if cookie is not None and lab.settings.auth != "off":
        require_same_origin(connection, lab)
        return gate.session(cookie)
    return visitor_of(connection, lab)


def is_known(connection: HTTPConnection) -> bool:
    """Whether `principal_of` needs no look at the database now, so that it may be asked in the
    event loop. The lab has been opened before."""
    lab = app_process.lab()
    _, _, token = connection.headers.get("authorization", "").partition(" ")
    if token:
        return Gate(lab).knows(token.strip())
    return lab.settings.auth == "off"


def visitor_of(connection: HTTPConnection, lab: Lab) -> Principal:
    """Who comes with nothing.

    Raises:
        NotSignedIn: they have to sign in.
        Forbidden: there is no sign-in, and they do not come over loopback or by another site.
    """
    visitor = Gate(lab).visitor()
    if visitor is None:
        raise NotSignedIn("You are not signed in.", remedy="Sign in, or send an API token.")
    if lab.settings.auth == "off" and not _is_over_loopback(connection):
        raise Forbidden(
            "There is no sign-in here, so only this machine is answered.",
            remedy="Set SPOTLAB_AUTH=accounts.",
        )
    require_same_origin(connection, lab)
    return visitor


def require_same_origin(connection: HTTPConnection, lab: Lab) -> None:
    """Nothing, if the request changes nothing or comes from a page of ours.

    Raises:
        Forbidden: another site made the browser send it.
    """
    websocket = connection.scope["type"] == "websocket"
    if not websocket and connection.scope["method"] in SAFE_METHODS:
        return
    if not is_same_origin(connection, lab):
        raise Forbidden(
            "This request does not come from a page of this server.",
            remedy="Open the page itself; a program sends an API token instead of a cookie.",
        )


def is_same_origin(connection: HTTPConnection, lab: Lab) -> bool:
    """Whether a browser says that a page of ours sent this.

    A browser always says where a websocket comes from. What says nothing at all is none, and is
    let through where there is no cookie that a browser could have been tricked into sending.
    """
    site, origin = (connection.headers.get(name) for name in ("sec-fetch-site", "origin"))
    if site is not None and site != "same-origin":
        return False
    if origin is not None:
        ours = {connection.headers.get("host"), _host(lab.settings.public_url)}
        return _host(origin) in ours - {""}  # "null", of a page that hides where it is from
    no_browser = connection.scope["type"] == "websocket" or lab.settings.auth == "off"
    return site is not None or no_browser


def client_address(connection: HTTPConnection, lab: Lab) -> str:
    """Where a request comes from: behind proxies that are believed, what the last of them says."""
    trusted = {part.strip() for part in lab.settings.trusted_proxies.split(",")}
    address = connection.client.host if connection.client else ""
    # Some proxies add a line of their own below what a visitor claims, rather than to its end.
    said = ",".join(connection.headers.getlist("x-forwarded-for"))
    hops = [part.strip() for part in said.split(",")]
    while address in trusted and hops and hops[-1]:
        address = hops.pop()
    return address[:64]


def _host(address: str) -> str:
    return urlsplit(address).netloc


def _is_over_loopback(connection: HTTPConnection) -> bool:
    """Whether both ends are this machine, under a name of its own: a page of another site that
    has its own name resolved to 127.0.0.1 is refused."""
    name = urlsplit(f"//{connection.headers.get('host', '')}").hostname
    server = connection.scope.get("server")
    client = connection.client
    ends = [server[0] if server else None, client.host if client else None, name]
    return all(is_loopback(end) for end in ends)
