"""Responses at the server's own paths, which Streamlit does not see."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from spotlab.api.server import ROUTES
from spotlab.ui.common.links import PAGE_TABLE


@pytest.mark.parametrize(
    ("query", "location"), [("", "/"), ("?search=web&account=acme", "/?search=web&account=acme")]
)
def test_the_first_screen_answers_at_its_own_name(query: str, location: str) -> None:
    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=ROUTES))
        async with httpx.AsyncClient(transport=transport, base_url="http://spotlab") as client:
            return await client.get(f"/{PAGE_TABLE[0].name}{query}")

    answer = asyncio.run(get())
    assert answer.status_code == 307
    assert answer.headers["location"] == location
