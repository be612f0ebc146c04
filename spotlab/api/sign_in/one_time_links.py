"""One-time links: the first administrator, and choosing a password.

Looking at a link does not use it up: what previews links in a mail changes nothing.
"""

from __future__ import annotations

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from spotlab.access.api_tokens import hashed
from spotlab.access.sign_in import SignIn
from spotlab.api.sign_in.csrf_forms import new_csrf_token, read_form
from spotlab.api.sign_in.html import NEW_PASSWORD, Field, Form
from spotlab.api.sign_in.responses import endpoint_for, form_page, start_session, visit_of
from spotlab.errors import Forbidden, InvalidInput, NotFound
from spotlab.runtime.lab import Lab
from spotlab.store.one_time_links import Purpose

_FIRST: Final = (
    "The first administrator",
    "Choose a name and a password. You can add everybody else afterwards.",
)


async def show_first(request: Request, lab: Lab) -> Response:
    """The form of the first administrator's link."""
    code = request.query_params.get("code", "")
    await run_in_threadpool(_user_of_link, lab, code, Purpose.FIRST_ADMINISTRATOR)
    return form_page(lab, _first_form("", code, new_csrf_token(lab)), *_FIRST)


async def make_first(request: Request, lab: Lab) -> Response:
    """Add the first administrator, and begin their session."""
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
    """The form of a link to choose a password."""
    code = request.query_params.get("code", "")
    user = await run_in_threadpool(_user_of_link, lab, code, Purpose.CHOOSE_PASSWORD)
    return form_page(lab, _password_form(code, new_csrf_token(lab)), f"Choose a password, {user}")


async def choose_password(request: Request, lab: Lab) -> Response:
    """Set the password, and begin a session."""
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
    """Whose link it is. Raises NotFound, Forbidden."""
    if lab.settings.auth == "oidc":
        raise Forbidden("Users sign in with the provider here; there are no passwords.")
    link = lab.store.links.find(hashed(code), purpose, lab.clock.now())
    if link is None:
        raise NotFound(
            "This link was used, has expired or was never made.",
            remedy="A server that has no user prints a new one when it starts."
            if purpose is Purpose.FIRST_ADMINISTRATOR
            else "Ask an administrator for a new one.",
        )
    return link.user


def _confirmed_password(fields: dict[str, str]) -> str:
    password = fields.get("password", "")
    if password != fields.get("again", ""):
        raise InvalidInput("The two passwords are not the same.", remedy="Type both anew.")
    return password


def _first_form(name: str, code: str, mark: str) -> Form:
    fields = (Field("name", "Name", name, autocomplete="username"), *NEW_PASSWORD)
    buttons = (("", "Create, and sign in"),)
    return Form("/first-administrator", mark, fields, [("code", code)], buttons)


def _password_form(code: str, mark: str) -> Form:
    buttons = (("", "Save, and sign in"),)
    return Form("/choose-password", mark, NEW_PASSWORD, [("code", code)], buttons)


ROUTES: Final[list[BaseRoute]] = [
    Route("/first-administrator", endpoint_for(show_first), methods=["GET"]),
    Route("/first-administrator", endpoint_for(make_first), methods=["POST"]),
    Route("/choose-password", endpoint_for(show_password), methods=["GET"]),
    Route("/choose-password", endpoint_for(choose_password), methods=["POST"]),
]
