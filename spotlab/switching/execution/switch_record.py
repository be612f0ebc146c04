"""One switch in the hands of a driver: its record, its journal and the time spent in each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from spotlab.domain.ports import By, Clock
from spotlab.domain.switches import Attempt, JournalEntry, Phase, Progress, Switch
from spotlab.errors import Fenced
from spotlab.switching.execution.signals import Wait

SAVE_ELAPSED_EVERY_S: Final = 15.0
"""Time in a step that a killed driver may lose."""


class SwitchStore(Protocol):
    """What a driver needs of the store; `store.switches.SqlSwitches` is the implementation."""

    def get(self, switch_id: str) -> Switch:
        """One switch. Raises NotFound."""
        ...

    def save(
        self, switch: Switch, entries: list[JournalEntry] = ..., by: By | None = ...
    ) -> Switch:
        """Store a change with its journal entries. Raises ChangedMeanwhile, Fenced."""
        ...


class SwitchRecord:
    """The record of a switch, which is written before and after each action.

    Args:
        store: of switches; the caller has entered its fence.
        switch: as stored.
        token: fencing token of this driver.
        clock: for times that are shown.
        monotonic: seconds, for time limits; never jumps.
        leading: whether this driver still holds the lease.
    """

    def __init__(
        self,
        store: SwitchStore,
        switch: Switch,
        token: int,
        clock: Clock,
        monotonic: Callable[[], float],
        leading: Callable[[], bool],
    ) -> None:
        self.switch = switch
        self.clock = clock
        self._store = store
        self._token = token
        self._monotonic = monotonic
        self._leading = leading
        self._counted_at = monotonic()
        self._unsaved: dict[str, float] = {}
        self._waiting: set[str] = set()
        self._last_note = ""

    @property
    def progress(self) -> Progress:
        """The driver's part of the record."""
        return self.switch.progress

    @property
    def attempt(self) -> Attempt | None:
        """The newest launch; None: none yet."""
        return self.progress.attempts[-1] if self.progress.attempts else None

    def refresh(self) -> Switch:
        """Read what users have asked meanwhile."""
        stored = self._store.get(self.switch.switch_id)
        if stored.version != self.switch.version:
            self.switch = stored
        else:
            self.switch = replace(
                self.switch,
                pause_requested=stored.pause_requested,
                rollback_requested=stored.rollback_requested,
            )
        return self.switch

    def require_lease(self) -> None:
        """Called directly before a change in AWS. Raises Fenced: another driver may be at work."""
        if not self._leading():
            raise Fenced(
                f"The lease of switch {self.switch.switch_id} was not renewed in time.",
                remedy="Nothing more is changed; another driver continues.",
            )

    def entry(
        self, action: str, phase: Phase, detail: Mapping[str, Any] | None = None
    ) -> JournalEntry:
        """A journal entry in the present step."""
        return JournalEntry(
            self.switch.switch_id,
            0,
            self.clock.now(),
            self.switch.step,
            action,
            phase,
            detail or {},
            self.switch.attempt,
            self._token,
        )

    def save(
        self, *entries: JournalEntry, progress: Progress | None = None, **changes: Any
    ) -> None:
        """Store changes and journal entries, in one transaction.

        Raises:
            Fenced, ChangedMeanwhile, DatabaseDown: nothing was stored.
        """
        new = progress or self.progress
        if self._unsaved:
            elapsed = dict(new.elapsed_s)
            for name, seconds in self._unsaved.items():
                elapsed[name] = round(elapsed.get(name, 0.0) + seconds, 3)
            new = replace(new, elapsed_s=elapsed)
        self.switch = self._store.save(replace(self.switch, progress=new, **changes), list(entries))
        self._unsaved = {}

    def update(self, *entries: JournalEntry, **changes: Any) -> None:
        """Store changes of the progress, with journal entries."""
        self.save(*entries, progress=replace(self.progress, **changes))

    def set_attempt(self, newest: Attempt, /, *entries: JournalEntry, **changes: Any) -> None:
        """Store the newest attempt, new or changed, and other changes of the switch."""
        others = [each for each in self.progress.attempts if each.number != newest.number]
        progress = replace(self.progress, attempts=(*others, newest))
        self.save(*entries, progress=progress, **changes)

    def note(self, text: str, **detail: Any) -> None:
        """A journal entry about what is waited for; the same note is written once."""
        if text != self._last_note:
            self._last_note = text
            self.save(self.entry(text, Phase.NOTE, detail))

    def count_time(self, name: str) -> None:
        """Add the time since the last call to a step's, and to what is waited for in it.

        The process's monotonic clock is used: a wall clock that jumps changes no limit, and time
        without a driver is not counted.
        """
        now = self._monotonic()
        for each in (name, *self._waiting):
            self._unsaved[each] = self._unsaved.get(each, 0.0) + now - self._counted_at
        self._waiting.clear()
        self._counted_at = now
        if self._unsaved[name] >= SAVE_ELAPSED_EVERY_S:
            self.save()

    def elapsed_s(self, name: str) -> float:
        """Seconds that drivers have spent in a step."""
        return self.progress.elapsed_s.get(name, 0.0) + self._unsaved.get(name, 0.0)

    def forget_time(self, *names: str) -> Progress:
        """The progress with these steps' time set to 0, to be saved."""
        kept = {
            name: seconds for name, seconds in self.progress.elapsed_s.items() if name not in names
        }
        for name in names:
            self._unsaved.pop(name, None)
        return replace(self.progress, elapsed_s=kept)

    def wait_at_most(self, name: str, limit_s: float, why: str) -> None:
        """Wait until drivers have waited this long for something.

        Raises:
            Wait: not yet.
        """
        key = f"wait: {name}"
        if self.elapsed_s(key) < limit_s:
            self._waiting.add(key)
            raise Wait(why)
