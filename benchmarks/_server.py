"""A real `spotlab serve` (or worker) in its own process, with its own home."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPOTLAB = str(Path(sys.executable).with_name("spotlab"))
START_S = 90.0
STOP_S = 20.0


def free_port() -> int:
    """An unused port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str, timeout: float = 5.0) -> tuple[int, str]:
    """Status and text of a GET request; status 0 if there is no response."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as exc:
        return exc.code, exc.read().decode(errors="replace")
    except OSError as exc:
        return 0, str(exc)


class Server:
    """The app on a free port, until `stop`.

    Args:
        home: SPOTLAB_HOME.
        arguments: of the command `spotlab`; None: `serve` on the port.
        wrapper: command to run it with, such as `prlimit` and its options.
        port: to listen on; 0: any unused port.
        settings: SPOTLAB_ variables by their names in lower case.
    """

    def __init__(
        self,
        home: Path,
        arguments: list[str] | None = None,
        wrapper: tuple[str, ...] = (),
        port: int = 0,
        **settings: str,
    ) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = home / f"server-{self.port}.log"
        all_settings = {"home": str(home), "market": "simulated", "auth": "off", **settings}
        environment = {f"SPOTLAB_{name.upper()}": value for name, value in all_settings.items()}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*wrapper, SPOTLAB, *(arguments or ["serve", "--port", str(self.port)])],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until(
        self,
        path: str = "/healthz",
        expected_status: int = 200,
        within_s: float = START_S,
        every_s: float = 0.2,
    ) -> str:
        """Wait until a path responds with the expected status; returns the text."""
        deadline = time.monotonic() + within_s
        status, text = 0, ""
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            status, text = get(self.url + path)
            if status == expected_status:
                return text
            time.sleep(every_s)
        raise RuntimeError(
            f"{path} answered {status}, not {expected_status}: {text[:500]}\n"
            f"{self.log.read_text()[-3000:]}"
        )

    def rss_mb(self) -> float:
        """Resident memory of the process itself, MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def cpu_s(self) -> float:
        """CPU time of the process itself, seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> tuple[int, float]:
        """Stop it with SIGTERM; returns its exit code and the seconds until it ended."""
        started = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        return code, time.monotonic() - started
