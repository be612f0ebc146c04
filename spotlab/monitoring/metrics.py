"""What /metrics answers: what this process counted, and what the stores say now.

The database and the online store are asked at most every KEPT_S, however often somebody asks. What
cannot be read is left out, and `spotlab_database_up` or `spotlab_online_store_up` says why.
"""

from __future__ import annotations

import platform
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.pool import QueuePool

from spotlab import __version__
from spotlab.domain.components import COMPONENTS, STATES, UNKNOWN
from spotlab.errors import SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.telemetry import logs, metrics

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
KEPT_S: Final = 5.0
STATE_FOR: Final = timedelta(minutes=5)
"""A component that was not probed for this long is unknown."""


class Metrics:
    """Everything that is measured, in the OpenMetrics text format.

    Args:
        lab: its stores are asked.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._lock = threading.Lock()
        self._read: tuple[float, list[Metric]] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """What a scraper gets."""
        counted, read = _text(metrics.REGISTRY), _text(self._registry)
        return counted.removesuffix(b"# EOF\n") + read

    def describe(self) -> list[Metric]:
        """Nothing: the names are known once the stores were asked."""
        return []

    def collect(self) -> list[Metric]:
        """What the stores say, at most KEPT_S old."""
        with self._lock:
            if self._read is None or time.monotonic() - self._read[0] > KEPT_S:
                self._read = time.monotonic(), list(self._ask())
            return self._read[1]

    def _ask(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            "spotlab_process",
            "This process.",
            {
                "version": __version__,
                "python": platform.python_version(),
                "process": logs.process_id(),
                "role": logs.role(),
            },
        )
        up_s = time.monotonic() - self.lab.started_at
        yield GaugeMetricFamily("spotlab_up_seconds", "Since the lab was opened.", up_s)
        yield from self._online_store()
        yield from self._database()

    def _online_store(self) -> Iterator[Metric]:
        took_s = None
        with suppress(SpotlabError):
            took_s = self.lab.open_online().ping()
        yield _flag("spotlab_online_store_up", "Whether Redis answers.", took_s is not None)
        if took_s is not None:
            yield GaugeMetricFamily("spotlab_online_store_seconds", "A round trip to it.", took_s)

    def _database(self) -> Iterator[Metric]:
        pool = self.lab.store.engine.pool
        if isinstance(pool, QueuePool):
            family = GaugeMetricFamily(
                "spotlab_database_connections", "Of this process's pool.", labels=["state"]
            )
            family.add_metric(["in use"], pool.checkedout())
            family.add_metric(["idle"], pool.checkedin())
            yield family
        try:
            took_s = self.lab.store.ping()
            read = list(self._rows())
        except SpotlabError:
            yield _flag("spotlab_database_up", "Whether SQL answers.", False)
            return
        yield _flag("spotlab_database_up", "Whether SQL answers.", True)
        yield GaugeMetricFamily("spotlab_database_seconds", "A round trip to it.", took_s)
        yield from read

    def _rows(self) -> Iterator[Metric]:
        store, now = self.lab.store, self.lab.clock.now()
        yield GaugeMetricFamily(
            "spotlab_experiments", "Decisions in the ledger.", store.ledger.count()
        )
        ages = GaugeMetricFamily(
            "spotlab_feed_age_seconds",
            "Since a feed of the active market was last read.",
            labels=["feed"],
        )
        for feed, age_s in _ages(self.lab).items():
            ages.add_metric([feed], age_s)
        yield ages
        newest = store.probes.newest(now - STATE_FOR)
        states = GaugeMetricFamily(
            "spotlab_component_state",
            "1 for the state that a component is in.",
            labels=["component", "state"],
        )
        for component in COMPONENTS:
            probe = newest.get(component)
            found = probe.state if probe is not None else UNKNOWN
            for state in STATES:
                states.add_metric([component, state], float(state == found))
        yield states


def _ages(lab: Lab) -> dict[str, float]:
    """Seconds since each feed of the active market was last read."""
    active = lab.store.archive.active_market()
    if active is None:
        return {}
    now = lab.clock.now()
    read = lab.store.archive.fetched_at(active)
    return {str(kind): (now - at).total_seconds() for kind, at in read.items()}


def _text(registry: CollectorRegistry) -> bytes:
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def _flag(name: str, words: str, so: bool) -> Metric:
    return GaugeMetricFamily(name, words, float(so))
