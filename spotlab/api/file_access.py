"""Files of screens: who may get and send them, and how many bytes of uploads the server stores.

Streamlit serves an image or export to anyone who knows its address, and accepts an upload from
anyone who knows a screen's. The checks here limit both to the user of the screen. Streamlit also
keeps every upload in memory until its session ends or a page releases it. It limits the size of a
file, but neither the number of files nor concurrent uploads: one visitor could fill the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from spotlab.domain.access import Principal, Right
from spotlab.errors import Forbidden, NotFound

MEDIA_PREFIX: Final = "/media/"
UPLOAD_PREFIX: Final = "/_stcore/upload_file/"
_UPLOAD_RIGHTS: Final = (Right.BACKTEST, Right.UPLOAD_MODELS)
"""Users without any of these see no form that accepts a file."""
MAX_FILE_BYTES: Final = 64 * 2**20
"""Per file; the same as `server.maxUploadSize` in .streamlit/config.toml."""
MAX_SESSION_BYTES: Final = 128 * 2**20
"""For all files of one open page."""
MAX_SERVER_BYTES: Final = 512 * 2**20
"""For all files of all pages."""
MAX_CONCURRENT_UPLOADS: Final = 4
"""Further uploads wait."""
UPLOAD_TIMEOUT_S: Final = 120.0
"""Longest time for one upload."""


class FileOwners(Protocol):
    """Owners of files and screens; ui/common/screen_files.py implements it with Streamlit."""

    def made_for(self, file_id: str, user: str) -> bool:
        """Whether a file was made for a screen of the user."""
        ...

    def is_screen_of(self, session_id: str, user: str) -> bool:
        """Whether a screen belongs to the user."""
        ...


StoredBytes = Callable[[str], tuple[int, int]]
"""Uploaded bytes of one Streamlit session, by its id, and of all sessions."""

_owners: list[FileOwners] = []
_stored_bytes: list[StoredBytes] = []


def register(owners: FileOwners, stored_bytes: StoredBytes) -> None:
    """Set what the checks use; called once by app.py. Before that, all files are rejected."""
    _owners[:] = [owners]
    _stored_bytes[:] = [stored_bytes]


def require_file_access(path: str, principal: Principal) -> None:
    """Check that a path is not of a file, or of a file or screen of the user.

    Raises:
        NotFound: the file or screen does not exist or belongs to another user.
        Forbidden: the user may not send files.
    """
    if path.startswith(MEDIA_PREFIX):
        file_id = path.removeprefix(MEDIA_PREFIX).partition(".")[0]
        if not any(owners.made_for(file_id, principal.name) for owners in _owners):
            raise NotFound("This file does not exist.", remedy="Reload the page that shows it.")
    if path.startswith(UPLOAD_PREFIX):
        if not any(principal.may(right) for right in _UPLOAD_RIGHTS):
            raise Forbidden(f"{principal.name} ({principal.role}) may not send files.")
        session_id = _session_id(path)
        if not any(owners.is_screen_of(session_id, principal.name) for owners in _owners):
            raise NotFound("This screen does not exist.", remedy="Reload the page.")


class UploadLimitMiddleware:
    """ASGI middleware behind AuthMiddleware, so that only signed-in users reach it.

    Args:
        app: the application behind the middleware.
        timeout_s: longest time for one upload.
    """

    def __init__(self, app: ASGIApp, timeout_s: float = UPLOAD_TIMEOUT_S) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_UPLOADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an upload on when there is a free slot, or reject it."""
        is_write = scope["type"] == "http" and scope["method"] in ("PUT", "POST")
        if not is_write or not scope["path"].startswith(UPLOAD_PREFIX):
            await self._app(scope, receive, send)
            return
        async with self._slots:
            length = Headers(scope=scope).get("content-length", "")
            rejection = _rejection(_session_id(scope["path"]), length)
            if rejection is not None:
                await rejection(scope, receive, send)
                return
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._app(scope, receive, send)
            except TimeoutError:
                await PlainTextResponse("The upload timed out.\n", 408)(scope, receive, send)


def _session_id(path: str) -> str:
    return path.removeprefix(UPLOAD_PREFIX).partition("/")[0]


def _rejection(session_id: str, length: str) -> PlainTextResponse | None:
    is_known = length.isascii() and length.isdigit() and len(length) < 16
    new_bytes = int(length) if is_known else MAX_FILE_BYTES
    session_bytes, server_bytes = _stored_bytes[0](session_id) if _stored_bytes else (0, 0)
    if session_bytes + new_bytes > MAX_SESSION_BYTES:
        limit_mb = MAX_SESSION_BYTES // 2**20
        return PlainTextResponse(f"A page accepts files of up to {limit_mb} MB in total.\n", 413)
    if server_bytes + new_bytes > MAX_SERVER_BYTES:
        message = "The server has no space for more uploads; try again later.\n"
        return PlainTextResponse(message, 503, {"Retry-After": "60"})
    return None
