"""The app as a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

START_S = 120.0


@dataclass(frozen=True)
class Served:
    """A running app: where it is, and what it has written to stdout and stderr."""

    url: str
    log: Path

    def written(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def served(home: Path, models: Path, **settings: str) -> Iterator[Served]:
    """The app on a free port, with the simulated market, until the end.

    "{url}" in a setting becomes its address. It may not have raised anything of ours.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    home.mkdir(parents=True, exist_ok=True)
    common = {
        "SPOTLAB_HOME": str(home),
        "SPOTLAB_MODELS_DIR": str(models),
        "SPOTLAB_MARKET": "simulated",
    }
    given = {name: value.replace("{url}", url) for name, value in settings.items()}
    log = (home / "serve.log").open("wb")
    server = subprocess.Popen(
        [str(Path(sys.executable).with_name("spotlab")), "serve", "--port", str(port)],
        cwd=ROOT,
        env=os.environ | common | given,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    app = Served(url, Path(log.name))
    try:
        _wait_until_it_answers(f"{url}/healthz", server, app)
        yield app
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=20)
        log.close()
    written = app.written()
    raised = [
        part for part in written.split("Traceback (most recent call last)")[1:] if _ours(part)
    ]
    assert not raised, written[-5000:]


def _ours(traceback: str) -> bool:
    """Streamlit logs one of its own where a browser leaves while a part of a page is rerun."""
    return "WebSocketDisconnect" not in traceback


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], app: Served) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the app did not start: {app.written()[-2000:]}")
