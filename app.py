"""The launcher: the screens, and what the server answers beside them."""

import streamlit as st

from spotlab.api import provider, server
from spotlab.ui import oidc
from spotlab.ui.errors import show

provider.use(oidc.StreamlitLogin())
app = st.App(
    "spotlab/ui/frame.py",
    secrets=oidc.secrets(),
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
