"""Every error SpotLab raises on purpose.

SpotlabError
├── InvalidInput                what was given is wrong; names the input and what would be right
│   ├── InvalidSetting
│   ├── FeedRefused             a feed that is truncated, changed or out of range
│   └── ArtefactRefused         a model file unlike its card, or a format that runs code
├── NotFound                    an instance, model or experiment that is not in the ledger
├── Refused                     who asks may not do this
│   ├── NotSignedIn             nobody is signed in, or no longer
│   ├── Forbidden               the role, scope or account does not allow it
│   └── TooManyRequests         asked too often; says when to ask again
├── Conflict                    it exists already, or its state does not allow this now
│   └── ChangedMeanwhile        it is not as it was when the change was thought of
├── Fenced                      another process leads now: nothing was written
├── NotAvailable                a part that is needed is not there now (exit code 3)
│   ├── OnlineStoreDown
│   ├── DatabaseDown
│   ├── ModelFailed             an uploaded model crashed, overran or gave no answer
│   └── NoMarketData            nothing collected yet for what was asked
├── AwsError                    anything boto3 raises, translated in aws/
│   ├── AccessDenied
│   ├── Throttled
│   ├── QuotaRefused            not "no data": AWS refused to answer
│   ├── ClockSkewed
│   ├── NoSuchThing             the instance, type or region does not exist
│   └── AwsUnreachable
├── SweepFailed                 cells of a sweep have no result; the others are kept
└── Cancelled                   the user stopped a long run; what was done is kept
"""

from __future__ import annotations


class SpotlabError(Exception):
    """Base of every error that SpotLab raises on purpose.

    Args:
        message: one sentence for a person: what was wrong, with which input.
        remedy: one sentence: what would be right, or what to do.
    """

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class InvalidInput(SpotlabError):
    """What was given is wrong; names the input and what would be right.

    Args:
        message, remedy: as of every error.
        field: name of what was given, where a form shows the error beside it.
    """

    def __init__(self, message: str, *, remedy: str = "", field: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.field = field


class InvalidSetting(InvalidInput):
    """A setting (environment variable or option) that cannot be used."""


class FeedRefused(InvalidInput):
    """A market feed that is truncated, changed or out of range; the last good one stays."""


class ArtefactRefused(InvalidInput):
    """A model artefact that does not match its card, or whose format could run code."""


class NotFound(SpotlabError):
    """Something named that the ledger does not hold."""


class Refused(SpotlabError):
    """Who asks may not do this."""


class NotSignedIn(Refused):
    """Nobody is signed in, or their session or token has ended."""


class Forbidden(Refused):
    """The role, the token's scope or the account does not allow it."""


class TooManyRequests(Refused):
    """Asked too often.

    Args:
        retry_after_s: seconds until it may be asked again.
    """

    def __init__(self, message: str, *, remedy: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class Conflict(SpotlabError):
    """What is to be made exists already, or the state of things does not allow this now."""


class ChangedMeanwhile(Conflict):
    """What is to be changed is not as it was when the change was thought of; nothing changed."""


class Fenced(SpotlabError):
    """Another process leads now; what this one was about to write is not written."""


class NotAvailable(SpotlabError):
    """A part that is needed is not there now."""


class OnlineStoreDown(NotAvailable):
    """The Redis or Valkey server does not answer."""


class DatabaseDown(NotAvailable):
    """The SQL database does not answer, is locked or is full.

    Args:
        message, remedy: as of every error; they may name its address.
        what: what is wrong with it, completing "The database …", for whoever may not know more.
    """

    def __init__(self, message: str, *, remedy: str = "", what: str = "does not answer") -> None:
        super().__init__(message, remedy=remedy)
        self.what = what


class ModelFailed(NotAvailable):
    """A model that somebody sent crashed, took too long or too much, or gave no answer.

    Args:
        message, remedy: as of every error.
        what: what it did, completing "The model …".
        retry_after_s: seconds until it is asked again.
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
    """Nothing has been collected yet for what was asked."""


class AwsError(SpotlabError):
    """Anything AWS refused, translated from botocore in aws/."""


class AccessDenied(AwsError):
    """The role or its ExternalId does not allow the call."""


class Throttled(AwsError):
    """AWS asked to slow down, and did so again after bounded retries."""


class QuotaRefused(AwsError):
    """A daily quota is used up: the answer is refused, which is not an empty answer."""


class ClockSkewed(AwsError):
    """AWS refused the signature because this machine's clock is off."""


class NoSuchThing(AwsError):
    """The instance, instance type, zone or region does not exist."""


class AwsUnreachable(AwsError):
    """No answer from the endpoint within the timeouts."""


class SweepFailed(SpotlabError):
    """Some cells of a sweep have no result; those that have one are kept."""


class Cancelled(SpotlabError):
    """The user stopped a long run; what was done is kept."""


def one_line(exc: BaseException) -> str:
    """An error in one line: its own sentence where SpotLab raised it, else with its class."""
    text = " ".join(str(exc).split())
    return text if isinstance(exc, SpotlabError) and text else f"{type(exc).__name__}: {text}"
