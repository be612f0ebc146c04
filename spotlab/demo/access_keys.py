"""Access keys of the emulated AWS, and AWS's responses to unknown keys.

moto accepts any key and treats an unknown one as another, empty account. Instances of the real
account would then look terminated.
"""

from __future__ import annotations

import json
import re
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

from werkzeug.wrappers import Response

BASE_KEY: Final = "AKIASPOTLABEMULATED0"
BASE_SECRET: Final = "emulated"  # noqa: S105  (signatures are not checked; loopback only)
_CREDENTIAL: Final = re.compile(
    r"Credential=(?P<key>[^/,]+)/[^/]+/(?P<region>[^/]+)/(?P<service>[^/]+)/"
)
_QUERY_SERVICES: Final = {
    "elasticloadbalancing": "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
"""Services that answer in XML, and the namespace of their errors."""


def role_key(seed: int, account: str) -> str:
    """The access key of an account's role; the same after a restart, so that it stays valid."""
    return "ASIA" + b32encode(sha256(f"{seed}/{account}/key".encode()).digest())[:16].decode()


def signature_of(environ: Mapping[str, Any]) -> tuple[str, str]:
    """Access key and service of a request's signature; "" if it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return (match["key"], match["service"]) if match else ("", "")


def region_of(environ: Mapping[str, Any]) -> str:
    """The region of a request's signature; "" if it is not signed."""
    match = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    return match["region"] if match else ""


def unknown_key_response(service: str) -> Response:
    """AWS's response to a request with an unknown key, in the format of the service."""
    if service == "ec2":
        return _xml(
            401,
            "<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to "
            "validate the provided access credentials</Message></Error></Errors>"
            f"<RequestID>{uuid4()}</RequestID></Response>",
        )
    message = "The security token included in the request is invalid."
    if service in _QUERY_SERVICES:
        return _xml(
            403,
            f'<ErrorResponse xmlns="{_QUERY_SERVICES[service]}"><Error>'
            f"<Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>{message}</Message>"
            f"</Error><RequestId>{uuid4()}</RequestId></ErrorResponse>",
        )
    if service == "sqs":
        body = json.dumps({"__type": "InvalidClientTokenId", "message": message})
        return Response(body, 403, content_type="application/x-amz-json-1.0")
    body = json.dumps({"__type": "UnrecognizedClientException", "message": message})
    return Response(body, 400, content_type="application/x-amz-json-1.1")


def _xml(status: int, body: str) -> Response:
    return Response(body, status, content_type="text/xml;charset=UTF-8")
