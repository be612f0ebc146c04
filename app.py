"""The launcher: the screens, and what the server answers beside them."""

import streamlit as st

from spotlab.api import server
from spotlab.ui.errors import show

app = st.App(
    "spotlab/ui/frame.py",
    routes=server.ROUTES,
    middleware=server.MIDDLEWARE,
    lifespan=server.lifespan,
    on_script_error=show,
)
