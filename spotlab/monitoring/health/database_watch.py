"""Watch over the database in every process, so that its outages are recorded.

The lease is in the database, so no scheduled probe runs while it is down. Therefore each process
checks it. While the database does not respond, the process probes all components, and records the
probes when it is back, unless another process has recorded them.
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


def check_database(lab: Lab) -> bool:
    """Check once whether the database responds.

    If it does not, probe every component, and notify the receivers of state rules immediately.
    """
    try:
        lab.store.ping()
        COUNTING.save(lab)
        database_back(lab)
        if recorded := prober_of(lab).catch_up(lab):
            log.warning("the database is back; %d probes of its outage were recorded", recorded)
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
    """Check every PROBE_EVERY in a thread; returns the function that stops it."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(PROBE_EVERY.total_seconds()):
            with correlated():
                try:
                    check_database(lab)
                except Exception:
                    log.exception("a check of the database failed; the watch continues")

    thread = threading.Thread(target=run, name="health watch", daemon=True)
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()
        with suppress(SpotlabError):
            COUNTING.save(lab)

    return end
