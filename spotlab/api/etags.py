"""Entity tags: what a reader has already, and what a change was made from."""

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
"""Each time that one is beaten, another's change was made."""
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description='The ETag that it was read with, or "*" for whatever it is.',
        examples=["*"],
    ),
]


def etag(body: bytes) -> str:
    """A strong entity tag of these bytes."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def tag_of_view(view: BaseModel, hidden: str = "") -> str:
    """The entity tag of what is answered as this view, the same under every operation.

    Args:
        view: what is shown.
        hidden: changes with what is not, and says nothing of it.
    """
    return etag(view.model_dump_json().encode() + hidden.encode())


def matches(header: str, tag: str) -> bool:
    """Whether an If-None-Match or If-Match names this tag ("*" names every one).

    A tag that a proxy weakened by compressing (W/"…" or "…-gzip") is still the same.
    """
    if header.strip() == "*":
        return True
    given = (part.strip().removeprefix("W/") for part in header.split(","))
    return any(part == tag or part == f'{tag[:-1]}-gzip"' for part in given)


def require_match(header: str | None, tag: str, what: str) -> None:
    """Nothing, if a change was made from what is there now.

    Raises:
        PreconditionMissing: no If-Match.
        ChangedMeanwhile: it names another state.
    """
    if header is None:
        raise PreconditionRequired(
            f"A change of {what} says what it was made from.",
            remedy='Send If-Match with the ETag that it was read with, or "*" for whatever it is.',
        )
    if not matches(header, tag):
        raise ChangedMeanwhile(
            f"{what[:1].upper()}{what[1:]} was changed meanwhile.", remedy="Read it again."
        )


def expected_state(header: str | None, now: T, tag: str, what: str) -> T | None:
    """What a change was made from, for the store to compare again; None: whatever it is.

    Raises:
        PreconditionMissing, ChangedMeanwhile: as `require`.
    """
    require_match(header, tag, what)
    return None if header is not None and header.strip() == "*" else now


def apply_change(
    header: str | None,
    read: Callable[[], T],
    tag_of: Callable[[T], str],
    what: str,
    change: Callable[[T], T],
) -> T:
    """Change a part of something, from what is there now.

    Args:
        header: If-Match. With a tag, of several who change the same at once one succeeds. With "*"
            each does, from what the one before has left.
        read: gives what is there.
        tag_of: its entity tag.
        what: it is, in words.
        change: makes the change from what was read; refused where it is another by then.
    Raises:
        PreconditionMissing, ChangedMeanwhile: as `require`.
    """
    for left in reversed(range(MAX_ATTEMPTS)):
        now = read()
        require_match(header, tag_of(now), what)
        try:
            return change(now)
        except ChangedMeanwhile:
            if not left or (header or "").strip() != "*":
                raise
    raise AssertionError("the last try returns or raises")
