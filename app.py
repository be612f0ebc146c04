"""The launcher: the screens, and what the server answers beside them."""

import streamlit as st

from spotlab.api import held_files, provider, server
from spotlab.ui import oidc
from spotlab.ui.errors import show
from spotlab.ui.held_files import held

provider.use(oidc.StreamlitLogin())
held_files.use(held)
app = st.App(
    "spotlab/ui/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
