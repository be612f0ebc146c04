"""Reading forms, protected against cross-site request forgery (CSRF)."""

from __future__ import annotations

import hmac
import secrets
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from spotlab.access.secret_key import secret_key
from spotlab.api.identity import require_same_origin
from spotlab.api.sign_in.cookies import FORM_COOKIE
from spotlab.errors import Forbidden, InvalidInput
from spotlab.runtime.lab import Lab

MAX_FORM_BYTES: Final = 16 * 1024
MAX_PATH_LENGTH: Final = 2000
FIELD: Final = "form"
_SIGN_IN_PATHS: Final = ("/sign-in", "/sign-out", "/first-administrator", "/choose-password")


def new_csrf_token(lab: Lab) -> str:
    """A CSRF token, for a form field and a cookie; other sites know neither."""
    nonce = secrets.token_urlsafe(18)
    return f"{nonce}.{_signature(nonce, lab)}"


async def read_form(request: Request, lab: Lab) -> dict[str, str]:
    """The fields of a form that a page of this server sent.

    Raises:
        InvalidInput: the body is too large or not a form.
        Forbidden: the form is not from a page of this server.
    """
    require_same_origin(request, lab)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise InvalidInput("The form is too large.")
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise InvalidInput("The request is not a valid form.") from None
    token, cookie = fields.pop(FIELD, ""), request.cookies.get(FORM_COOKIE, "")
    nonce, _, signature = cookie.partition(".")
    is_valid = hmac.compare_digest(signature.encode(), _signature(nonce, lab).encode())
    if not is_valid or not hmac.compare_digest(token.encode(), cookie.encode()):
        raise Forbidden(
            "This form was open for too long, or was not sent by a page of this server.",
            remedy="Fill in the form again. The browser must accept cookies.",
        )
    return fields


def safe_next_path(path: str | None) -> str:
    """The path to open after sign-in; "/" unless it is a path of this server other than sign-in."""
    if not path or len(path) > MAX_PATH_LENGTH or path[0] != "/" or path[1:2] in ("/", "\\"):
        return "/"
    if "\\" in path or any(ord(character) < 0x21 or ord(character) == 0x7F for character in path):
        return "/"
    try:
        parts = urlsplit(path)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.rstrip("/") in _SIGN_IN_PATHS:
        return "/"
    return path


def _signature(nonce: str, lab: Lab) -> str:
    key = secret_key(lab.settings).derived("forms")
    return hmac.digest(key, nonce.encode(), "sha256").hex()
