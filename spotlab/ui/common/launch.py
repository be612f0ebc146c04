"""What the server needs of the screens when it starts; imports the rest when it is called."""

from __future__ import annotations

from typing import Any

from spotlab.settings import load


def secrets() -> dict[str, Any] | None:
    """Streamlit secrets for the OpenID Connect provider; None: it is not used.

    Raises:
        InvalidSetting: SPOTLAB_AUTH is oidc, and one of its settings is missing.
        NotAvailable: there is no secret key.
    """
    if load().auth != "oidc":
        return None
    from spotlab.ui.common import oidc

    return oidc.secrets()


def show_error(exc: Exception) -> bool:
    """Show an error of a page as a message; see `errors.show`."""
    from spotlab.ui.common import errors

    return errors.show(exc)
