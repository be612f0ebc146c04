"""How much a browser may have the server hold: files on their way to a page.

Streamlit keeps every file that is sent to it in memory until the session ends or a page lets go of
it. It bounds one file, and neither how many there are nor how many arrive at once, so that one
visitor could fill the server's memory. This stands in front of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX: Final = "/_stcore/upload_file/"
MAX_FILE_BYTES: Final = 64 * 2**20
"""Of one file: `server.maxUploadSize` in .streamlit/config.toml."""
MAX_SESSION_BYTES: Final = 128 * 2**20
"""Of the files of one page that is open."""
MAX_SERVER_BYTES: Final = 512 * 2**20
"""Of the files of all of them."""
MAX_CONCURRENT_UPLOADS: Final = 4
"""How many files arrive at a time; others wait for their turn."""
UPLOAD_TIMEOUT_S: Final = 120.0
"""Until a file that does not arrive is given up."""

StoredBytes = Callable[[str], tuple[int, int]]
"""Bytes that a Streamlit session holds, by its id, and that all of them hold."""

_stored_bytes: list[StoredBytes] = []


def register_stored_bytes(held: StoredBytes) -> None:
    """Count by this; called once, by the launcher, which alone may know Streamlit."""
    _stored_bytes[:] = [held]


class UploadLimitMiddleware:
    """ASGI middleware, behind the door: who gets here is signed in.

    Args:
        app: what lies behind it.
        most_s: seconds that a file may take to arrive.
    """

    def __init__(self, app: ASGIApp, most_s: float = UPLOAD_TIMEOUT_S) -> None:
        self._app = app
        self._most_s = most_s
        self._turns = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a file on in its turn, or refuse it."""
        sends_file = scope["type"] == "http" and scope["method"] in ("PUT", "POST")
        if not sends_file or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        async with self._turns:
            session = scope["path"].removeprefix(PREFIX).partition("/")[0]
            refusal = _rejection(session, Headers(scope=scope).get("content-length", ""))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            try:
                async with asyncio.timeout(self._most_s):
                    await self._app(scope, receive, send)
            except TimeoutError:
                await PlainTextResponse("The file did not arrive.\n", 408)(scope, receive, send)


def _rejection(session: str, length: str) -> PlainTextResponse | None:
    known = length.isascii() and length.isdigit() and len(length) < 16
    coming = int(length) if known else MAX_FILE_BYTES
    of_session, of_all = _stored_bytes[0](session) if _stored_bytes else (0, 0)
    if of_session + coming > MAX_SESSION_BYTES:
        most = MAX_SESSION_BYTES // 2**20
        return PlainTextResponse(f"A page takes files of {most} MB together.\n", 413)
    if of_all + coming > MAX_SERVER_BYTES:
        said = "The server holds as many files as it may; try again when others are done.\n"
        return PlainTextResponse(said, 503, {"Retry-After": "60"})
    return None
