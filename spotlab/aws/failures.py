"""botocore's errors in SpotLab's words.

A message says what was being done, AWS's code and, where it is safe, AWS's own sentence. Signature
errors echo the request, with its token and headers, so their text is never passed on, and neither
is the original error as a cause.

Source: "Error codes for the Amazon EC2 API" and "Common errors" of the STS and Pricing APIs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from boto3.exceptions import Boto3Error
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from spotlab.errors import (
    AccessDenied,
    AwsError,
    AwsUnreachable,
    ClockSkewed,
    NoSuchThing,
    QuotaRefused,
    Throttled,
)

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
        "OptInRequired",
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
    AccessDenied: "Check the credentials and what the role's policies allow.",
    Throttled: "AWS asks for fewer requests; try again later.",
    QuotaRefused: "A quota of the account is used up; wait until it is free or have it raised.",
    ClockSkewed: "Set this machine's clock; AWS accepts five minutes of difference.",
    NoSuchThing: "Check the name and the region.",
    AwsUnreachable: "Check the network, and that the region exists; try again later.",
}


@contextmanager
def translated(doing: str, *secrets: str) -> Iterator[None]:
    """Raise what botocore raises inside in SpotLab's words.

    Args:
        doing: what is being done, to begin a sentence: "Listing the instances of eu-west-1".
        secrets: texts that AWS may echo and that no message may hold.
    Raises:
        AwsError: the subclass that fits.
    """
    try:
        yield
    except boto.ClientError as exc:
        raise _from_client_error(exc, doing, secrets) from None
    except (boto.BotoCoreError, Boto3Error, ResponseParserError) as exc:
        raise _from_other_error(exc, doing) from None
    except KeyError as exc:
        raise AwsError(f"{doing} got an answer from AWS that lacks {exc}.") from None


def _from_client_error(exc: boto.ClientError, doing: str, secrets: tuple[str, ...]) -> AwsError:
    error = exc.response.get("Error", {})
    code, text = str(error.get("Code", "")), str(error.get("Message", ""))
    status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    kind = _error_class(code, text, status)
    said = "" if code in _SIGNATURE or kind is ClockSkewed else _redacted(text, secrets)
    message = f"{doing} was refused by AWS with {code or f'status {status}'}"
    return kind(f"{message}: {said}" if said else f"{message}.", remedy=_REMEDIES.get(kind, ""))


def _error_class(code: str, text: str, status: int) -> type[AwsError]:
    if code in _CLOCK or (code in _SIGNATURE and _CLOCK_TEXT.search(text)):
        return ClockSkewed
    if code in _SIGNATURE | _DENIED:
        return AccessDenied
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
    """What never got an answer from AWS, or none that can be read."""
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
                f"{doing} names no region that AWS has.", remedy="A region is such as us-east-1."
            )
        case boto.ReadTimeoutError() | boto.ConnectTimeoutError():
            return AwsUnreachable(
                f"{doing} got no answer from AWS in time.", remedy=_REMEDIES[AwsUnreachable]
            )
        case boto.HTTPClientError() | boto.ConnectionError():
            return AwsUnreachable(
                f"{doing} could not reach AWS ({_class_name(exc)}).", remedy=_REMEDIES[AwsUnreachable]
            )
        case ResponseParserError() | boto.IncompleteReadError() | boto.ChecksumError():
            return AwsUnreachable(
                f"{doing} got an answer that is cut off or cannot be read.",
                remedy="Try again; check for a proxy between this machine and AWS.",
            )
        case boto.ParamValidationError():
            return AwsError(f"{doing} was not sent: a value has a form that AWS does not take.")
        case _:
            return AwsError(f"{doing} failed ({_class_name(exc)}).")


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    text = _SECRETS.sub("…", " ".join(text.split()))
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def _class_name(exc: Exception) -> str:
    return type(exc).__name__
