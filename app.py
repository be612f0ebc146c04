"""The launcher: the screens, and what the server answers beside them."""

import streamlit as st

from spotlab.api import screen_files, server, upload_limits
from spotlab.api.sign_in import oidc as sign_in_oidc
from spotlab.ui.common import back_messages, oidc
from spotlab.ui.common import screen_files as screens
from spotlab.ui.common.errors import show
from spotlab.ui.common.upload_memory import held

sign_in_oidc.register_login(oidc.StreamlitLogin())
back_messages.limit()
upload_limits.register_stored_bytes(held)
screen_files.register_owners(screens.watch())
app = st.App(
    "spotlab/ui/common/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
