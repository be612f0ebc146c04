"""How the pages of signing in answer: with a form, a refusal, or a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from spotlab.access.sessions import SignedIn, Visit
from spotlab.api.identity import client_address
from spotlab.api.sign_in import cookies
from spotlab.api.sign_in.html import Form, page
from spotlab.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotAvailable,
    NotFound,
    NotSignedIn,
    SpotlabError,
    TooManyRequests,
)
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab

STATUS: Final[dict[type[SpotlabError], int]] = {
    NotSignedIn: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
    NotAvailable: 503,
    InvalidInput: 422,
    SpotlabError: 500,
}
Handler = Callable[[Request, Lab], Awaitable[Response]]


def endpoint_for(handle: Handler) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose failures are pages too."""

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
    """A page that says why not."""
    links = [] if isinstance(exc, NotAvailable) else [("/sign-in", "To the sign-in")]
    answer = page(lab, "That did not work", failed=str(exc), links=links, status=status_of(exc))
    return with_retry_after(answer, exc)


def status_of(exc: SpotlabError) -> int:
    """The HTTP status of an error."""
    return next(code for kind, code in STATUS.items() if isinstance(exc, kind))


def start_session(lab: Lab, signed_in: SignedIn, following: str) -> Response:
    """On to the page that was asked for, with a session."""
    answer = RedirectResponse(following, 303, {"Cache-Control": "no-store"})
    cookies.set_session_cookies(answer, signed_in, lab)
    cookies.delete_cookies(answer, lab, cookies.FORM_COOKIE)
    return answer


def visit_of(request: Request, lab: Lab, name: str = "") -> Visit:
    """Where somebody comes from, who says that this is their name."""
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
    """A page with a form, and what was wrong with what was sent before."""
    failed, status = (str(exc), status_of(exc)) if exc is not None else ("", 200)
    answer = page(lab, title, lead=lead, failed=failed, form=form, foot=foot, status=status)
    cookies.set_cookie(answer, cookies.FORM_COOKIE, form.csrf_token, lab)
    return answer


def with_retry_after(answer: Response, exc: SpotlabError) -> Response:
    """The same, saying when to try again."""
    if isinstance(exc, TooManyRequests):
        answer.headers["Retry-After"] = str(round(exc.retry_after_s))
    return answer
