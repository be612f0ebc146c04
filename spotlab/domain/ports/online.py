"""Port of the online store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class OnlineView:
    """One kind of row in the online store.

    Args:
        name: first part of each key, such as "spot_risk".
        entity: names of the key's other parts, such as ("region", "instance_type").
        ttl_s: a row is deleted this long after it was written.
        as_hash: stored as a hash with one field per value, so that single fields can be read.
    """

    name: str
    entity: tuple[str, ...]
    ttl_s: int
    as_hash: bool = False


class OnlineRow(NamedTuple):
    """A value with its key and event time.

    Args:
        key: one text per part of the view's entity.
        event_time: aware UTC; an older value never overwrites a newer one.
        value: JSON values; NaN and infinity are read back as None.
    """

    key: tuple[str, ...]
    event_time: datetime
    value: Mapping[str, Any]


class OnlineStore(Protocol):
    """The newest value of each key with its event time, until its TTL ends."""

    def ping(self) -> float:
        """Round-trip time in seconds, without retries.

        Raises:
            OnlineStoreDown: no response.
        """
        ...

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write rows; a row is stored only if its event_time is not older than that of the stored
        row (if it is equal, value and TTL are renewed).

        Returns:
            Number of stored rows.
        Raises:
            OnlineStoreDown: no response; some rows may have been stored, each completely.
        """
        ...

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        """Rows in the order of `keys`; None for a missing row.

        Raises:
            OnlineStoreDown: no response.
        """
        ...

    def scan(self, view: OnlineView, firsts: Collection[str] | None = None) -> list[OnlineRow]:
        """All rows of a view in any order, optionally only those whose key begins with one of
        these parts.

        Raises:
            OnlineStoreDown: no response.
        """
        ...

    def renew(self, view: OnlineView, name: str, text: str) -> int:
        """Renew the TTL of the rows whose value begins with a given text.

        Args:
            view: the view.
            name: of the first item of the value.
            text: which it must equal.
        Returns:
            Number of these rows.
        Raises:
            OnlineStoreDown: no response; some rows may have been renewed.
        """
        ...

    def clear(self) -> None:
        """Delete all rows that this store wrote (used if the active market changes).

        Raises:
            OnlineStoreDown: no response.
        """
        ...

    def limitations(self) -> tuple[str, ...]:
        """A sentence for each thing that does not work on this server; it is tried.

        Raises:
            OnlineStoreDown: no response.
        """
        ...

    def info(self) -> Mapping[str, str | int | float]:
        """Server, version, address without password, number of keys and memory.

        Raises:
            OnlineStoreDown: no response.
        """
        ...
