"""WSGI application of the emulated AWS: moto, CloudTrail, the feeds and the price list."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable
from threading import RLock
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from spotlab.demo import cloudtrail, feeds, pricing
from spotlab.demo.access_keys import (
    BASE_KEY,
    region_of,
    signature_of,
    unknown_key_response,
)
from spotlab.demo.catalogue import REGIONS
from spotlab.demo.world import World

_ROUTES: Final = Map(
    [
        Rule("/healthz", endpoint="healthz"),
        Rule("/feeds/advisor.json", endpoint="advisor"),
        Rule("/feeds/spot.json", endpoint="spot_prices"),
        Rule("/feeds/on-demand/<location>/Linux/index.json", endpoint="on_demand"),
    ]
)
_QUEUE_PATH: Final = re.compile(r"/\d{12}/[\w.-]{1,80}")
_JSON: Final = "application/x-amz-json-1.1"
MOTO_SERVICES: Final = frozenset(
    {"ec2", "elasticloadbalancing", "events", "iam", "kms", "sqs", "sts"}
)
"""Signing names of the services of moto that are accessible."""
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
        self._moto = DomainDispatcherApplication(create_backend_app)
        # moto's state is not made for several threads
        self._lock = RLock()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        # with this header, moto would act as another account
        environ.pop("HTTP_X_MOTO_ACCOUNT_ID", None)
        key, service = signature_of(environ)
        if path != "/" and not (service == "sqs" and _QUEUE_PATH.fullmatch(path)):
            response = self._serve_own(environ)
        elif key != BASE_KEY and key not in self._accounts:
            response = unknown_key_response(service)
        elif environ.get("HTTP_X_AMZ_TARGET") == pricing.TARGET:
            response = _get_products(Request(environ))
        elif service == "cloudtrail":
            response = self._lookup_events(Request(environ), self._accounts.get(key, ""))
        elif service in MOTO_SERVICES:
            return self._call_moto(service, environ, start_response)
        else:
            response = Response(f"The emulated AWS has no {service!r}.\n", 404)
        return response(environ, start_response)

    def _call_moto(
        self, service: str, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        with self._lock:
            self._world.timeline.run_due()
            if service != "sqs":
                return list(self._moto(environ, start_response))
        # a consumer waits for messages, and other requests must not wait for it
        return self._moto(environ, start_response)  # type: ignore[no-any-return]

    def _lookup_events(self, request: Request, account_id: str) -> Response:
        with self._lock:
            self._world.timeline.run_due()
        target = request.headers.get("X-Amz-Target", "")
        try:
            if target != f"{cloudtrail.TARGET_PREFIX}LookupEvents":
                raise cloudtrail.LookupRefused(
                    "UnknownOperationException", f"The emulated CloudTrail has no {target!r}."
                )
            body = self._world.trail.lookup(
                account_id,
                region_of(request.environ),
                self._world.clock.now(),
                json.loads(request.get_data() or b"{}"),
            )
        except cloudtrail.LookupRefused as exc:
            refusal = {"__type": exc.code, "message": str(exc)}
            return Response(json.dumps(refusal), 400, content_type=_JSON)
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


def _get_products(request: Request) -> Response:
    try:
        products = pricing.get_products(json.loads(request.get_data() or b"{}"))
    except pricing.ApiError as exc:
        body = {"__type": exc.code, "message": str(exc)}
        return Response(json.dumps(body), 400, content_type=_JSON)
    return Response(json.dumps(products), content_type=_JSON)
