"""The emulated AWS as one HTTP server on loopback: moto, the feeds, the price list.

python -m spotlab.demo.server --home HOME --seed N [--at ISO]
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from spotlab.demo import feeds, pricing
from spotlab.demo.access_keys import BASE_KEY, signature_of, unknown_key_response
from spotlab.demo.catalogue import REGIONS
from spotlab.demo.endpoint import LOOPBACK, read_ready, ready_file
from spotlab.demo.patches import emulated
from spotlab.demo.world import Clock, World
from spotlab.errors import InvalidInput, SpotlabError

_ROUTES: Final = Map(
    [
        Rule("/healthz", endpoint="healthz"),
        Rule("/feeds/advisor.json", endpoint="advisor"),
        Rule("/feeds/spot.json", endpoint="spot_prices"),
        Rule("/feeds/on-demand/<location>/Linux/index.json", endpoint="on_demand"),
    ]
)
_POLL_S: Final = 0.05
StartResponse = Callable[..., Any]


class Application:
    """WSGI application that dispatches requests to the feeds, the price list or moto.

    EC2, STS and the price list are at "/"; nothing else of moto is accessible.

    Args:
        world: the emulated AWS.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys = {BASE_KEY, *(account.access_key_id for account in world.accounts)}
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        # with this header, moto would act as another account
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        key, service = signature_of(environ)
        if path != "/":
            response = self._serve_own(environ)
        elif key not in self._keys:
            response = unknown_key_response(service)
        elif environ.get("HTTP_X_AMZ_TARGET") == pricing.TARGET:
            response = _get_products(Request(environ))
        else:
            return self._moto(environ, start_response)  # type: ignore[no-any-return]
        return response(environ, start_response)

    def _serve_own(self, environ: dict[str, Any]) -> Response:
        try:
            endpoint, values = _ROUTES.bind_to_environ(environ).match()
            if endpoint == "healthz":
                return Response(json.dumps(self._health()), mimetype="application/json")
            document = self._document(endpoint, **values)
        except HTTPException as exc:
            return Response(f"{exc.description}\n", exc.code, mimetype="text/plain")
        response = Response(document.body, mimetype="application/json")
        response.set_etag(document.etag)
        response.last_modified = document.last_modified
        return response.make_conditional(environ)

    def _health(self) -> dict[str, int | str]:
        return {"status": "ok", "pid": os.getpid(), "seed": self._world.market.seed}

    def _document(self, endpoint: str, location: str = "") -> feeds.Document:
        now = self._world.clock.now()
        if endpoint == "advisor":
            return feeds.advisor(self._world.market, now)
        if endpoint == "spot_prices":
            return feeds.spot_prices(self._world.market, now)
        for region in REGIONS:
            if region.location == location:
                return feeds.on_demand(region, now)
        raise NotFound(f"The simulated market has no location {location!r}.")


def _get_products(request: Request) -> Response:
    media_type = "application/x-amz-json-1.1"
    try:
        products = pricing.get_products(json.loads(request.get_data() or b"{}"))
    except pricing.ApiError as exc:
        body = {"__type": exc.code, "message": str(exc)}
        return Response(json.dumps(body), 400, content_type=media_type)
    return Response(json.dumps(products), content_type=media_type)


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
    seed: int, at: datetime | None = None, *, clock: Clock | None = None
) -> Iterator[RunningServer]:
    """An emulated AWS in this process; only one at a time, as moto's state is global.

    Args:
        seed: of the fleet and the market.
        at: freezes the time; None: the real time.
        clock: instead of `at`, to step through launches and checks.
    """
    world = World.of(seed, clock or Clock(at))
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


def serve(home: Path, seed: int, at: datetime | None, host: str) -> None:
    """Serve until SIGTERM or SIGINT; the ready file contains the port."""
    world = World.of(seed, Clock(at))
    path = ready_file(home, seed, at)
    with emulated(world):
        server = _bind_last_port(world, host, path)
        _write_json(path, {"port": server.port, "pid": os.getpid(), "seed": seed})
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever(_POLL_S)
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
    options = parser.parse_args(argv)
    # with this variable, all callers would be the same account
    os.environ.pop("MOTO_ACCOUNT_ID", None)
    try:
        serve(options.home, options.seed, options.at, options.host)
    except SpotlabError as exc:
        sys.stderr.write(f"{exc}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
