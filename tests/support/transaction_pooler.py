"""A small pooler in transaction mode, as PgBouncer is: each transaction gets another connection.

It speaks as much of PostgreSQL's protocol 3 as it needs: it signs in itself, without a password,
and gives a client one of its server connections from the first message of a transaction until
ReadyForQuery says that the session is idle. Connections are handed out in turn, and keep what a
session leaves behind: a prepared statement or a SET of another client.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import make_url

_SSL_REQUEST = 80877103
_PROTOCOL = 196608


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        if not (part := sock.recv(size - len(parts))):
            raise ConnectionError
        parts += part
    return bytes(parts)


def _message(sock: socket.socket) -> tuple[bytes, bytes]:
    """The type of the next message, and all of it."""
    head = _exactly(sock, 5)
    return head[:1], head + _exactly(sock, struct.unpack("!I", head[1:])[0] - 4)


class TransactionPooler:
    """Accepts clients of one database and one user.

    Args:
        url: of the database; its user needs no password.
        size: number of server connections.
    """

    def __init__(self, url: str, size: int = 3) -> None:
        self._target = make_url(url)
        self._free: deque[socket.socket] = deque()
        self._ready = threading.Condition()
        self._parameters = b""
        for _ in range(size):
            self._free.append(self._sign_in())
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        port = self._listener.getsockname()[1]
        return self._target.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    def close(self) -> None:
        self._listener.close()
        for server in self._free:
            server.close()

    def _sign_in(self) -> socket.socket:
        target = self._target
        server = socket.create_connection((target.host or "127.0.0.1", target.port or 5432))
        pairs = ("user", target.username or "postgres", "database", target.database or "test")
        body = b"".join(text.encode() + b"\0" for text in pairs) + b"\0"
        server.sendall(struct.pack("!II", len(body) + 8, _PROTOCOL) + body)
        parameters = b""
        while True:
            kind, whole = _message(server)
            if kind == b"E":
                raise ConnectionError(whole)
            parameters += whole if kind == b"S" else b""
            if kind == b"Z":
                self._parameters = parameters
                return server

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError, ConnectionError), client:
            self._welcome(client)
            while True:
                kind, whole = _message(client)
                if kind == b"X":
                    return
                with self._server() as server:
                    self._transaction(client, server, kind, whole)

    def _welcome(self, client: socket.socket) -> None:
        while True:
            size, code = struct.unpack("!II", _exactly(client, 8))
            _exactly(client, size - 8)
            if code == _PROTOCOL:
                break
            client.sendall(b"N")
        key = b"K" + struct.pack("!III", 12, 4242, 1)
        client.sendall(b"R" + struct.pack("!II", 8, 0) + self._parameters + key)
        client.sendall(b"Z" + struct.pack("!I", 5) + b"I")

    @contextmanager
    def _server(self) -> Iterator[socket.socket]:
        with self._ready:
            self._ready.wait_for(lambda: self._free)
            server = self._free.popleft()
        try:
            yield server
        finally:
            with self._ready:
                self._free.append(server)
                self._ready.notify()

    def _transaction(
        self, client: socket.socket, server: socket.socket, kind: bytes, whole: bytes
    ) -> None:
        while True:
            server.sendall(whole)
            if kind in (b"Q", b"S"):  # simple query, or Sync: the server answers up to Z
                while True:
                    answer, text = _message(server)
                    client.sendall(text)
                    if answer in (b"Z", b"G"):
                        break
                if answer == b"Z" and text[-1:] == b"I":
                    return
            elif kind in (b"c", b"f"):  # the end of a COPY
                while (answer := _message(server))[0] != b"Z":
                    client.sendall(answer[1])
                client.sendall(answer[1])
                if answer[1][-1:] == b"I":
                    return
            kind, whole = _message(client)


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """The URL of the same database through a pooler."""
    pooler = TransactionPooler(url)
    try:
        yield pooler.url
    finally:
        pooler.close()
