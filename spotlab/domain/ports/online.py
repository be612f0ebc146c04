"""Port of the online store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class OnlineView:
    """One kind of row in the online store.

    Args:
        name: first part of every key, such as "spot_risk".
        entity: names of the key's other parts, such as ("region", "instance_type").
        ttl_s: a row older than this (since written) is gone.
        as_hash: stored as a hash, one field a value, so that one field can be read alone.
    """

    name: str
    entity: tuple[str, ...]
    ttl_s: int
    as_hash: bool = False


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """A value with its key and the time it was true.

    Args:
        key: one text a part of the view's entity.
        event_time: aware UTC; an older one never overwrites a newer one.
        value: JSON-like: str, int, float, bool, None, lists and dicts of them; NaN and
            infinity are read back as None.
    """

    key: tuple[str, ...]
    event_time: datetime
    value: Mapping[str, Any]


class OnlineStore(Protocol):
    """The newest value a key, with its age; rows go when their TTL ends."""

    def ping(self) -> float:
        """Round trip in seconds, without retries.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        """Write in bulk; a row lands only if its event_time is newer than or equal to the stored
        one's (equal refreshes value and TTL).

        Returns:
            How many rows landed.
        Raises:
            OnlineStoreDown: no answer; some rows may have landed, each whole.
        """
        ...

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        """Rows in the order and the length of `keys`; None where there is none.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def keys(self, view: OnlineView, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
        """Keys of a view that hold a row now, sorted, optionally with these first parts.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def clear(self) -> None:
        """Remove every row that this store wrote (used when the active market changes).

        Raises:
            OnlineStoreDown: no answer.
        """
        ...

    def info(self) -> Mapping[str, str | int | float]:
        """What doctor and Health show: server, version, address without password, keys, memory.

        Raises:
            OnlineStoreDown: no answer.
        """
        ...
