"""An in-process browser without scripts: it stores cookies, submits forms and opens websockets."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any

import httpx
from starlette.types import ASGIApp, Message


@dataclass
class Browser:
    """Sends requests to an ASGI app.

    Args:
        app: the app.
        base: scheme and host name of the server.
        client: the browser's address and port.
        cookies: the stored cookies.
    """

    app: ASGIApp
    base: str = "http://spotlab.example"
    client: tuple[str, int] = ("192.0.2.7", 5000)
    cookies: httpx.Cookies = field(default_factory=httpx.Cookies)

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.base}

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request; redirects are not followed."""
        return asyncio.run(self._ask(method, path, options))

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, client=self.client)
        async with httpx.AsyncClient(
            transport=transport, base_url=self.base, cookies=self.cookies
        ) as client:
            answer = await client.request(method, path, **options)
            self.cookies = client.cookies
            return answer

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.ask("POST", path, **options)

    def fill(self, path: str, **fields: str) -> httpx.Response:
        """Open a page, fill in its form and submit it."""
        page = self.get(path)
        hidden = re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page.text)
        action = re.search(r'action="([^"]*)"', page.text)
        assert action is not None, page.text
        sent = {name: unescape(value) for name, value in hidden} | fields
        return self.post(action[1], data=sent, headers=self.origin)

    def open_websocket(self, path: str, origin: str) -> Message:
        """The server's first message on a websocket: accept or close."""
        pairs = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"host": self.base.partition("//")[2], "origin": origin, "cookie": pairs}
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "subprotocols": [],
            "client": self.client,
            "server": ("spotlab.example", 80),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self.app(scope, receive, send))  # type: ignore[arg-type]
        return sent[0]
