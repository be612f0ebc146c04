"""Who leads: one process at a time, by a lease in SQL.

No wall clock decides. The holder gives a beat every fifth of the TTL; everybody else watches it,
and takes the lease over when nothing moved for a whole TTL by their own monotonic clock. A holder
that could not give its beat for a TTL stops leading by itself. Whoever went on nevertheless is
refused by the fence at its next write.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from spotlab.domain.ports import Clock, Lease
from spotlab.errors import Cancelled, SpotlabError
from spotlab.store.leases import SqlLeases

log = logging.getLogger("spotlab.scheduling.leader_election")
BEATS: Final = 5
"""Signs of life in a TTL."""
Monotonic = Callable[[], float]


class Leadership:
    """One process's part in a lease.

    Args:
        leases: in SQL.
        name: of the lease.
        holder: this process.
        ttl_s: without a sign for this long, nobody leads.
        clock: for what is shown.
        monotonic: seconds that never jump.
    """

    def __init__(
        self,
        leases: SqlLeases,
        name: str,
        holder: str,
        ttl_s: float,
        clock: Clock,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self.name = name
        self.holder = holder
        self.every_s = ttl_s / BEATS
        self._leases = leases
        self._ttl_s = ttl_s
        self._clock = clock
        self._monotonic = monotonic
        self._held: int | None = None
        self._renewed = 0.0
        self._seen: Lease | None = None
        self._seen_at: float | None = None

    @property
    def token(self) -> int | None:
        """The token, while this process leads."""
        held = self._held
        return held if held is not None and self._age_s(self._renewed) < self._ttl_s else None

    @property
    def held(self) -> int | None:
        """The token, also where it was not renewed in time and nobody else is known to lead."""
        return self._held

    def step(self) -> None:
        """Give a beat, or look whether the lease is free.

        Raises:
            DatabaseDown: neither could be done.
        """
        began = self._monotonic()
        if self._held is not None:
            if self._leases.beat(self.name, self._held):
                self._renewed = began
                return
            self._held, self._seen_at = None, None
        seen = self._leases.look(self.name)
        if self._seen_at is None or seen != self._seen:
            self._seen, self._seen_at = seen, self._monotonic()
        if seen is None or seen.released or self._age_s(self._seen_at) > self._ttl_s:
            began = self._monotonic()
            held = self._leases.take(self.name, self.holder, seen, self._clock.now())
            if held is not None:
                self._renewed, self._held = began, held

    def release(self) -> None:
        """Let go of the lease, so that another leads at once. Raises DatabaseDown."""
        held, self._held = self._held, None
        if held is not None:
            self._leases.release(self.name, held)

    def _age_s(self, since: float) -> float:
        return self._monotonic() - since


class Beating:
    """Gives the beats of a leadership in a thread of its own, punctually whatever else is done.

    Args:
        leadership: whose.
    """

    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._stop = threading.Event()
        self._failing = ""
        name = f"lease {leadership.name}"
        self._thread = threading.Thread(target=self._beat, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop beating, then let go of the lease; a database that is down is left to the TTL."""
        self._stop.set()
        self._thread.join()
        try:
            self._leadership.release()
        except SpotlabError as exc:
            log.warning("could not let go of the lease %s: %s", self._leadership.name, exc)

    def _beat(self) -> None:
        while True:
            try:
                self._leadership.step()
                self._failing = ""
            except SpotlabError as exc:
                if not self._failing:
                    log.warning("no sign of life for the lease %s: %s", self._leadership.name, exc)
                self._failing = str(exc)
            if self._stop.wait(self._leadership.every_s):
                return


_ALONE: Final[set[Beating]] = set()


def let_go() -> None:
    """Let go of what a leaving process does alone; what it still writes is refused."""
    for beating in list(_ALONE):
        beating.stop()


@contextmanager
def alone(
    leadership: Leadership,
    waiting: Callable[[], None],
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[int]:
    """Do something while no other process does it; gives the token.

    Args:
        leadership: of the lease that stands for it.
        waiting: called now and then while another process is at it.
        cancelled: asked while waiting.
    Raises:
        Cancelled: while waiting.
        DatabaseDown: the lease cannot be looked at.
    """
    pause = threading.Event()
    leadership.step()
    while (token := leadership.token) is None:
        waiting()
        if cancelled is not None and cancelled():
            raise Cancelled("Stopped while another process was at it.")
        pause.wait(min(0.5, leadership.every_s))
        leadership.step()
    beating = Beating(leadership)
    beating.start()
    _ALONE.add(beating)
    try:
        yield token
    finally:
        _ALONE.discard(beating)
        beating.stop()
