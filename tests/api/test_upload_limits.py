"""Limits of uploads: size, total size, and number at a time."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from spotlab.api import file_access, server
from spotlab.api.file_access import MAX_CONCURRENT_UPLOADS, MAX_FILE_BYTES, UploadLimitMiddleware
from spotlab.ui.backtests import form as backtests
from spotlab.ui.models import comparison_form as comparisons
from spotlab.ui.models import upload

MB = 2**20
ROOT = Path(__file__).parents[2]


class Streamlit:
    """Stores files like Streamlit; if `gate` is set, only when it opens."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self.arriving = self.most_at_once = 0
        self.gate: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.arriving += 1
        self.most_at_once = max(self.most_at_once, self.arriving)
        try:
            if self.gate is not None:
                await self.gate.wait()
            session = scope["path"].split("/")[3]
            body = await Request(scope, receive).body()
            self.sizes[session] = self.sizes.get(session, 0) + len(body)
            await PlainTextResponse("", 204)(scope, receive, send)
        finally:
            self.arriving -= 1

    def held(self, session: str) -> tuple[int, int]:
        return self.sizes.get(session, 0), sum(self.sizes.values())


@pytest.fixture
def streamlit() -> Iterator[Streamlit]:
    before, kept = list(file_access._stored_bytes), Streamlit()
    file_access._stored_bytes[:] = [kept.held]
    yield kept
    file_access._stored_bytes[:] = before


async def put(app: UploadLimitMiddleware, session: str, size: int, *, chunked: bool = False) -> int:
    async def parts() -> object:
        yield bytes(size)

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
        content = parts() if chunked else bytes(size)
        path = f"/_stcore/upload_file/{session}/f"
        return (await client.put(path, content=content)).status_code


def test_a_page_holds_no_more_than_it_may(streamlit: Streamlit) -> None:
    app = UploadLimitMiddleware(streamlit)

    statuses = [asyncio.run(put(app, "mine", 50 * MB)) for _ in range(4)]

    assert statuses == [204, 204, 413, 413]
    assert asyncio.run(put(app, "theirs", 50 * MB)) == 204


def test_all_pages_together_hold_no_more_than_the_server_may(streamlit: Streamlit) -> None:
    streamlit.sizes = {f"page-{number}": 100 * MB for number in range(5)}
    app = UploadLimitMiddleware(streamlit)

    assert asyncio.run(put(app, "new", 20 * MB)) == 503
    assert asyncio.run(put(app, "new", 1 * MB)) == 204


def test_a_file_that_does_not_say_its_size_counts_as_the_largest(streamlit: Streamlit) -> None:
    streamlit.sizes = {"mine": 70 * MB}
    app = UploadLimitMiddleware(streamlit)

    assert asyncio.run(put(app, "mine", 1, chunked=True)) == 413
    assert asyncio.run(put(app, "other", 1, chunked=True)) == 204


def test_few_files_arrive_at_a_time_and_none_for_ever(streamlit: Streamlit) -> None:
    async def many() -> list[int]:
        streamlit.gate = asyncio.Event()
        app = UploadLimitMiddleware(streamlit)
        waiting = [asyncio.create_task(put(app, f"page-{n}", 10)) for n in range(20)]
        while streamlit.arriving < MAX_CONCURRENT_UPLOADS:
            await asyncio.sleep(0)
        streamlit.gate.set()
        return await asyncio.gather(*waiting)

    assert set(asyncio.run(many())) == {204}
    assert streamlit.most_at_once == MAX_CONCURRENT_UPLOADS

    async def never() -> int:
        streamlit.gate = asyncio.Event()
        return await put(UploadLimitMiddleware(streamlit, timeout_s=0.0), "slow", 10)

    assert asyncio.run(never()) == 408


def test_other_requests_pass(streamlit: Streamlit) -> None:
    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("a page")(scope, receive, send)

    async def get() -> int:
        transport = httpx.ASGITransport(UploadLimitMiddleware(page))
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            return (await client.get("/models")).status_code

    streamlit.sizes = {"mine": 10_000 * MB}
    assert asyncio.run(get()) == 200


def test_streamlit_takes_no_larger_file_than_is_counted_with() -> None:
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())

    assert config["server"]["maxUploadSize"] * MB == MAX_FILE_BYTES
    for most_mb in (backtests.MAX_MB, comparisons.MOST_MB, upload.MOST_MB):
        assert most_mb * MB <= MAX_FILE_BYTES


def test_the_server_counts_behind_its_door() -> None:
    kinds = [middleware.cls.__name__ for middleware in server.MIDDLEWARE]
    assert kinds.index("AuthMiddleware") < kinds.index("UploadLimitMiddleware")
    assert (
        "file_access.register(screens.watch(), streamlit_internals.uploaded_bytes)"
        in (ROOT / "app.py").read_text()
    )
