"""Pages of a list: a limit, and a cursor that stands after the last thing seen.

A cursor names a place in the order, not a number of rows: what is added meanwhile neither repeats
nor hides anything.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from spotlab.errors import NotFound

T = TypeVar("T")
Row = TypeVar("Row")
MAX_LIMIT: Final = 500
MAX_NUMBER: Final = 2**31 - 1
DEFAULT_LIMIT: Final = 50

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Longest page.", examples=[20])]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=400,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next` of the page before; without it, the first page.",
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T] = Field(description="In order.")
    total: int = Field(ge=0, description="How many there are on all pages.", examples=[1])
    next: str | None = Field(
        description="The cursor of the next page; null on the last one.", examples=[None]
    )


class PageRequest:
    """The page that a request asks for, and how it is answered.

    Args:
        request, response: its own.
        limit: longest page.
        cursor: where it starts; None: at the beginning.
    """

    def __init__(
        self,
        request: Request,
        response: Response,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> None:
        self._request = request
        self._response = response
        self.limit = limit
        self.cursor = cursor

    def from_list(
        self,
        rows: Sequence[Row],
        key: Callable[[Row], list[Any]],
        view: Callable[[Row], T],
        into: type[Page[T]],
    ) -> Page[T]:
        """The page of a list that is all here.

        Args:
            rows: sorted by `key`.
            key: a row's place in the order.
            view: a row as it is answered.
            into: the kind of page.
        Raises:
            NotFound: a cursor that no page of this list gave.
        """
        part, following = self.slice(rows, key)
        return into(items=[view(row) for row in part], total=len(rows), next=following)

    def slice(
        self, rows: Sequence[Row], key: Callable[[Row], list[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """As `cut`, and the header Link says so."""
        part, following = slice_page(rows, key, self.limit, self.cursor)
        self.set_link_header(following)
        return part, following

    def from_store(
        self,
        found: Sequence[Row],
        total: int,
        key: Callable[[Row], list[Any]],
        view: Callable[[Row], T],
        into: type[Page[T]],
    ) -> Page[T]:
        """As `of`, where the store was asked for one row more than the limit, after the cursor."""
        part = found[: self.limit]
        following = encode_cursor(key(part[-1])) if len(found) > self.limit else None
        self.set_link_header(following)
        return into(items=[view(row) for row in part], total=total, next=following)

    def set_link_header(self, following: str | None) -> None:
        """Name the first and the next page in the header Link."""
        set_link_header(self._request, self._response, following)


PageDep = Annotated[PageRequest, Depends()]


def slice_page(
    rows: Sequence[Row], key: Callable[[Row], list[Any]], limit: int, cursor: str | None
) -> tuple[Sequence[Row], str | None]:
    """The page after a cursor of rows that are sorted by a key, and the next cursor.

    Raises:
        NotFound: a cursor that no page of this list gave.
    """
    start = 0
    if cursor is not None:
        after = decode_cursor(cursor, key(rows[0]) if rows else None)
        start = next((i for i, row in enumerate(rows) if key(row) > after), len(rows))
    page = rows[start : start + limit]
    more = start + limit < len(rows)
    return page, encode_cursor(key(page[-1])) if more else None


def encode_cursor(place: list[Any]) -> str:
    """A cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decode_cursor(cursor: str, like: list[Any] | None = None) -> list[Any]:
    """The place that a cursor names.

    Args:
        cursor: as `write` gave it.
        like: a place of the same list, for its shape.
    Raises:
        NotFound: it is none of this list.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=list[Any])
        shape = [type(part) for part in place]
        if like is not None and shape != [type(part) for part in like]:
            raise ValueError("another shape")
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise NotFound(
            "There is no such page.", remedy="Use the `next` of a page of this very list."
        ) from None
    return place


def number_of_cursor(cursor: str | None) -> int | None:
    """The number that a cursor of a list by number stands after; None: the first page.

    Raises:
        NotFound: it is none of such a list.
    """
    if cursor is None:
        return None
    number: int = decode_cursor(cursor, [0])[0]
    if not 0 < number <= MAX_NUMBER:
        raise NotFound("There is no such page.", remedy="Use the `next` of a page.")
    return number


def set_link_header(request: Request, response: Response, cursor: str | None) -> None:
    """Name the first and the next page in the header Link (RFC 8288)."""
    asked = [(k, v) for k, v in request.query_params.multi_items() if k != "cursor"]
    links = [f'<{_address(request, asked)}>; rel="first"']
    if cursor is not None:
        links.append(f'<{_address(request, [*asked, ("cursor", cursor)])}>; rel="next"')
    response.headers["Link"] = ", ".join(links)


def _address(request: Request, asked: list[tuple[str, str]]) -> str:
    return request.url.path + (f"?{urlencode(asked)}" if asked else "")
