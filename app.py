"""The ASGI application: Streamlit's screens together with the routes of the API.

It responds before SpotLab is imported; see spotlab/api/startup.py.
"""

import streamlit as st

from spotlab.api import startup
from spotlab.ui.common import launch


def connect_screens() -> None:
    """Connect sign-in, messages and files of the screens with the server."""
    from spotlab.api import file_access
    from spotlab.api.sign_in import oidc as sign_in_oidc
    from spotlab.ui.common import browser_message_filter, oidc, streamlit_internals
    from spotlab.ui.common import file_owners as screens

    sign_in_oidc.register_login(oidc.StreamlitLogin())
    browser_message_filter.limit()
    streamlit_internals.keep_url_in_fragment_runs()
    file_access.register(screens.watch(), streamlit_internals.uploaded_bytes)


startup.STARTUP.prepare_with(connect_screens)
app = st.App(
    "spotlab/ui/common/frame.py",
    secrets=launch.secrets(),
    middleware=startup.MIDDLEWARE,
    lifespan=startup.lifespan,
    on_script_error=launch.show_error,
)
