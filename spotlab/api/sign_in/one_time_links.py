"""Pages of one-time links: for the first administrator, and to choose a password.

Opening a link does not use it up, so that link previews in mail programs do no harm.
"""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spotlab.access.api_tokens import hash_secret
from spotlab.access.sign_in import SignIn
from spotlab.api.sign_in.csrf_forms import new_csrf_token, read_form
from spotlab.api.sign_in.html import NEW_PASSWORD, Field, Form
from spotlab.api.sign_in.responses import endpoint_for, form_page, start_session, visit_of
from spotlab.errors import Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.store.one_time_links import Purpose

_FIRST: Final = (
    "The first administrator",
    "Choose a name and a password. You can add other users afterwards.",
)


async def show_first(request: Request, lab: Lab) -> Response:
    """The form for the first administrator."""
    code = request.query_params.get("code", "")
    await run_in_threadpool(_user_of_link, lab, code, Purpose.FIRST_ADMINISTRATOR)
    return form_page(lab, _first_form("", code, new_csrf_token(lab)), *_FIRST)


async def make_first(request: Request, lab: Lab) -> Response:
    """Add the first administrator and sign them in."""
    fields = await read_form(request, lab)
    name, code = fields.get("name", ""), fields.get("code", "")
    visit = visit_of(request, lab)
    await run_in_threadpool(_user_of_link, lab, code, Purpose.FIRST_ADMINISTRATOR)
    try:
        password = _confirmed_password(fields)
        signed_in = await run_in_threadpool(
            lambda: SignIn(lab).by_first_link(code, name, password, visit)
        )
    except InvalidInput as exc:
        return form_page(lab, _first_form(name, code, new_csrf_token(lab)), *_FIRST, exc=exc)
    return start_session(lab, signed_in, "/")


async def show_password(request: Request, lab: Lab) -> Response:
    """The form to choose a password."""
    code = request.query_params.get("code", "")
    user = await run_in_threadpool(_user_of_link, lab, code, Purpose.CHOOSE_PASSWORD)
    return form_page(lab, _password_form(code, new_csrf_token(lab)), f"Choose a password, {user}")


async def choose_password(request: Request, lab: Lab) -> Response:
    """Set the password and sign the user in."""
    fields = await read_form(request, lab)
    code, visit = fields.get("code", ""), visit_of(request, lab)
    user = await run_in_threadpool(_user_of_link, lab, code, Purpose.CHOOSE_PASSWORD)
    try:
        password = _confirmed_password(fields)
        signed_in = await run_in_threadpool(
            lambda: SignIn(lab).by_password_link(code, user, password, visit)
        )
    except InvalidInput as exc:
        form = _password_form(code, new_csrf_token(lab))
        return form_page(lab, form, f"Choose a password, {user}", exc=exc)
    return start_session(lab, signed_in, "/")


def _user_of_link(lab: Lab, code: str, purpose: Purpose) -> str:
    """The user of a valid link. Raises NotFound, Forbidden."""
    if lab.settings.auth == "oidc":
        raise Forbidden("Users sign in with an identity provider here; there are no passwords.")
    link = lab.store.links.find(hash_secret(code), purpose, lab.clock.now())
    if link is None:
        raise NotFound(
            "This link is not valid: it was used, has expired or never existed.",
            remedy="A server without users prints a new link when it starts."
            if purpose is Purpose.FIRST_ADMINISTRATOR
            else "Ask an administrator for a new link.",
        )
    return link.user


def _confirmed_password(fields: dict[str, str]) -> str:
    password = fields.get("password", "")
    if password != fields.get("again", ""):
        raise InvalidInput("The two passwords differ.", remedy="Enter both again.")
    return password


def _first_form(name: str, code: str, csrf_token: str) -> Form:
    fields = (Field("name", "Name", name, autocomplete="username"), *NEW_PASSWORD)
    buttons = (("", "Create and sign in"),)
    return Form("/first-administrator", csrf_token, fields, [("code", code)], buttons)


def _password_form(code: str, csrf_token: str) -> Form:
    buttons = (("", "Save and sign in"),)
    return Form("/choose-password", csrf_token, NEW_PASSWORD, [("code", code)], buttons)


ROUTES: Final[list[BaseRoute]] = [
    Route("/first-administrator", endpoint_for(show_first), methods=["GET"]),
    Route("/first-administrator", endpoint_for(make_first), methods=["POST"]),
    Route("/choose-password", endpoint_for(show_password), methods=["GET"]),
    Route("/choose-password", endpoint_for(choose_password), methods=["POST"]),
]
