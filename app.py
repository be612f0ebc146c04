"""The launcher: the screens, and what the server answers beside them."""

import streamlit as st

from spotlab.api import held_files, provider, screen_files, server
from spotlab.ui import back_messages, oidc
from spotlab.ui import screen_files as screens
from spotlab.ui.errors import show
from spotlab.ui.held_files import held

provider.use(oidc.StreamlitLogin())
back_messages.limit()
held_files.use(held)
screen_files.use(screens.watch())
app = st.App(
    "spotlab/ui/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
