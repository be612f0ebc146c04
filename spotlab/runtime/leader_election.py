"""Leader election: one process at a time leads, by a lease in SQL.

No wall clock is used. The holder sends a heartbeat every fifth of the TTL. The other processes
watch it, and take over the lease if there was no heartbeat for a whole TTL by their own monotonic
clock. A holder whose heartbeat failed for a TTL stops leading on its own; if it continues
nevertheless, the fence rejects its next write.
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

log = logging.getLogger("spotlab.runtime.leader_election")
BEATS: Final = 5
"""Heartbeats per TTL."""
Monotonic = Callable[[], float]


class Leadership:
    """One process's view of a lease.

    Args:
        leases: in SQL.
        name: of the lease.
        holder: id of this process.
        ttl_s: without a heartbeat for this long, the lease is free.
        clock: for the times that are shown.
        monotonic: a clock in seconds that never jumps.
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
        """The token, even if it was not renewed in time, until another holder is known."""
        return self._held

    def step(self) -> None:
        """Send a heartbeat, or take the lease if it is free.

        Raises:
            DatabaseDown: neither is possible.
        """
        started = self._monotonic()
        if self._held is not None:
            if self._leases.beat(self.name, self._held):
                self._renewed = started
                return
            self._held, self._seen_at = None, None
        lease = self._leases.get(self.name)
        if self._seen_at is None or lease != self._seen:
            self._seen, self._seen_at = lease, self._monotonic()
        if lease is None or lease.released or self._age_s(self._seen_at) > self._ttl_s:
            started = self._monotonic()
            token = self._leases.acquire(self.name, self.holder, lease, self._clock.now())
            if token is not None:
                self._renewed, self._held = started, token

    def release(self) -> None:
        """Release the lease, so that another process can lead immediately. Raises DatabaseDown."""
        held, self._held = self._held, None
        if held is not None:
            self._leases.release(self.name, held)

    def _age_s(self, since: float) -> float:
        return self._monotonic() - since


class LeaseHeartbeat:
    """Sends the heartbeats of a leadership in a separate thread, so that no work delays them.

    Args:
        leadership: the leadership to renew.
        acquired: called when it has become the leader.
    """

    def __init__(self, leadership: Leadership, acquired: Callable[[], None] = lambda: None) -> None:
        self._leadership, self._acquired = leadership, acquired
        self._stop = threading.Event()
        self._failing = ""
        name = f"lease {leadership.name}"
        self._thread = threading.Thread(target=self._beat, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and release the lease; if the database is down, the lease expires."""
        self._stop.set()
        self._thread.join()
        try:
            self._leadership.release()
        except SpotlabError as exc:
            log.warning("the lease %s could not be released: %s", self._leadership.name, exc)

    def _beat(self) -> None:
        while True:
            before = self._leadership.token
            try:
                self._leadership.step()
                self._failing = ""
            except SpotlabError as exc:
                if not self._failing:
                    log.warning("the lease %s could not be renewed: %s", self._leadership.name, exc)
                self._failing = str(exc)
            if before is None and self._leadership.token is not None:
                self._acquired()
            if self._stop.wait(self._leadership.every_s):
                return


_HELD: Final[set[LeaseHeartbeat]] = set()


def release_all() -> None:
    """Release the leases of `hold_lease` in a leaving process; its later writes are rejected."""
    for heartbeat in list(_HELD):
        heartbeat.stop()


@contextmanager
def hold_lease(
    leadership: Leadership,
    waiting: Callable[[], None],
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[int]:
    """Wait for a lease, then hold it in the `with` block, which receives the token.

    Args:
        leadership: of the lease.
        waiting: called repeatedly while another process holds the lease.
        cancelled: called while waiting; True stops.
    Raises:
        Cancelled: while waiting.
        DatabaseDown: the lease cannot be read.
    """
    pause = threading.Event()
    leadership.step()
    while (token := leadership.token) is None:
        waiting()
        if cancelled is not None and cancelled():
            raise Cancelled("Stopped while waiting for another process.")
        pause.wait(min(0.5, leadership.every_s))
        leadership.step()
    heartbeat = LeaseHeartbeat(leadership)
    heartbeat.start()
    _HELD.add(heartbeat)
    try:
        yield token
    finally:
        _HELD.discard(heartbeat)
        heartbeat.stop()
