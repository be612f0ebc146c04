"""Streamlit's login with an OpenID Connect provider, configured from our settings.

Streamlit communicates with the provider and stores the claims in a signed cookie;
api/sign_in/oidc.py immediately exchanges the cookie for a SpotLab session. The cookie's secret is
derived from our secret key, so every replica can read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from spotlab.access.oidc_users import login_section
from spotlab.settings import load
from spotlab.ui.common import streamlit_internals

PROVIDER: Final = "default"


def secrets() -> dict[str, Any] | None:
    """Streamlit secrets for the provider; None: users sign in with passwords of this server.

    Raises:
        InvalidSetting: SPOTLAB_AUTH is oidc, and one of its settings is missing.
        NotAvailable: there is no secret key.
    """
    settings = load()
    return {"auth": login_section(settings)} if settings.auth == "oidc" else None


class StreamlitLogin:
    """Implements `Login` of api/sign_in/oidc.py."""

    def path(self) -> str:
        """Path of the login; valid for two minutes."""
        token = streamlit_internals.login_token(PROVIDER)
        return f"/auth/login?{urlencode({'provider': token})}"

    def claims(self, sent: Mapping[str, str]) -> dict[str, object] | None:
        """The claims in the login's cookies; None: none, or their signature is not valid."""
        content = streamlit_internals.login_cookie(sent)
        claims = json.loads(content) if content else None
        return claims if isinstance(claims, dict) and claims.get("is_logged_in") is True else None

    def cookie_names(self, sent: Mapping[str, str]) -> Sequence[str]:
        """The names of the login's cookies among those that were sent."""
        return [name for name in sent if name.startswith(streamlit_internals.LOGIN_COOKIES)]
