"""Records of a feed or file that cannot be used, among others that can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from spotlab.errors import FeedRefused, InvalidInput

MAX_SET_ASIDE_SHARE: Final = 0.01
"""A source of whose records a larger share cannot be used is rejected: its format has changed."""


class SetAside:
    """The records of a source that cannot be used, each with its place and reason.

    >>> odd = SetAside()
    >>> with odd.record():
    ...     raise InvalidInput("Line 7 has price 0.", remedy="Expected a price above 0.")
    >>> odd.reasons(records=200)
    ('Line 7 has price 0. Expected a price above 0.',)
    """

    def __init__(self) -> None:
        self._errors: list[InvalidInput] = []

    @contextmanager
    def record(self) -> Iterator[None]:
        """Sets the record that is read in its block aside, if it is rejected."""
        try:
            yield
        except InvalidInput as exc:
            self._errors.append(exc)

    def reasons(self, records: int) -> tuple[str, ...]:
        """One sentence for each record that was set aside.

        Args:
            records: number of records of the source, with those that were set aside.
        Raises:
            InvalidInput: more than MAX_SET_ASIDE_SHARE were set aside; the error of the first one.
        """
        count = len(self._errors)
        if count > MAX_SET_ASIDE_SHARE * records:
            first = self._errors[0]
            if count == 1:
                raise first
            message = f"{first.message} {count:,} of {records:,} records cannot be used."
            raise type(first)(message, remedy=first.remedy)
        return tuple(map(_reason, self._errors))


def _reason(error: InvalidInput) -> str:
    return error.reason if isinstance(error, FeedRefused) else str(error)
