"""Responses of the sign-in pages: a form, an error, or a new session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from spotlab.access.sessions import SignedIn, Visit
from spotlab.api.identity import client_address
from spotlab.api.problems import status_of
from spotlab.api.sign_in import cookies
from spotlab.api.sign_in.html import Form, page
from spotlab.errors import NotAvailable, SpotlabError, TooManyRequests
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

Handler = Callable[[Request, Lab], Awaitable[Response]]


def endpoint_for(handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that shows errors as pages."""

    async def endpoint(request: Request) -> Response:
        lab: Lab | None = None
        try:
            lab = await run_in_threadpool(app_process.lab)
            if lab.settings.auth == "off":
                return RedirectResponse("/", 303)
            return await handle(request, lab)
        except SpotlabError as exc:
            return error_page(lab, exc)

    return endpoint


def error_page(lab: Lab | None, exc: SpotlabError) -> Response:
    """A page with an error."""
    links = [] if isinstance(exc, NotAvailable) else [("/sign-in", "Go to sign-in")]
    response = page(
        lab, "Something went wrong", failed=str(exc), links=links, status=status_of(exc)
    )
    return with_retry_after(response, exc)


def start_session(lab: Lab, signed_in: SignedIn, next_path: str) -> Response:
    """Set the session cookies and redirect to the next page."""
    response = RedirectResponse(next_path, 303, {"Cache-Control": "no-store"})
    cookies.set_session_cookies(response, signed_in, lab)
    cookies.delete_cookies(response, lab, cookies.FORM_COOKIE)
    return response


def visit_of(request: Request, lab: Lab, name: str = "") -> Visit:
    """Address, browser and known device of the client that signs in as `name`."""
    agent = request.headers.get("user-agent", "")
    device = request.cookies.get(cookies.device_cookie(name), "")
    return Visit(client_address(request, lab), agent, device)


def form_page(
    lab: Lab,
    form: Form,
    title: str,
    lead: str = "",
    *,
    exc: SpotlabError | None = None,
    foot: str = "",
) -> Response:
    """A page with a form, and the error of the previous attempt."""
    failed, status = (str(exc), status_of(exc)) if exc is not None else ("", 200)
    response = page(lab, title, lead=lead, failed=failed, form=form, foot=foot, status=status)
    cookies.set_cookie(response, cookies.FORM_COOKIE, form.csrf_token, lab)
    return response


def with_retry_after(response: Response, exc: SpotlabError) -> Response:
    """The response, with Retry-After if there were too many attempts."""
    if isinstance(exc, TooManyRequests):
        response.headers["Retry-After"] = str(round(exc.retry_after_s))
    return response
