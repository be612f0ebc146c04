"""Calls of AWS operations: reading them, and answering them through moto with the faults.

Denials, throttling and dropped connections come before moto; hidden ids, cut responses and
connections that drop afterwards come after it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from threading import RLock
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from werkzeug.wrappers import Request, Response

from spotlab.demo.access_keys import region_of, signature_of
from spotlab.demo.aws_errors import (
    denied_response,
    error_response,
    not_found_response,
    throttled_response,
)
from spotlab.demo.faults import BEFORE, Fault, FaultKind
from spotlab.demo.world import World

_PREFIXES: Final = {"elasticloadbalancing": "elasticloadbalancing", "monitoring": "cloudwatch"}
_ID: Final = re.compile(r"(?:i|vol|snap|ami|eni|sir)-[0-9a-f]+")
_NEW_IDS: Final = {
    "RunInstances": re.compile(r"<instanceId>(i-[0-9a-f]+)"),
    "CreateImage": re.compile(r"<imageId>(ami-[0-9a-f]+)"),
    "CreateSnapshot": re.compile(r"<snapshotId>(snap-[0-9a-f]+)"),
    "CreateVolume": re.compile(r"<volumeId>(vol-[0-9a-f]+)"),
}
"""Operations that create something, and where its id is in the response."""
_BATCH: Final = re.compile(
    r"(?P<list>InstanceId|ResourceId|SpotInstanceRequestId|Targets\.member)\.(?P<number>\d+)"
)
_SERVER_ERRORS: Final = {
    b"<Code>InsufficientInstanceCapacity</Code>": 500,
    b"<Code>DryRunOperation</Code>": 412,
}
"""EC2's errors that do not have status 400; moto sends 400 for all."""


class ConnectionDropped(ConnectionAbortedError):
    """The connection ends without a response, as when a network fails."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation.

    Args:
        service: its signing name, such as "ec2".
        operation: such as "RunInstances".
        account_id: of the credentials; "": the base account.
        region: of the signature.
        parameters: as sent: form fields, or the JSON document.
    """

    service: str
    operation: str
    account_id: str
    region: str
    parameters: Mapping[str, Any]

    @property
    def action(self) -> str:
        """The IAM action, such as "ec2:RunInstances"."""
        return f"{_PREFIXES.get(self.service, self.service)}:{self.operation}"

    @property
    def dry_run(self) -> bool:
        """Whether EC2 is only asked for the permission."""
        return str(self.parameters.get("DryRun", "")).lower() == "true"

    @property
    def tagged_types(self) -> list[str]:
        """Types of resources that the call tags when it creates them."""
        return [
            str(value)
            for name, value in self.parameters.items()
            if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", name)
        ]


def read_call(environ: dict[str, Any], account_ids: Mapping[str, str]) -> Call:
    """The call of a request, whose body can be read again afterwards.

    Args:
        environ: of the request.
        account_ids: by access key.
    """
    key, service = signature_of(environ)
    request = Request(environ)
    body = request.get_data(cache=False)
    environ["wsgi.input"] = BytesIO(body)
    parameters: Mapping[str, Any]
    target = request.headers.get("X-Amz-Target")
    if target:
        operation = target.rpartition(".")[2]
        try:
            document = json.loads(body or b"{}")
        except ValueError:
            document = {}
        parameters = document if isinstance(document, dict) else {}
    else:
        parameters = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        parameters = parameters or request.args.to_dict()
        operation = parameters.get("Action", "")
    return Call(service, operation, account_ids.get(key, ""), region_of(environ), parameters)


class Calls:
    """Answers calls, with the world's denials and faults.

    Args:
        world: the emulated AWS.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = RLock()
        self.counts: Counter[str] = Counter()

    def answer(
        self, call: Call, environ: dict[str, Any], respond: Callable[[dict[str, Any]], Response]
    ) -> Response:
        """The response to a call.

        Args:
            call: the call.
            environ: its request.
            respond: answers a request as if nothing failed.
        Raises:
            ConnectionDropped: the connection ends without a response.
        """
        with self._lock:
            self.counts[call.action] += 1
        faults = self._world.faults.take(call.operation)
        decisive = next((each for each in faults if each.kind is not FaultKind.NOT_YET), None)
        refusal = self._refusal(call, decisive)
        if refusal is not None:
            return refusal
        if decisive is not None and decisive.kind is FaultKind.PARTIAL:
            return _partial(call, environ, respond)
        response = _with_status(call, respond(environ))
        if response.status_code < 300:
            self._hide(call, response, faults)
        if decisive is not None and decisive.kind is FaultKind.TIMEOUT_AFTER:
            raise ConnectionDropped(call.operation)
        if decisive is not None and decisive.kind is FaultKind.MALFORMED:
            content = response.get_data()
            response.set_data(content[: len(content) // 2])
        return response

    def _refusal(self, call: Call, fault: Fault | None) -> Response | None:
        """The response to a call that has no effect; None: it has one."""
        if fault is not None and fault.kind in BEFORE:
            return _failure(call, fault)
        denied = self._denied_action(call)
        if denied:
            return denied_response(call.service, denied, call.account_id)
        if call.service == "ec2" and call.dry_run and call.operation != "RunInstances":
            return error_response(
                "ec2",
                "DryRunOperation",
                412,
                "Request would have succeeded, but DryRun flag is set.",
            )
        for hidden in self._world.faults.hidden(_ids(call)):
            return not_found_response(hidden)
        return None

    def _denied_action(self, call: Call) -> str:
        """The action that is denied; "" if there is none."""
        denials, account_id = self._world.denials, call.account_id
        if denials.denies(account_id, call.action):
            return call.action
        if call.service != "ec2":
            return ""
        for resource_type in call.tagged_types:
            for action in ("ec2:CreateTags", f"ec2:CreateTags/{resource_type}"):
                if denials.denies(account_id, action):
                    return "ec2:CreateTags"
        profile = any(name.startswith("IamInstanceProfile.") for name in call.parameters)
        if profile and denials.denies(account_id, "iam:PassRole"):
            return "iam:PassRole"
        return ""

    def _hide(self, call: Call, response: Response, faults: Iterable[Fault]) -> None:
        pattern = _NEW_IDS.get(call.operation)
        for fault in faults:
            if pattern is not None and fault.kind is FaultKind.NOT_YET:
                self._world.faults.hide(pattern.findall(response.get_data(as_text=True)), fault)


def _failure(call: Call, fault: Fault) -> Response:
    if fault.kind is FaultKind.TIMEOUT_BEFORE:
        raise ConnectionDropped(call.operation)
    if fault.kind is FaultKind.THROTTLED:
        return throttled_response(call.service)
    if fault.kind is FaultKind.DENIED:
        return denied_response(call.service, call.action, call.account_id)
    return error_response(call.service, fault.code, fault.status, fault.message)


def _ids(call: Call) -> list[str]:
    """The ids of EC2's resources that a call names."""
    if call.service not in {"ec2", "elasticloadbalancing"}:
        return []
    return [
        value
        for name, value in call.parameters.items()
        # a filter finds nothing instead of failing
        if isinstance(value, str) and not name.startswith("Filter.") and _ID.fullmatch(value)
    ]


def _with_status(call: Call, response: Response) -> Response:
    if call.service == "ec2" and response.status_code == 400:
        content = response.get_data()
        for code, status in _SERVER_ERRORS.items():
            if code in content:
                response.status_code = status
    return response


def _partial(
    call: Call, environ: dict[str, Any], respond: Callable[[dict[str, Any]], Response]
) -> Response:
    """Let the first half of a batch take effect, and fail."""
    if call.service in {"events", "sqs"}:
        return _partial_batch(call, environ, respond)
    numbers = {int(match["number"]) for name in call.parameters if (match := _BATCH.match(name))}
    kept = sorted(numbers)[: len(numbers) // 2]
    fields = {
        name: value
        for name, value in call.parameters.items()
        if not (match := _BATCH.match(name)) or int(match["number"]) in kept
    }
    if kept:
        response = respond(_with_body(environ, urlencode(fields).encode()))
        if response.status_code >= 300:
            return response
    return error_response(call.service, "InternalError", 500, "An internal error has occurred.")


def _partial_batch(
    call: Call, environ: dict[str, Any], respond: Callable[[dict[str, Any]], Response]
) -> Response:
    """Let the first half of a batch of messages or events succeed, and report the others."""
    entries = list(call.parameters.get("Entries", []))
    kept, failed = entries[: len(entries) // 2], entries[len(entries) // 2 :]
    document: dict[str, Any] = {"Successful": [], "Entries": []}
    response = Response(content_type="application/x-amz-json-1.0")
    if kept:
        body = json.dumps({**call.parameters, "Entries": kept}).encode()
        response = respond(_with_body(environ, body))
        if response.status_code >= 300:
            return response
        document |= json.loads(response.get_data())
    if call.service == "sqs":
        document["Failed"] = [
            *document.get("Failed", []),
            *({"Id": each["Id"], "Code": "InternalError", "SenderFault": False} for each in failed),
        ]
    else:
        errors = [{"ErrorCode": "InternalFailure", "ErrorMessage": "Internal failure."}]
        document["Entries"] = [*document["Entries"], *(errors * len(failed))]
        document["FailedEntryCount"] = len(failed)
    response.set_data(json.dumps(document))
    return response


def _with_body(environ: dict[str, Any], body: bytes) -> dict[str, Any]:
    return {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
