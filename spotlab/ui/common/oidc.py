"""Streamlit's own login with an OpenID Connect provider, from our settings.

Streamlit speaks with the provider and keeps what it says in a signed cookie; api/sign_in/oidc.py
exchanges that, at once, for a session of ours. The cookie's secret is derived from our secret key,
so every replica reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from streamlit.auth_util import encode_provider_token, get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import (
    TOKENS_COOKIE_NAME,
    USER_COOKIE_NAME,
)

from spotlab.access.oidc_users import login_section
from spotlab.settings import load

PROVIDER: Final = "default"


def secrets() -> dict[str, Any] | None:
    """What `st.App` is to know of the provider; None: users have accounts of this server.

    Raises:
        InvalidSetting: SPOTLAB_AUTH is oidc, and one of its settings is missing.
        NotAvailable: there is no secret key.
    """
    settings = load()
    return {"auth": login_section(settings)} if settings.auth == "oidc" else None


class StreamlitLogin:
    """Implements api/sign_in/oidc.py's Login."""

    def path(self) -> str:
        """Where it begins, for two minutes."""
        return f"/auth/login?{urlencode({'provider': encode_provider_token(PROVIDER)})}"

    def claims(self, sent: Mapping[str, str]) -> dict[str, object] | None:
        """What its cookies say of somebody; None: nothing, or their signature does not hold."""

        def read(name: str) -> bytes | None:
            value = sent.get(name)
            if value is None:
                return None
            return decode_signed_value(get_cookie_secret(), name, value.encode("latin-1"))

        text = get_cookie_with_chunks(read, USER_COOKIE_NAME)
        told = json.loads(text) if text else None
        return told if isinstance(told, dict) and told.get("is_logged_in") is True else None

    def kept_in(self, sent: Mapping[str, str]) -> Sequence[str]:
        """The names of its cookies among those that were sent."""
        prefixes = (USER_COOKIE_NAME, TOKENS_COOKIE_NAME)
        return [name for name in sent if name.startswith(prefixes)]
