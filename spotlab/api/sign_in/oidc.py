"""Sign-in with an OpenID Connect provider, through Streamlit's login.

Streamlit's routes talk to the provider and set a signed cookie. It is immediately exchanged here
for a SpotLab session, so that there is only one kind of session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from spotlab.access.oidc_users import Identity, begin_session
from spotlab.access.sessions import SignedIn, Visit
from spotlab.api.sign_in import cookies
from spotlab.api.sign_in.csrf_forms import safe_next_path
from spotlab.api.sign_in.html import page
from spotlab.api.sign_in.responses import endpoint_for, error_page, start_session, visit_of
from spotlab.errors import Forbidden, NotSignedIn, SpotlabError
from spotlab.runtime.lab import Lab

BEGIN_PATH: Final = "/sign-in/provider"
DONE_PATH: Final = "/sign-in/provider/done"


class Login(Protocol):
    """Streamlit's login; implemented in ui/common/oidc.py, because only `ui` may use Streamlit."""

    def path(self) -> str:
        """Path at which the login starts."""
        ...

    def claims(self, sent: Mapping[str, str]) -> dict[str, object] | None:
        """The claims in its cookies; None if there are none or their signature is invalid."""
        ...

    def cookie_names(self, sent: Mapping[str, str]) -> Sequence[str]:
        """The names of its cookies among the ones sent."""
        ...


_login: list[Login] = []


def register_login(login: Login) -> None:
    """Set the login; called once by app.py."""
    _login[:] = [login]


def returned_from_provider(sent: Mapping[str, str]) -> bool:
    """Whether a browser returns from the provider and has no SpotLab session yet."""
    return bool(_login and _login[0].cookie_names(sent))


def provider_page(lab: Lab, next_path: str) -> Response:
    """The page with the link to the provider."""
    url = f"{BEGIN_PATH}?next={quote(next_path, safe='')}"
    return page(
        lab,
        "Sign in",
        lead="Sign in with your identity provider.",
        links=[(url, "Sign in with the provider")],
        foot="SpotLab receives your name and e-mail address from it, but no password.",
    )


async def begin(request: Request, lab: Lab) -> Response:
    """Redirect to the provider; a cookie stores the path to open afterwards."""
    _require_provider(lab)
    response = RedirectResponse(_login[0].path(), 303, {"Cache-Control": "no-store"})
    next_path = quote(safe_next_path(request.query_params.get("next")), safe="/")
    cookies.set_cookie(response, cookies.NEXT_COOKIE, next_path, lab)
    return response


async def done(request: Request, lab: Lab) -> Response:
    """Exchange the provider's claims for a SpotLab session."""
    _require_provider(lab)
    try:
        claims = _login[0].claims(request.cookies)
        if claims is None:
            raise NotSignedIn("The identity provider did not sign you in.", remedy="Sign in again.")
        signed_in = await run_in_threadpool(_begin, lab, claims, visit_of(request, lab))
        response = start_session(lab, signed_in, _next_path(request))
    except SpotlabError as exc:
        response = error_page(lab, exc)
    cookies.delete_cookies(
        response, lab, cookies.NEXT_COOKIE, *_login[0].cookie_names(request.cookies)
    )
    return response


def _begin(lab: Lab, claims: dict[str, object], visit: Visit) -> SignedIn:
    return begin_session(lab, Identity.of(claims), visit)


def _next_path(request: Request) -> str:
    return safe_next_path(unquote(request.cookies.get(cookies.NEXT_COOKIE, "")))


def _require_provider(lab: Lab) -> None:
    if lab.settings.auth != "oidc" or not _login:
        raise Forbidden("This server does not use an identity provider.")


ROUTES: Final[list[BaseRoute]] = [
    Route(BEGIN_PATH, endpoint_for(begin), methods=["GET"]),
    Route(DONE_PATH, endpoint_for(done), methods=["GET"]),
]
