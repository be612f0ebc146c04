"""The launcher: the screens, and a route that says the server answers."""

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from spotlab.ui.errors import show


def healthz(_request: Request) -> PlainTextResponse:
    """For a load balancer: the server answers. It says nothing of the parts behind it."""
    return PlainTextResponse("ok\n")


app = st.App(
    "spotlab/ui/frame.py",
    routes=[Route("/healthz", healthz)],
    on_script_error=show,
)
