"""SIGTERM to a real `spotlab serve` amid its first run: not ready at once, whole, exit code 0."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

from tests.conftest import ROOT
from tests.support.lab import save_toy_model

SPOTLAB = str(Path(sys.executable).with_name("spotlab"))


def ask(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode()
    except OSError as exc:
        return 0, str(exc)


def wait_for(url: str, status: int, within_s: float = 60.0) -> str:
    ends = time.monotonic() + within_s
    while (told := ask(url))[0] != status:
        assert time.monotonic() < ends, told
        time.sleep(0.02)
    return told[1]


def test_a_server_that_is_ended_says_so_first_and_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    save_toy_model(tmp_path / "models")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "SPOTLAB_HOME": str(home),
        "SPOTLAB_MODELS_DIR": str(tmp_path / "models"),
        "SPOTLAB_MARKET": "simulated",
        "SPOTLAB_AUTH": "off",
    }
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(
            [SPOTLAB, "serve", "--port", str(port)],
            cwd=ROOT,
            env=os.environ | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/readyz", 200, within_s=120)
        with closing(sqlite3.connect(home / "spotlab.db")) as database:
            ends = time.monotonic() + 60
            while not database.execute("SELECT 1 FROM job_runs").fetchall():
                assert time.monotonic() < ends, "the first run does not begin"
                time.sleep(0.02)

        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        told = json.loads(wait_for(f"{url}/readyz", 503, within_s=5))
        assert told["reasons"] == {"server": "The server is shutting down."}
        assert ask(f"{url}/healthz")[0] == 200
        code = server.wait(20)
        took_s = time.monotonic() - began
    finally:
        server.kill()
        server.wait()

    written = (tmp_path / "log").read_text()
    assert code == 0, written[-2000:]
    assert took_s < 10
    assert "Traceback" not in written
    with closing(sqlite3.connect(home / "spotlab.db")) as database:
        assert database.execute("SELECT count(*) FROM leases WHERE NOT released").fetchone() == (0,)
        assert database.execute("SELECT count(*) FROM processes").fetchone() == (0,)
        assert database.execute(
            "SELECT count(*) FROM job_runs WHERE state = 'running'"
        ).fetchone() == (0,)
