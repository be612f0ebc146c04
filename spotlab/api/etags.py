"""ETags: conditional reads (If-None-Match) and optimistic locking of changes (If-Match)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from fastapi import Header
from pydantic import BaseModel

from spotlab.api.problems import PreconditionRequired
from spotlab.errors import ChangedMeanwhile

T = TypeVar("T")
MAX_ATTEMPTS: Final = 10
"""Attempts with "*"; each failed attempt means that another change succeeded."""
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='ETag of the state that you read, or "*" for any state.',
        examples=["*"],
    ),
]


def etag(body: bytes) -> str:
    """A strong ETag for a body."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def tag_of_view(view: BaseModel, hidden: str = "") -> str:
    """The ETag of a view, the same for every operation that returns it.

    Args:
        view: the response.
        hidden: value that is not in the response, but must change the ETag.
    """
    return etag(view.model_dump_json().encode() + hidden.encode())


def matches(header: str, tag: str) -> bool:
    """Whether If-None-Match or If-Match contains the tag ("*" matches every tag).

    A tag that a proxy changed by compression (W/"…" or "…-gzip") still matches.
    """
    if header.strip() == "*":
        return True
    tags = (part.strip().removeprefix("W/") for part in header.split(","))
    return any(each in (tag, f'{tag[:-1]}-gzip"') for each in tags)


def require_match(header: str | None, tag: str, what: str) -> None:
    """Check that a change is based on the current state.

    Raises:
        PreconditionRequired: there is no If-Match.
        ChangedMeanwhile: If-Match names another state.
    """
    if header is None:
        raise PreconditionRequired(
            f"A change of {what} needs the header If-Match.",
            remedy='Send the ETag of the state that you read, or "*" for any state.',
        )
    if not matches(header, tag):
        raise ChangedMeanwhile(
            f"{what[:1].upper()}{what[1:]} was changed in the meantime.", remedy="Read it again."
        )


def expected_state(header: str | None, current: T, tag: str, what: str) -> T | None:
    """The state that the store must still find when it makes a change; None for any state.

    Raises:
        PreconditionRequired, ChangedMeanwhile: see `require_match`.
    """
    require_match(header, tag, what)
    return None if header is not None and header.strip() == "*" else current


def apply_change(
    header: str | None,
    read: Callable[[], T],
    tag_of: Callable[[T], str],
    what: str,
    change: Callable[[T], T],
) -> T:
    """Change something, based on its current state.

    Args:
        header: If-Match. With a tag, only one of several concurrent changes succeeds. With "*", all
            do, one after the other.
        read: returns the current state.
        tag_of: returns the ETag of a state.
        what: what is changed, for messages.
        change: makes the change; raises ChangedMeanwhile if the state is no longer the given one.
    Raises:
        PreconditionRequired, ChangedMeanwhile: see `require_match`.
    """
    for attempts_left in reversed(range(MAX_ATTEMPTS)):
        current = read()
        require_match(header, tag_of(current), what)
        try:
            return change(current)
        except ChangedMeanwhile:
            if not attempts_left or (header or "").strip() != "*":
                raise
    raise AssertionError("the last attempt returns or raises")
