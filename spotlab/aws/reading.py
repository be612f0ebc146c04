"""Reading facts one after another: a call that AWS does not answer makes its fact unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from spotlab.aws.failures import translated
from spotlab.domain.ports import Account
from spotlab.domain.unknown import Unknown
from spotlab.errors import AccessDenied, AwsError, RegionNotEnabled

T = TypeVar("T")


class Reading:
    """Reads facts of one account.

    Args:
        account: whose external id must not appear in a reason.
    """

    def __init__(self, account: Account) -> None:
        self._account = account

    def read(self, action: str, doing: str, call: Callable[[], T]) -> T | Unknown:
        """The result of a call, or why there is none.

        Args:
            action: the IAM action that the call needs, such as "ec2:DescribeVolumes".
            doing: the operation, as the start of a sentence: "Reading its volumes".
            call: the call.
        """
        try:
            return self.require(doing, call)
        except AwsError as exc:
            return unknown(exc, action)

    def require(self, doing: str, call: Callable[[], T]) -> T:
        """The result of a call that must succeed. Raises AwsError."""
        with translated(doing, self._account.external_id):
            return call()


def unknown(exc: AwsError, action: str) -> Unknown:
    """Why a fact could not be read; the missing right, if that is the cause."""
    denied = isinstance(exc, AccessDenied) and not isinstance(exc, RegionNotEnabled)
    return Unknown(exc.message, action if denied else "")
