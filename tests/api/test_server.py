"""What the server answers at its own paths, before Streamlit is asked."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from spotlab.api.server import ROUTES
from spotlab.ui.common.links import PAGE_TABLE


def test_the_first_screen_answers_at_its_own_name() -> None:
    client = TestClient(Starlette(routes=ROUTES), follow_redirects=False)
    answer = client.get(f"/{PAGE_TABLE[0].name}?search=web&account=acme")
    assert answer.status_code == 307
    assert answer.headers["location"] == "/?search=web&account=acme"
    assert client.get(f"/{PAGE_TABLE[0].name}").headers["location"] == "/"
