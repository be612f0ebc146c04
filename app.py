"""The ASGI application: Streamlit's screens together with the routes of the API."""

import streamlit as st

from spotlab.api import file_access, server
from spotlab.api.sign_in import oidc as sign_in_oidc
from spotlab.ui.common import browser_message_filter, oidc, streamlit_internals
from spotlab.ui.common import file_owners as screens
from spotlab.ui.common.errors import show

sign_in_oidc.register_login(oidc.StreamlitLogin())
browser_message_filter.limit()
file_access.register(screens.watch(), streamlit_internals.uploaded_bytes)
app = st.App(
    "spotlab/ui/common/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
