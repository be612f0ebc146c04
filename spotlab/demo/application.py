"""WSGI application of the emulated AWS: moto, CloudTrail, the feeds and the price list."""

from __future__ import annotations

import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Response

from spotlab.demo import cloudtrail, control, feeds, pricing
from spotlab.demo.access_keys import BASE_KEY, signature_of
from spotlab.demo.aws_errors import error_response, unknown_key_response
from spotlab.demo.calls import Call, Calls, ConnectionDropped, read_call
from spotlab.demo.catalogue import REGIONS
from spotlab.demo.control import Control
from spotlab.demo.world import World

_ROUTES: Final = Map(
    [
        Rule("/healthz", endpoint="healthz"),
        Rule("/feeds/advisor.json", endpoint="advisor"),
        Rule("/feeds/spot.json", endpoint="spot_prices"),
        Rule("/feeds/on-demand/<location>/Linux/index.json", endpoint="on_demand"),
    ]
)
_LOG: Final = logging.getLogger(__name__)
_QUEUE_PATH: Final = re.compile(r"/\d{12}/[\w.-]{1,80}")
_JSON: Final = "application/x-amz-json-1.1"
SERVICES: Final = frozenset({"cloudtrail", "ec2", "elasticloadbalancing", "events", "iam"}) | {
    "kms",
    "pricing",
    "sqs",
    "sts",
}
"""Signing names of the services that are accessible."""
StartResponse = Callable[..., Any]


class Application:
    """Dispatches requests to the feeds, the price list, CloudTrail or moto.

    The services are at "/", and SQS's queues at their URLs too; nothing else of moto is accessible.

    Args:
        world: the emulated AWS.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._accounts = {each.access_key_id: each.account_id for each in world.accounts}
        self._moto = DomainDispatcherApplication(_create_app)
        self._calls = Calls(world)
        self._control = Control(world, self._calls.counts)
        # moto's state is not made for several threads
        self._lock = RLock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        # with this header, moto would act as another account
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        key, service = signature_of(environ)
        if path.startswith(control.PREFIX):
            with self._lock:
                self._world.timeline.run_due()
                response = self._control.respond(environ)
        elif path != "/" and not (service == "sqs" and _QUEUE_PATH.fullmatch(path)):
            response = self._serve_own(environ)
        elif key != BASE_KEY and key not in self._accounts:
            response = unknown_key_response(service)
        elif service not in SERVICES:
            response = Response(f"The emulated AWS has no {service!r}.\n", 404)
        else:
            try:
                response = self._answer(environ)
            except ConnectionDropped:
                _drop(environ)
                raise
        return response(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> Response:
        call = read_call(environ, self._accounts)
        if call.service == "sqs":
            # a consumer waits for messages, and other calls must not wait for it
            with self._lock:
                self._world.timeline.run_due()
            return self._calls.answer(call, environ, self._respond_with_moto)
        with self._lock:
            self._world.timeline.run_due()
            if call.service == "pricing":
                return self._calls.answer(call, environ, lambda _: _get_products(call))
            if call.service == "cloudtrail":
                return self._calls.answer(call, environ, lambda _: self._lookup_events(call))
            return self._calls.answer(call, environ, self._respond_with_moto)

    def _respond_with_moto(self, environ: dict[str, Any]) -> Response:
        try:
            return Response.from_app(self._moto, environ, buffered=True)
        except Exception as exc:
            # also moto's own errors are sent as the service sends errors
            _LOG.exception("moto failed")
            _, service = signature_of(environ)
            return error_response(service, "InternalError", 500, f"{type(exc).__name__}: {exc}")

    def _lookup_events(self, call: Call) -> Response:
        try:
            if call.operation != "LookupEvents":
                raise cloudtrail.LookupRefused(
                    "UnknownOperationException", f"The emulated CloudTrail has no {call.operation}."
                )
            now = self._world.clock.now()
            body = self._world.trail.lookup(call.account_id, call.region, now, call.parameters)
        except cloudtrail.LookupRefused as exc:
            return error_response("cloudtrail", exc.code, 400, str(exc))
        return Response(json.dumps(body), content_type=_JSON)

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


def _get_products(call: Call) -> Response:
    if call.operation != "GetProducts":
        message = f"The emulated price list has no {call.operation}."
        return error_response("pricing", "UnknownOperationException", 400, message)
    try:
        products = pricing.get_products(dict(call.parameters))
    except pricing.ApiError as exc:
        return error_response("pricing", exc.code, 400, str(exc))
    return Response(json.dumps(products), content_type=_JSON)


def _drop(environ: dict[str, Any]) -> None:
    """Close the connection, so that the client does not wait for a response."""
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)


def _create_app(service: Any) -> Any:
    app = create_backend_app(service)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app
