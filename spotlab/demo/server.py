"""The emulated AWS as one HTTP server on loopback: moto, the feeds, the price list.

python -m spotlab.demo.server --home HOME --seed N [--at ISO] [--delays realistic]
                              [--price-history ARCHIVE]
"""

from __future__ import annotations

from spotlab.demo import moto_data  # noqa: F401  # isort: skip (before moto)

import argparse
import ipaddress
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from spotlab.demo.application import Application
from spotlab.demo.delays import DELAYS, FAST, Delays
from spotlab.demo.endpoint import LOOPBACK, read_ready, ready_file
from spotlab.demo.patches import emulated
from spotlab.demo.recorded_history import RecordedHistory
from spotlab.demo.world import Clock, World
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.processes.memory import limit_arenas, start_releasing

_POLL_S: Final = 0.05


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Do not log requests."""


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A running server.

    Args:
        port: on loopback.
        world: the emulated AWS.
    """

    port: int
    world: World

    @property
    def endpoint_url(self) -> str:
        """The endpoint_url for boto3."""
        return f"http://{LOOPBACK}:{self.port}"


def bind(world: World, host: str = LOOPBACK, port: int = 0) -> BaseWSGIServer:
    """A server that is bound but does not serve yet; port 0: any free port.

    Raises:
        InvalidInput: the host is not a loopback address.
    """
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise InvalidInput(
            f"The emulated AWS checks no signatures and cannot be bound to {host!r}.",
            remedy=f"Use a loopback address such as {LOOPBACK}.",
        )
    return make_server(host, port, Application(world), threaded=True, request_handler=_QuietHandler)


@contextmanager
def serve_in_thread(
    seed: int,
    at: datetime | None = None,
    *,
    clock: Clock | None = None,
    recorded: RecordedHistory | None = None,
    delays: Delays = FAST,
) -> Iterator[RunningServer]:
    """An emulated AWS in this process; only one at a time, as moto's state is global.

    Args:
        seed: of the fleet and the market.
        at: freezes the time; None: the real time.
        clock: instead of `at`, to step through launches and checks.
        recorded: spot price history to serve instead of the simulated one.
        delays: how long launches, images and the like take.
    """
    world = World.of(seed, clock or Clock(at), recorded, delays)
    with emulated(world):
        server = bind(world)
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True)
        thread.start()
        try:
            yield RunningServer(server.port, world)
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def serve(
    home: Path,
    seed: int,
    at: datetime | None,
    host: str,
    recorded: Path | None = None,
    delays: Delays = FAST,
) -> None:
    """Serve until SIGTERM or SIGINT; the ready file contains the port."""
    history = RecordedHistory.read(recorded) if recorded else None
    world = World.of(seed, Clock(at), history, delays)
    path = ready_file(home, seed, at)
    with emulated(world):
        server = _bind_last_port(world, host, path)
        _write_json(path, {"port": server.port, "pid": os.getpid(), "seed": seed})
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: threading.Thread(target=server.shutdown).start())
        stop_releasing = start_releasing()
        server.serve_forever(_POLL_S)
        stop_releasing()
        server.server_close()


def _bind_last_port(world: World, host: str, path: Path) -> BaseWSGIServer:
    """Bind to the port of the last run if it is free, so that clients of a dead server continue."""
    last = read_ready(path)
    try:
        return bind(world, host, last["port"] if last else 0)
    except (OSError, SystemExit):  # werkzeug exits if a port is taken
        return bind(world, host)


def _write_json(path: Path, content: dict[str, int]) -> None:
    partial = path.with_suffix(f".{os.getpid()}.tmp")
    partial.write_text(json.dumps(content))
    partial.replace(path)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="spotlab.demo.server", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--at", type=datetime.fromisoformat, default=None)
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--price-history", type=Path, default=None)
    parser.add_argument("--delays", choices=sorted(DELAYS), default="fast")
    options = parser.parse_args(argv)
    # with this variable, all callers would be the same account
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    limit_arenas()
    try:
        serve(
            options.home,
            options.seed,
            options.at,
            options.host,
            options.price_history,
            DELAYS[options.delays],
        )
    except SpotlabError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
