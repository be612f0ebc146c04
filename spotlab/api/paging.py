"""Cursor-based pagination.

A cursor names the position of the last item in the sort order, not a number of rows, so that rows
added between two requests neither repeat nor hide others.
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

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Maximum items.", examples=[20])]
Cursor = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=400,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="`next` of the previous page; omit it for the first page.",
    ),
]


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    items: list[T] = Field(description="Items, in the order of the list.")
    total: int = Field(ge=0, description="Number of items on all pages.", examples=[1])
    next: str | None = Field(
        description="Cursor of the next page; null on the last page.", examples=[None]
    )


class PageRequest:
    """The requested page, and the response for it.

    Args:
        request, response: of this call; the response gets the Link header.
        limit: maximum items.
        cursor: position to continue after; None for the first page.
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
        page_type: type[Page[T]],
    ) -> Page[T]:
        """The page of a complete list.

        Args:
            rows: the list, sorted by `key`.
            key: position of a row in the order.
            view: makes an item from a row.
            page_type: type of the page.
        Raises:
            NotFound: the cursor is not from this list.
        """
        part, following = self.slice(rows, key)
        return page_type(items=[view(row) for row in part], total=len(rows), next=following)

    def slice(
        self, rows: Sequence[Row], key: Callable[[Row], list[Any]]
    ) -> tuple[Sequence[Row], str | None]:
        """The rows of the page and the next cursor; arguments and errors as in `from_list`."""
        start = 0
        if self.cursor is not None:
            after = decode_cursor(self.cursor, key(rows[0]) if rows else None)
            start = next((i for i, row in enumerate(rows) if key(row) > after), len(rows))
        end = start + self.limit
        part = rows[start:end]
        return part, self.link_next(key(part[-1]) if end < len(rows) else None)

    def from_store(
        self,
        rows: Sequence[Row],
        total: int,
        key: Callable[[Row], list[Any]],
        view: Callable[[Row], T],
        page_type: type[Page[T]],
    ) -> Page[T]:
        """The page of a list in the store.

        Args:
            rows: the rows after the cursor, one more than the limit if there are as many.
            total: number of rows on all pages.
            key, view, page_type: as in `from_list`.
        """
        part = rows[: self.limit]
        following = self.link_next(key(part[-1]) if len(rows) > self.limit else None)
        return page_type(items=[view(row) for row in part], total=total, next=following)

    def offset(self, total: int) -> int:
        """Number of rows before the page, for a list that is paged by offset.

        Raises:
            NotFound: the cursor is not from this list.
        """
        start: int = 0 if self.cursor is None else decode_cursor(self.cursor, [0])[0]
        if not 0 <= start <= total:
            raise no_such_page()
        return start

    def link_next(self, position: list[Any] | None) -> str | None:
        """Set the Link header (RFC 8288) to the first and the next page.

        Args:
            position: of the last row on the page; None on the last page.
        Returns:
            The next cursor; None on the last page.
        """
        cursor = None if position is None else encode_cursor(position)
        query = [(k, v) for k, v in self._request.query_params.multi_items() if k != "cursor"]
        links = [f'<{self._url(query)}>; rel="first"']
        if cursor is not None:
            links.append(f'<{self._url([*query, ("cursor", cursor)])}>; rel="next"')
        self._response.headers["Link"] = ", ".join(links)
        return cursor

    def _url(self, query: list[tuple[str, str]]) -> str:
        return self._request.url.path + (f"?{urlencode(query)}" if query else "")


PageDep = Annotated[PageRequest, Depends()]


def encode_cursor(position: list[Any]) -> str:
    """The cursor for a position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str, like: list[Any] | None = None) -> list[Any]:
    """The position that a cursor names.

    Args:
        cursor: as `encode_cursor` returned it.
        like: a position in the same list; the types of its values are required.
    Raises:
        NotFound: the cursor is not from this list.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        position = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=list[Any])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise no_such_page() from None
    if like is not None and [type(value) for value in position] != [type(value) for value in like]:
        raise no_such_page()
    return position


def decode_number(cursor: str | None) -> int | None:
    """The number that a cursor names, in a list sorted by number; None for the first page.

    Raises:
        NotFound: the cursor is not from such a list.
    """
    if cursor is None:
        return None
    number: int = decode_cursor(cursor, [0])[0]
    if not 0 < number <= MAX_NUMBER:
        raise no_such_page()
    return number


def no_such_page() -> NotFound:
    """The error for a cursor that is not from this list."""
    return NotFound(
        "This page does not exist.", remedy="Use the `next` of a page of the same list."
    )
