"""All errors that SpotLab raises on purpose.

SpotlabError
├── InvalidInput                invalid input; the message names it and says what is valid
│   ├── InvalidSetting
│   ├── FeedRefused             a feed that is truncated, changed or out of range
│   └── ArtefactRefused         a model file that does not match its card, or could execute code
├── NotFound                    an instance, model or experiment that does not exist
├── Refused                     the caller may not do this
│   ├── NotSignedIn             no user is signed in, or their session has ended
│   ├── Forbidden               the role, scope or account does not allow it
│   └── TooManyRequests         too many requests; says when to try again
├── Conflict                    it already exists, or its state does not allow this now
│   └── ChangedMeanwhile        it has changed since the caller read it
├── Fenced                      another process is the leader now: nothing was written
├── NotAvailable                a required component is not available now (exit code 3)
│   ├── OnlineStoreDown
│   ├── DatabaseDown
│   ├── ModelFailed             an uploaded model crashed, timed out or sent no response
│   └── NoMarketData            no market data has been collected yet
├── AwsError                    errors of boto3, translated in aws/
│   ├── AccessDenied
│   │   └── RegionNotEnabled    the account has not opted in to the region
│   ├── CapacityRefused         EC2 has no capacity at this price in the pool now
│   ├── Throttled
│   ├── QuotaRefused            AWS did not answer because a quota is used up
│   ├── ClockSkewed
│   ├── NoSuchThing             the instance, type or region does not exist
│   └── AwsUnreachable
├── SweepFailed                 some cells of a sweep have no result; the others are stored
└── Cancelled                   the user stopped a long run; completed work is stored
"""

from __future__ import annotations


class SpotlabError(Exception):
    """Base of all errors that SpotLab raises on purpose.

    Args:
        message: one sentence for a person: what is wrong, with which input.
        remedy: one sentence: what is valid, or what to do.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class InvalidInput(SpotlabError):
    """Invalid input; the message names it and says what is valid.

    Args:
        message, remedy: see SpotlabError.
        field: name of the input, if a form shows the error next to it.
    """

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class InvalidSetting(InvalidInput):
    """A setting (environment variable or option) that cannot be used."""


class FeedRefused(InvalidInput):
    """A market feed that is truncated, changed or out of range; the last good data stays in use.

    Args:
        message, remedy: see SpotlabError.
        reason: the problem and what was expected, without the feed's name; "": see message.
    """

    def __init__(self, message: str, *, remedy: str = "", reason: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.reason = reason


class ArtefactRefused(InvalidInput):
    """A model artefact that does not match its card, or whose format could execute code."""


class NotFound(SpotlabError):
    """Something that does not exist."""


class Refused(SpotlabError):
    """The caller may not do this."""


class NotSignedIn(Refused):
    """No user is signed in, or their session or token has ended."""


class Forbidden(Refused):
    """The role, the token's scope or the account does not allow it."""


class TooManyRequests(Refused):
    """Too many requests.

    Args:
        message, remedy: see SpotlabError.
        retry_after_s: seconds until the next request is allowed.
    """

    def __init__(self, message: str, *, remedy: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Conflict(SpotlabError):
    """It already exists, or the present state does not allow this."""


class ChangedMeanwhile(Conflict):
    """It has changed since the caller read it; nothing was changed."""


class Fenced(SpotlabError):
    """Another process is the leader now; this one did not write."""


class NotAvailable(SpotlabError):
    """A required component is not available now."""


class OnlineStoreDown(NotAvailable):
    """The Redis or Valkey server does not respond."""


class DatabaseDown(NotAvailable):
    """The SQL database does not respond, is locked or is full.

    Args:
        message, remedy: see SpotlabError; may contain its address.
        what: completes "The database …", without details, for users who may not see them.
    """

    def __init__(self, message: str, *, remedy: str = "", what: str = "does not respond") -> None:
        super().__init__(message, remedy=remedy)
        self.what = what


class ModelFailed(NotAvailable):
    """An uploaded model crashed, exceeded its time or memory, or sent no response.

    Args:
        message, remedy: see SpotlabError.
        what: completes "The model …".
        retry_after_s: seconds until it is used again.
    """

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        what: str = "failed",
        retry_after_s: float = 5.0,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.what = what
        self.retry_after_s = retry_after_s


class NoMarketData(NotAvailable):
    """No market data has been collected yet."""


class AwsError(SpotlabError):
    """An error of AWS, translated from botocore in aws/.

    Args:
        message, remedy: see SpotlabError.
        code: AWS's error code, such as "InsufficientInstanceCapacity"; "": AWS sent none.
    """

    def __init__(self, message: str, *, remedy: str = "", code: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.code = code


class AccessDenied(AwsError):
    """The role or its ExternalId does not allow the call."""


class RegionNotEnabled(AccessDenied):
    """The account has not opted in to the region."""


class CapacityRefused(AwsError):
    """EC2 has no capacity at this price in the pool now; another pool may have it."""


class Throttled(AwsError):
    """AWS throttled the request, also after a limited number of retries."""


class QuotaRefused(AwsError):
    """AWS did not answer because a daily quota is used up; this does not mean "no data"."""


class ClockSkewed(AwsError):
    """AWS rejected the signature because this machine's clock is wrong."""


class NoSuchThing(AwsError):
    """The instance, instance type, zone or region does not exist."""


class AwsUnreachable(AwsError):
    """No response from the endpoint within the timeouts."""


class SweepFailed(SpotlabError):
    """Some cells of a sweep have no result; the results of the others are stored."""


class Cancelled(SpotlabError):
    """The user stopped a long run; completed work is stored."""


def one_line(exc: BaseException) -> str:
    """An error in one line: its message if SpotLab raised it, else with its class."""
    text = " ".join(str(exc).split())
    return text if isinstance(exc, SpotlabError) and text else f"{type(exc).__name__}: {text}"
