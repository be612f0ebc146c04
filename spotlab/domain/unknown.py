"""A fact that could not be read, as a value of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be read.

    Args:
        reason: one sentence, without secrets.
        permission: the IAM action that the role lacks, such as "ec2:DescribeVolumes"; "": another
            cause.
    """

    reason: str
    permission: str = ""


def known(fact: T | Unknown) -> T | None:
    """The fact, or None if it is unknown.

    >>> known(Unknown("AWS did not answer."))
    """
    return None if isinstance(fact, Unknown) else fact
