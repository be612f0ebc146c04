"""Error responses in the format of each AWS service.

Source: "Error responses" of the EC2, STS, IAM and Elastic Load Balancing API references; AWS JSON
1.0 and 1.1 protocols.
"""

from __future__ import annotations

import json
from typing import Final
from uuid import uuid4
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

_QUERY_SERVICES: Final = {
    "elasticloadbalancing": "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    "iam": "https://iam.amazonaws.com/doc/2010-05-08/",
    "sts": "https://sts.amazonaws.com/doc/2011-06-15/",
}
"""Services that answer in XML, and the namespace of their errors."""


def error_response(service: str, code: str, status: int, message: str) -> Response:
    """An error as a service sends it.

    Args:
        service: its signing name, such as "ec2".
        code: AWS's error code.
        status: the HTTP status.
        message: AWS's text.
    """
    if service == "ec2":
        return _xml(
            status,
            f"<Response><Errors><Error><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error></Errors>"
            f"<RequestID>{uuid4()}</RequestID></Response>",
        )
    if service in _QUERY_SERVICES:
        return _xml(
            status,
            f'<ErrorResponse xmlns="{_QUERY_SERVICES[service]}"><Error>'
            f"<Type>{'Sender' if status < 500 else 'Receiver'}</Type><Code>{escape(code)}</Code>"
            f"<Message>{escape(message)}</Message></Error>"
            f"<RequestId>{uuid4()}</RequestId></ErrorResponse>",
        )
    version = "1.0" if service == "sqs" else "1.1"
    body = json.dumps({"__type": code, "message": message})
    return Response(body, status, content_type=f"application/x-amz-json-{version}")


def unknown_key_response(service: str) -> Response:
    """AWS's response to a request with an unknown access key."""
    if service == "ec2":
        message = "AWS was not able to validate the provided access credentials"
        return error_response(service, "AuthFailure", 401, message)
    message = "The security token included in the request is invalid."
    if service in _QUERY_SERVICES or service == "sqs":
        return error_response(service, "InvalidClientTokenId", 403, message)
    return error_response(service, "UnrecognizedClientException", 400, message)


def throttled_response(service: str) -> Response:
    """AWS's response to too many requests."""
    if service == "ec2":
        return error_response(service, "RequestLimitExceeded", 503, "Request limit exceeded.")
    if service in _QUERY_SERVICES:
        return error_response(service, "Throttling", 400, "Rate exceeded")
    return error_response(service, "ThrottlingException", 400, "Rate exceeded")


def denied_response(service: str, action: str, account_id: str) -> Response:
    """AWS's response to an action that no policy allows.

    Args:
        service: its signing name.
        action: such as "ec2:RunInstances".
        account_id: of the role.
    """
    user = f"arn:aws:sts::{account_id}:assumed-role/SpotLab/spotlab"
    because = f"because no identity-based policy allows the {action} action"
    message = f"User: {user} is not authorized to perform: {action} on resource: * {because}"
    if service == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
        return error_response(service, "UnauthorizedOperation", 403, message)
    if service in _QUERY_SERVICES or service == "sqs":
        return error_response(service, "AccessDenied", 403, message)
    return error_response(service, "AccessDeniedException", 400, message)


def not_found_response(resource_id: str) -> Response:
    """EC2's response to an id that it does not know."""
    prefix = resource_id.partition("-")[0]
    code, title = _NOT_FOUND.get(prefix, ("InvalidID.NotFound", "ID"))
    message = f"The {title} '{resource_id}' does not exist"
    return error_response("ec2", code, 400, message)


_NOT_FOUND: Final = {
    "ami": ("InvalidAMIID.NotFound", "image id"),
    "eni": ("InvalidNetworkInterfaceID.NotFound", "networkInterface ID"),
    "i": ("InvalidInstanceID.NotFound", "instance ID"),
    "sir": ("InvalidSpotInstanceRequestID.NotFound", "spot instance request ID"),
    "snap": ("InvalidSnapshot.NotFound", "snapshot"),
    "vol": ("InvalidVolume.NotFound", "volume"),
}


def _xml(status: int, body: str) -> Response:
    return Response(body, status, content_type="text/xml;charset=UTF-8")
