"""Signing in and out with a local account."""

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

_SESSION: Final = (SESSION_COOKIE, cookies.RENEWAL_COOKIE)


async def show_sign_in(request: Request, lab: Lab) -> Response:
    """The form; whoever is signed in already goes on."""
    following = safe_next_path(request.query_params.get("next"))
    if await run_in_threadpool(_is_signed_in, request, lab):
        return RedirectResponse(following, 303)
    if lab.settings.auth == "oidc":
        return oidc.provider_page(lab, following)
    nobody = not await run_in_threadpool(lab.store.users.any)
    foot = (
        "There are no users yet. The server prints a link for the first administrator when it "
        "starts; spotlab users add makes one too."
        if nobody
        else "Forgotten? An administrator can give you a link to choose a new password."
    )
    return form_page(lab, _sign_in_form("", following, new_csrf_token(lab)), "Sign in", foot=foot)


async def sign_in(request: Request, lab: Lab) -> Response:
    """Check the form, and begin a session."""
    if lab.settings.auth == "oidc":
        raise Forbidden("Users sign in with the provider here.")
    fields = await read_form(request, lab)
    name, following = fields.get("name", ""), safe_next_path(fields.get("next"))
    visit = visit_of(request, lab, name)
    try:
        signed_in = await run_in_threadpool(
            lambda: SignIn(lab).by_password(name, fields.get("password", ""), visit)
        )
    except (NotSignedIn, TooManyRequests) as exc:
        form = _sign_in_form(name, following, new_csrf_token(lab))
        return with_retry_after(form_page(lab, form, "Sign in", exc=exc), exc)
    return start_session(lab, signed_in, following)


async def show_sign_out(request: Request, lab: Lab) -> Response:
    """Ask whether to; a link alone signs nobody out."""
    ticket = await run_in_threadpool(
        lambda: SignIn(lab).ticket_of(*(request.cookies.get(name, "") for name in _SESSION))
    )
    if ticket is None:
        return RedirectResponse("/sign-in", 303)
    buttons = (("here", "Sign out"), ("everywhere", "Sign out on every device"))
    form = Form("/sign-out", new_csrf_token(lab), buttons=buttons)
    return form_page(lab, form, f"Sign {ticket.user} out?")


async def sign_out(request: Request, lab: Lab) -> Response:
    """End the session, here or everywhere."""
    fields = await read_form(request, lab)

    def end() -> None:
        desk = SignIn(lab)
        ticket = desk.ticket_of(*(request.cookies.get(name, "") for name in _SESSION))
        if ticket is not None:
            desk.sign_out(ticket, everywhere=fields.get("do") == "everywhere")

    await run_in_threadpool(end)
    again = [("/sign-in", "Sign in")]
    answer = page(lab, "Signed out", done="Your session has ended.", links=again)
    cookies.delete_cookies(answer, lab)
    return answer


def _is_signed_in(request: Request, lab: Lab) -> bool:
    try:
        Gate(lab).session(request.cookies.get(SESSION_COOKIE, ""))
    except NotSignedIn:
        return False
    return True


def _sign_in_form(name: str, following: str, mark: str) -> Form:
    fields = (
        Field("name", "Name", name, autocomplete="username"),
        Field("password", "Password", secret=True, autocomplete="current-password"),
    )
    return Form("/sign-in", mark, fields, [("next", following)])


async def style(_request: Request) -> Response:
    """The stylesheet of these pages."""
    kept = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(STYLE, media_type="text/css", headers=kept)


async def icon(_request: Request) -> Response:
    """Their icon."""
    kept = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(ICON_SVG, media_type="image/svg+xml", headers=kept)


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
