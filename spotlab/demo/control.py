"""Control of a running emulated AWS over HTTP: faults, denials, shortages and signals.

POST /emulator/faults and the like, for drills and tests in another process. The server is on
loopback; a web page cannot call it, as it needs a JSON content type and a loopback Host.
"""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from werkzeug.wrappers import Request, Response

from spotlab.demo.faults import Fault
from spotlab.demo.imposed_shortages import ImposedShortage, impose
from spotlab.demo.signals import Signal, emit
from spotlab.demo.world import World
from spotlab.errors import InvalidInput

PREFIX: Final = "/emulator/"
_MAX_BYTES: Final = 65_536


class Control:
    """The control interface of a world.

    Args:
        world: the emulated AWS.
        counts: calls by IAM action so far.
    """

    def __init__(self, world: World, counts: Mapping[str, int]) -> None:
        self._world = world
        self._counts = counts
        self._handlers: dict[tuple[str, str], Callable[[dict[str, Any]], object]] = {
            ("POST", "faults"): self._add_faults,
            ("GET", "faults"): lambda _: self._faults(),
            ("DELETE", "faults"): self._clear_faults,
            ("POST", "denied-actions"): self._set_denied,
            ("GET", "calls"): lambda _: dict(Counter(self._counts)),
            ("POST", "signals"): self._emit,
            ("POST", "shortages"): self._impose,
            ("GET", "shortages"): lambda _: self._shortages(),
            ("DELETE", "shortages"): self._end_shortages,
        }

    def respond(self, environ: dict[str, Any]) -> Response:
        """The response to a request below /emulator/."""
        request = Request(environ)
        handler = self._handlers.get((request.method, request.path.removeprefix(PREFIX)))
        if handler is None:
            return Response("The emulated AWS has no such control.\n", 404)
        if not _is_loopback(request) or (
            request.method == "POST" and request.mimetype != "application/json"
        ):
            return Response("Send JSON to the loopback address.\n", 403)
        try:
            if (request.content_length or 0) > _MAX_BYTES:
                raise InvalidInput("The document is too long.", remedy="Send at most 64 KiB.")
            document = json.loads(request.get_data() or b"{}")
            if not isinstance(document, dict):
                raise InvalidInput("The document is not an object.", remedy="Send a JSON object.")
            body = handler(document)
        except (InvalidInput, ValueError) as exc:
            return Response(json.dumps({"error": str(exc)}), 400, mimetype="application/json")
        return Response(json.dumps(body), mimetype="application/json")

    def _add_faults(self, document: dict[str, Any]) -> object:
        return {"number": self._world.faults.plan(Fault.read(document))}

    def _faults(self) -> object:
        return {"faults": [asdict(each) for each in self._world.faults.planned()]}

    def _clear_faults(self, _: dict[str, Any]) -> object:
        self._world.faults.clear()
        return self._faults()

    def _set_denied(self, document: dict[str, Any]) -> object:
        actions = document.get("actions")
        if not isinstance(actions, list) or not all(isinstance(each, str) for each in actions):
            raise InvalidInput(
                f"The actions {actions!r} are not a list of texts.",
                remedy='Send {"actions": ["ec2:RunInstances"]}.',
            )
        self._world.denials.actions.clear()
        self._world.denials.actions.update(actions)
        return {"actions": sorted(self._world.denials.actions)}

    def _emit(self, document: dict[str, Any]) -> object:
        return {"event_id": emit(self._world, Signal.read(document))}

    def _impose(self, document: dict[str, Any]) -> object:
        warned = impose(self._world, ImposedShortage.read(document))
        return {"warned": warned, **self._shortages()}

    def _shortages(self) -> dict[str, object]:
        places = sorted(self._world.short)
        return {"shortages": [{"region": each[0], "family": each[1]} for each in places]}

    def _end_shortages(self, _: dict[str, Any]) -> object:
        self._world.short.clear()
        return self._shortages()


def _is_loopback(request: Request) -> bool:
    name = request.host.rsplit(":", 1)[0].strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
