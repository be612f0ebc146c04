"""Pages to sign in with a password and to sign out."""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from spotlab.access.authentication import SESSION_COOKIE, Gate
from spotlab.access.sign_in import SignIn
from spotlab.api.sign_in import cookies, oidc, one_time_links
from spotlab.api.sign_in.csrf_forms import new_csrf_token, read_form, safe_next_path
from spotlab.api.sign_in.html import ICON_SVG, STYLE, Field, Form, page
from spotlab.api.sign_in.responses import (
    endpoint_for,
    form_page,
    start_session,
    visit_of,
    with_retry_after,
)
from spotlab.errors import Forbidden, NotSignedIn, TooManyRequests
from spotlab.runtime.lab import Lab

_STATIC_HEADERS: Final = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
_SESSION: Final = (SESSION_COOKIE, cookies.RENEWAL_COOKIE)


async def show_sign_in(request: Request, lab: Lab) -> Response:
    """The sign-in form; a user who is already signed in is redirected."""
    next_path = safe_next_path(request.query_params.get("next"))
    if await run_in_threadpool(_is_signed_in, request, lab):
        return RedirectResponse(next_path, 303)
    if lab.settings.auth == "oidc":
        return oidc.provider_page(lab, next_path)
    no_users = not await run_in_threadpool(lab.store.users.any)
    foot = (
        "There are no users yet. The server prints a link for the first administrator when it "
        "starts; spotlab users add prints one as well."
        if no_users
        else "Forgot your password? An administrator can send you a link to choose a new one."
    )
    return form_page(lab, _sign_in_form("", next_path, new_csrf_token(lab)), "Sign in", foot=foot)


async def sign_in(request: Request, lab: Lab) -> Response:
    """Check the password and sign the user in."""
    if lab.settings.auth == "oidc":
        raise Forbidden("Users sign in with an identity provider here.")
    fields = await read_form(request, lab)
    name, next_path = fields.get("name", ""), safe_next_path(fields.get("next"))
    visit = visit_of(request, lab, name)
    try:
        signed_in = await run_in_threadpool(
            lambda: SignIn(lab).by_password(name, fields.get("password", ""), visit)
        )
    except (NotSignedIn, TooManyRequests) as exc:
        form = _sign_in_form(name, next_path, new_csrf_token(lab))
        return with_retry_after(form_page(lab, form, "Sign in", exc=exc), exc)
    return start_session(lab, signed_in, next_path)


async def show_sign_out(request: Request, lab: Lab) -> Response:
    """Ask for confirmation, because a link alone must not sign a user out."""
    ticket = await run_in_threadpool(
        lambda: SignIn(lab).ticket_of(*(request.cookies.get(name, "") for name in _SESSION))
    )
    if ticket is None:
        return RedirectResponse("/sign-in", 303)
    buttons = (("here", "Sign out"), ("everywhere", "Sign out on every device"))
    form = Form("/sign-out", new_csrf_token(lab), buttons=buttons)
    return form_page(lab, form, f"Sign {ticket.user} out?")


async def sign_out(request: Request, lab: Lab) -> Response:
    """End the session on this device or all of the user's sessions."""
    fields = await read_form(request, lab)

    def end_session() -> None:
        service = SignIn(lab)
        ticket = service.ticket_of(*(request.cookies.get(name, "") for name in _SESSION))
        if ticket is not None:
            service.sign_out(ticket, everywhere=fields.get("do") == "everywhere")

    await run_in_threadpool(end_session)
    links = [("/sign-in", "Sign in")]
    response = page(lab, "Signed out", done="Your session has ended.", links=links)
    cookies.delete_cookies(response, lab)
    return response


def _is_signed_in(request: Request, lab: Lab) -> bool:
    try:
        Gate(lab).session(request.cookies.get(SESSION_COOKIE, ""))
    except NotSignedIn:
        return False
    return True


def _sign_in_form(name: str, next_path: str, csrf_token: str) -> Form:
    fields = (
        Field("name", "Name", name, autocomplete="username"),
        Field("password", "Password", secret=True, autocomplete="current-password"),
    )
    return Form("/sign-in", csrf_token, fields, [("next", next_path)])


async def style(_request: Request) -> Response:
    """The stylesheet of the sign-in pages."""
    return Response(STYLE, media_type="text/css", headers=_STATIC_HEADERS)


async def icon(_request: Request) -> Response:
    """The icon of the sign-in pages."""
    return Response(ICON_SVG, media_type="image/svg+xml", headers=_STATIC_HEADERS)


SIGN_IN_ROUTES: Final[list[BaseRoute]] = [
    Route("/sign-in", endpoint_for(show_sign_in), methods=["GET"]),
    Route("/sign-in", endpoint_for(sign_in), methods=["POST"]),
    Route("/sign-out", endpoint_for(show_sign_out), methods=["GET"]),
    Route("/sign-out", endpoint_for(sign_out), methods=["POST"]),
    *one_time_links.ROUTES,
    *oidc.ROUTES,
    Route("/sign-in.css", style),
    Route("/sign-in.svg", icon),
]
