"""The app: the screens, and the routes and middleware of the server."""

import streamlit as st

from spotlab.api import screen_files, server
from spotlab.api.sign_in import oidc as sign_in_oidc
from spotlab.ui.common import back_messages, oidc
from spotlab.ui.common import screen_files as screens
from spotlab.ui.common.errors import show
from spotlab.ui.common.upload_memory import held

sign_in_oidc.register_login(oidc.StreamlitLogin())
back_messages.limit()
screen_files.register(screens.watch(), held)
app = st.App(
    "spotlab/ui/common/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
