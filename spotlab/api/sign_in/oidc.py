"""Signing in with an OpenID Connect provider, by Streamlit's own login.

Streamlit's routes speak with the provider and leave a signed cookie. It is exchanged here, at once,
for a session of ours: there is one kind of session, whoever vouches.
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
    """What Streamlit's login offers; see ui/common/oidc.py, which alone may know Streamlit."""

    def path(self) -> str:
        """Where it begins."""
        ...

    def claims(self, sent: Mapping[str, str]) -> dict[str, object] | None:
        """What its cookies say of somebody; None: nothing, or their signature does not hold."""
        ...

    def kept_in(self, sent: Mapping[str, str]) -> Sequence[str]:
        """The names of its cookies among those that were sent."""
        ...


_login: list[Login] = []


def register_login(login: Login) -> None:
    """Let this be the login; called once, by the launcher."""
    _login[:] = [login]


def returned_from_provider(sent: Mapping[str, str]) -> bool:
    """Whether a browser comes from the provider, and has no session of ours yet."""
    return bool(_login and _login[0].kept_in(sent))


def provider_page(lab: Lab, following: str) -> Response:
    """The page that leads to the provider."""
    to = f"{BEGIN_PATH}?next={quote(following, safe='')}"
    return page(
        lab,
        "Sign in",
        lead="Users sign in with the identity provider here.",
        links=[(to, "Sign in with the provider")],
        foot="SpotLab learns your name and e-mail address from it, and no password.",
    )


async def begin(request: Request, lab: Lab) -> Response:
    """To the provider; a cookie remembers where to go on."""
    _require_provider(lab)
    answer = RedirectResponse(_login[0].path(), 303, {"Cache-Control": "no-store"})
    following = quote(safe_next_path(request.query_params.get("next")), safe="/")
    cookies.set_cookie(answer, cookies.NEXT_COOKIE, following, lab)
    return answer


async def done(request: Request, lab: Lab) -> Response:
    """Exchange what the provider vouched for into a session of ours."""
    _require_provider(lab)
    try:
        claims = _login[0].claims(request.cookies)
        if claims is None:
            raise NotSignedIn("The provider has not signed you in.", remedy="Sign in again.")
        signed_in = await run_in_threadpool(_begin, lab, claims, visit_of(request, lab))
        answer = start_session(lab, signed_in, _next_path(request))
    except SpotlabError as exc:
        answer = error_page(lab, exc)
    cookies.delete_cookies(answer, lab, cookies.NEXT_COOKIE, *_login[0].kept_in(request.cookies))
    return answer


def _begin(lab: Lab, claims: dict[str, object], visit: Visit) -> SignedIn:
    return begin_session(lab, Identity.of(claims), visit)


def _next_path(request: Request) -> str:
    return safe_next_path(unquote(request.cookies.get(cookies.NEXT_COOKIE, "")))


def _require_provider(lab: Lab) -> None:
    if lab.settings.auth != "oidc" or not _login:
        raise Forbidden("Users sign in with an account of this server here.")


ROUTES: Final[list[BaseRoute]] = [
    Route(BEGIN_PATH, endpoint_for(begin), methods=["GET"]),
    Route(DONE_PATH, endpoint_for(done), methods=["GET"]),
]
