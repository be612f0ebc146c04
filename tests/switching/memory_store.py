"""Switches in memory, with the store's contract, for many runs in little time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spotlab.domain.ports import By
from spotlab.domain.switches import JournalEntry, Switch
from spotlab.errors import ChangedMeanwhile, Fenced


class MemorySwitches:
    """As `SqlSwitches`, for one switch; `token` is that of the lease's present holder."""

    def __init__(self, switch: Switch) -> None:
        self.switch = replace(switch, version=1)
        self.entries: list[JournalEntry] = []
        self.token = 0
        self.commits = 0
        self.on_commit: Callable[[int, str], None] = lambda _number, _when: None

    def get(self, switch_id: str) -> Switch:
        """The switch."""
        assert switch_id == self.switch.switch_id
        return self.switch

    def save(
        self, switch: Switch, entries: Sequence[JournalEntry] = (), by: By | None = None
    ) -> Switch:
        """Store a change, unless the version or the token is old."""
        number, self.commits = self.commits, self.commits + 1
        self.on_commit(number, "before")
        if any(each.token != self.token for each in entries):
            raise Fenced("another driver holds the lease")
        if switch.version != self.switch.version:
            raise ChangedMeanwhile("the switch has changed")
        for each in entries:
            self.entries.append(replace(each, seq=len(self.entries) + 1))
        self.switch = replace(
            switch,
            version=switch.version + 1,
            pause_requested=self.switch.pause_requested,
            rollback_requested=self.switch.rollback_requested,
        )
        self.on_commit(number, "after")
        return self.switch

    def ask(self, *, pause: bool | None = None, roll_back: bool | None = None) -> None:
        """What a user asks of the driver."""
        if pause is not None:
            self.switch = replace(self.switch, pause_requested=pause)
        if roll_back is not None:
            self.switch = replace(self.switch, rollback_requested=roll_back)
