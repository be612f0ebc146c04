"""A real PgBouncer in transaction mode in front of a test database, on loopback."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

START_S = 20.0
SERVERS = 4
"""Few enough that the connections of a test meet in the same server processes."""


@contextmanager
def pgbouncer(url: str, *, round_robin: bool = True, size: int = SERVERS) -> Iterator[str]:
    """The URL of the same database through PgBouncer; skips the test if it is not installed.

    Args:
        url: of the database; its user needs no password.
        round_robin: whether transactions get the server processes in turn. By default, PgBouncer
            gives them the one that was released last.
        size: limit of server processes.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer on PATH")
    target = make_url(url)
    port = _free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pgbouncer.ini")
        file.write_text(
            "[databases]\n"
            f"* = host={target.host} port={target.port or 5432} user={target.username}\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nmax_client_conn = 200\n"
            f"default_pool_size = {size}\nserver_round_robin = {int(round_robin)}\n"
            + ("max_prepared_statements = 0\n" if _version(program) >= (1, 21) else "")
        )
        file.parent.chmod(0o755)
        # It refuses to run as root.
        as_other = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *as_other, str(file)])
        try:
            through = target.set(host="127.0.0.1", port=port)
            _wait_for(through.set(drivername="postgresql").render_as_string(hide_password=False))
            yield through.render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait()


def _version(program: str) -> tuple[int, int]:
    shown = subprocess.run([program, "--version"], capture_output=True, check=True).stdout
    found = re.search(rb"(\d+)\.(\d+)", shown)
    assert found is not None, shown
    return int(found[1]), int(found[2])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    ends_at = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=3).close()
        except psycopg.OperationalError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(0.02)
        else:
            return
