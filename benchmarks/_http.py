"""HTTP requests at a constant rate, independent of the responses (open loop).

Latencies are measured from the time at which a request was due, so that a stalled server cannot
slow down the generator and look fast. The client is minimal, since it shares the processors.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

TIMEOUT_S = 30.0


@dataclass
class Responses:
    """Responses to all requests.

    Args:
        latencies_s: seconds from the due time, by the path's name.
        send_delays_s: seconds between the due time and sending, caused by the generator.
        statuses: number of responses by status.
        errors: number of errors by text.
    """

    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    send_delays_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


class Client:
    """A client with persistent connections to a server on this machine."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.headers = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def request(
        self, path: str, method: str = "GET", body: bytes = b"", extra: str = ""
    ) -> tuple[int, bytes]:
        """Status and content."""
        fresh = not self.idle
        reader, writer = (
            await asyncio.open_connection("127.0.0.1", self.port) if fresh else self.idle.pop()
        )
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        try:
            writer.write(
                f"{method} {path} HTTP/1.1\r\n{self.headers}{extra}{length}\r\n".encode() + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            content = await self._content(reader, head)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            if fresh or method != "GET":
                raise
            return await self.request(path, method, body, extra)  # was closed while idle: retry
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self.idle.append((reader, writer))
        return int(head.split(b" ", 2)[1]), content

    @staticmethod
    async def _content(reader: asyncio.StreamReader, head: bytes) -> bytes:
        lines = dict(
            line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
        )
        if b"content-length" in lines:
            return await reader.readexactly(int(lines[b"content-length"]))
        content = b""
        if lines.get(b"transfer-encoding") == b"chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                content += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        return content

    def close(self) -> None:
        """Close the idle connections."""
        for _, writer in self.idle:
            writer.close()


async def request_at_rate(
    client: Client, paths: Sequence[tuple[str, str]], per_s: float, seconds: float
) -> Responses:
    """Request each (name, path) in turn, at a constant rate."""
    responses = Responses()
    started = time.perf_counter() + 0.1
    tasks = []

    async def send(name: str, path: str, due: float) -> None:
        responses.send_delays_s.append(time.perf_counter() - due)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status, content = await client.request(path)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as exc:
            responses.errors[f"{name}: {type(exc).__name__}"] += 1
            return
        responses.latencies_s.setdefault(name, []).append(time.perf_counter() - due)
        responses.statuses[status] += 1
        if status != 200:
            responses.errors[f"{name}: {status} {content[:120]!r}"] += 1

    for number in range(int(per_s * seconds)):
        due = started + number / per_s
        if (wait_s := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        name, path = paths[number % len(paths)]
        tasks.append(asyncio.create_task(send(name, path, due)))
    await asyncio.gather(*tasks)
    client.close()
    return responses
