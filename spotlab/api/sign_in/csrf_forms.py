"""Forms of plain pages: read, and refused where another site sent them."""

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
    """What a form carries, and a cookie too: another site knows neither."""
    nonce = secrets.token_urlsafe(18)
    return f"{nonce}.{_signature(nonce, lab)}"


async def read_form(request: Request, lab: Lab) -> dict[str, str]:
    """The fields of a form that a page of ours sent.

    Raises:
        InvalidInput: it is too large, or no form.
        Forbidden: no page of ours sent it.
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
        raise InvalidInput("That is no form.") from None
    mark, kept = fields.pop(FIELD, ""), request.cookies.get(FORM_COOKIE, "")
    nonce, _, signature = kept.partition(".")
    right = hmac.compare_digest(signature.encode(), _signature(nonce, lab).encode())
    if not right or not hmac.compare_digest(mark.encode(), kept.encode()):
        raise Forbidden(
            "This form was open for too long, or was not sent by a page of this server.",
            remedy="Fill it in once more; the browser has to accept cookies.",
        )
    return fields


def safe_next_path(path: str | None) -> str:
    """A path of this server to go on to; "/" where it is none, or leads back to signing in."""
    if not path or len(path) > MAX_PATH_LENGTH or path[0] != "/" or path[1:2] in ("/", "\\"):
        return "/"
    if "\\" in path or any(ord(sign) < 0x21 or ord(sign) == 0x7F for sign in path):
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
