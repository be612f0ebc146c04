"""Translation of botocore's errors to SpotLab's own.

A message contains the operation, AWS's error code and, if it is safe, AWS's own text. Signature
errors echo the request with its token and headers, so neither their text nor the original error (as
a cause) is passed on.

Source: "Error codes for the Amazon EC2 API" and "Common errors" of the STS and Pricing APIs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from spotlab.errors import (
    AccessDenied,
    AwsError,
    AwsUnreachable,
    CapacityRefused,
    ClockSkewed,
    NoSuchThing,
    QuotaRefused,
    RegionNotEnabled,
    Throttled,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_THROTTLED: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_QUOTA: Final = frozenset(
    {
        "InstanceLimitExceeded",
        "LimitExceeded",
        "LimitExceededException",
        "MaxConfigLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "ServiceQuotaExceededException",
        "VcpuLimitExceeded",
    }
)
_CAPACITY: Final = frozenset(
    {
        "InsufficientCapacity",
        "InsufficientHostCapacity",
        "InsufficientInstanceCapacity",
        "SpotMaxPriceTooLow",
        "UnfulfillableCapacity",
    }
)
_CLOCK: Final = frozenset({"RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"})
_SIGNATURE: Final = frozenset(
    {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
    }
)
_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "Blocked",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "PendingVerification",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_UNREACHABLE: Final = frozenset(
    {"InternalError", "InternalFailure", "RequestTimeout", "ServiceUnavailable", "Unavailable"}
)
_NO_SUCH: Final = re.compile(
    r"\.NotFound$|\.Malformed$|^InvalidInstanceType$|^InvalidRegion|^InvalidAvailabilityZone$"
    r"|^UnknownRegion|^NotFoundException$"
)
_NAMES_A_RESOURCE: Final = re.compile(r"instance ?type|availability ?zone|region", re.IGNORECASE)
_CLOCK_TEXT: Final = re.compile(
    r"clock|skew|signature expired|not yet current|too far|is (now )?(earlier|later) than",
    re.IGNORECASE,
)
_SECRETS: Final = re.compile(
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{8,}"
    r"|[A-Za-z0-9/+=_-]{40,}"
    r"|(?:authorization|credential|signature|security-?token|session-?token|external-?id|secret\w*)"
    r"\s*[:=]\s*[^\s,;]+",
    re.IGNORECASE,
)
_MAX_TEXT: Final = 240

_REMEDIES: Final[dict[type[AwsError], str]] = {
    AccessDenied: "Check the credentials and the role's policies.",
    RegionNotEnabled: "Opt in to the region in the account's settings, or remove it here.",
    CapacityRefused: "Another zone or instance type may have capacity.",
    Throttled: "AWS limits the rate of requests; try again later.",
    QuotaRefused: "A quota of the account is used up; wait, or request an increase.",
    ClockSkewed: "Set this machine's clock; AWS tolerates a difference of five minutes.",
    NoSuchThing: "Check the name and the region.",
    AwsUnreachable: "Check the network, and that the region exists; try again later.",
}


@contextmanager
def translated(doing: str, *secrets: str) -> Iterator[None]:
    """Translate botocore's errors to SpotLab's.

    Args:
        doing: the operation, as the start of a sentence: "Listing the instances of eu-west-1".
        secrets: texts that AWS may echo and that must not appear in a message.
    Raises:
        AwsError: the matching subclass.
    """
    try:
        yield
    except KeyError as exc:
        raise AwsError(f"{doing} failed: AWS's response lacks {exc}.") from None
    except Exception as exc:
        error = _translation(exc, doing, secrets)
        if error is None:
            raise
        raise error from None


def _translation(exc: Exception, doing: str, secrets: tuple[str, ...]) -> AwsError | None:
    """The error of SpotLab; None: not an error of boto3, which a process without clients lacks."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    if isinstance(exc, ClientError):
        return _from_client_error(exc, doing, secrets)
    if isinstance(exc, BotoCoreError | Boto3Error | ResponseParserError):
        return _from_other_error(exc, doing)
    return None


def _from_client_error(exc: ClientError, doing: str, secrets: tuple[str, ...]) -> AwsError:
    error = exc.response.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _error_class(code, text, status)
    details = "" if code in _SIGNATURE or kind is ClockSkewed else _redacted(text, secrets)
    message = f"{doing} was refused by AWS with {code or f'status {status}'}"
    full_message = f"{message}: {details}" if details else f"{message}."
    return kind(full_message, remedy=_REMEDIES.get(kind, ""), code=code)


def _error_class(code: str, text: str, status: int) -> type[AwsError]:
    if code in _CLOCK or (code in _SIGNATURE and _CLOCK_TEXT.search(text)):
        return ClockSkewed
    if code == "OptInRequired":
        return RegionNotEnabled
    if code in _SIGNATURE | _DENIED:
        return AccessDenied
    if code in _CAPACITY:
        return CapacityRefused
    if code in _THROTTLED:
        return Throttled
    if code in _QUOTA:
        return QuotaRefused
    if _NO_SUCH.search(code) or (
        code in {"InvalidParameterValue", "ValidationError"} and _NAMES_A_RESOURCE.search(text)
    ):
        return NoSuchThing
    if code in _UNREACHABLE or status >= 500:
        return AwsUnreachable
    if status in (401, 403):
        return AccessDenied
    return AwsError


def _from_other_error(exc: Exception, doing: str) -> AwsError:
    """The error of a request without a readable response from AWS."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    match exc:
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.ProfileNotFound():
            return AccessDenied(
                f"{doing} needs AWS credentials, and none were found ({_class_name(exc)}).",
                remedy="Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run "
                "where a role is attached.",
            )
        case boto.CredentialRetrievalError() | boto.TokenRetrievalError() | boto.SSOError():
            return AccessDenied(
                f"{doing} could not renew this machine's AWS credentials ({_class_name(exc)}).",
                remedy="Sign in again.",
            )
        case boto.NoRegionError() | boto.InvalidRegionError() | boto.UnknownRegionError():
            return NoSuchThing(
                f"{doing} failed: AWS has no such region.",
                remedy="Use a region such as us-east-1.",
            )
        case boto.ReadTimeoutError() | boto.ConnectTimeoutError():
            return AwsUnreachable(
                f"{doing} timed out: AWS did not answer.", remedy=_REMEDIES[AwsUnreachable]
            )
        case boto.HTTPClientError() | boto.ConnectionError():
            return AwsUnreachable(
                f"{doing} could not reach AWS ({_class_name(exc)}).",
                remedy=_REMEDIES[AwsUnreachable],
            )
        case ResponseParserError() | boto.IncompleteReadError() | boto.ChecksumError():
            return AwsUnreachable(
                f"{doing} failed: AWS's response is incomplete or cannot be read.",
                remedy="Try again; check for a proxy between this machine and AWS.",
            )
        case boto.ParamValidationError():
            return AwsError(f"{doing} was not sent: AWS does not accept the form of a value.")
        case _:
            return AwsError(f"{doing} failed ({_class_name(exc)}).")


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    text = _SECRETS.sub("…", " ".join(text.split()))
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _class_name(exc: Exception) -> str:
    return type(exc).__name__
