"""AWS's placement score of a candidate, as a typed value. Client floor: pure."""

from __future__ import annotations

import msgspec


class Placement(msgspec.Struct, frozen=True):
    """AWS's placement score of a group of types; `score` None: see `state` and `reason`."""

    state: str
    score: int | None
    zone: str | None
    instance_types: tuple[str, ...]
    reason: str
