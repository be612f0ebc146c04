"""Watches the database from each process, so that its own outage is seen.

Who leads is kept in the database: while that is down, no scheduled probe runs. So each process
looks by itself; only while the database does not answer does it probe everything, and what it found
is recorded when the database is back, unless another process recorded it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from spotlab.domain.components import DATABASE, DOWN
from spotlab.domain.ports import Probe
from spotlab.domain.uptime import PROBE_EVERY
from spotlab.errors import SpotlabError
from spotlab.monitoring.alerts.evaluation import database_back, database_down
from spotlab.monitoring.health.prober import prober_of
from spotlab.monitoring.health.request_stats import COUNTING
from spotlab.telemetry.logs import correlated

if TYPE_CHECKING:
    from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.monitoring.health")


def look(lab: Lab) -> bool:
    """Look once: whether the database answers.

    While it does not, every part is probed and kept, and rules about its state are told at once.
    """
    try:
        lab.store.ping()
        COUNTING.keep(lab)
        database_back(lab)
        if recorded := prober_of(lab).catch_up(lab):
            log.warning("the database is back; %d probes of its outage are recorded", recorded)
    except SpotlabError:
        found = [
            Probe(s.name, s.checked_at, s.state, s.latency_ms, s.reason)
            for s in prober_of(lab).round(lab)
        ]
        if any(probe.component == DATABASE and probe.state == DOWN for probe in found):
            database_down(lab, {probe.component: probe for probe in found})
        return False
    return True


def watch(lab: Lab) -> Callable[[], None]:
    """Look every PROBE_EVERY, in a thread; gives what stops it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(PROBE_EVERY.total_seconds()):
            with correlated():
                try:
                    look(lab)
                except Exception:
                    log.exception("the watch over the database goes on after a mistake")

    thread = threading.Thread(target=run, name="health watch", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()
        with suppress(SpotlabError):
            COUNTING.keep(lab)

    return end
