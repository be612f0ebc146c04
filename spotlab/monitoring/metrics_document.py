"""The /metrics document: counters of this process, and values read from the stores.

The stores are read at most every CACHED_S, regardless of the number of requests. Unreadable values
are omitted; `spotlab_database_up` or `spotlab_online_store_up` is then 0.
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
CACHED_S: Final = 5.0
STATE_FOR: Final = timedelta(minutes=5)
"""A component without a probe for this long is unknown."""


class Metrics:
    """All metrics, in the OpenMetrics text format.

    Args:
        lab: the lab whose stores are read.
    """

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self._lock = threading.Lock()
        self._cache: tuple[float, list[Metric]] | None = None
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """The document for a scraper."""
        counted, read = _exposition(metrics.REGISTRY), _exposition(self._registry)
        return counted.removesuffix(b"# EOF\n") + read

    def describe(self) -> list[Metric]:
        """Nothing: the names are known only after the stores were read."""
        return []

    def collect(self) -> list[Metric]:
        """The metrics from the stores, at most KEPT_S old."""
        with self._lock:
            if self._cache is None or time.monotonic() - self._cache[0] > CACHED_S:
                self._cache = time.monotonic(), list(self._read_stores())
            return self._cache[1]

    def _read_stores(self) -> Iterator[Metric]:
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
        yield GaugeMetricFamily("spotlab_up_seconds", "Time since the lab was opened.", up_s)
        yield from self._online_store()
        yield from self._database()

    def _online_store(self) -> Iterator[Metric]:
        took_s = None
        with suppress(SpotlabError):
            took_s = self.lab.open_online().ping()
        yield _flag("spotlab_online_store_up", "Whether Redis answers.", took_s is not None)
        if took_s is not None:
            yield GaugeMetricFamily(
                "spotlab_online_store_seconds", "Round trip to the online store.", took_s
            )

    def _database(self) -> Iterator[Metric]:
        pool = self.lab.store.engine.pool
        if isinstance(pool, QueuePool):
            family = GaugeMetricFamily(
                "spotlab_database_connections", "Connections of this process.", labels=["state"]
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
        yield GaugeMetricFamily("spotlab_database_seconds", "Round trip to the database.", took_s)
        yield from read

    def _rows(self) -> Iterator[Metric]:
        store, now = self.lab.store, self.lab.clock.now()
        yield GaugeMetricFamily(
            "spotlab_experiments", "Decisions in the ledger.", store.ledger.count()
        )
        ages = GaugeMetricFamily(
            "spotlab_feed_age_seconds",
            "Time since a feed of the active market was last read.",
            labels=["feed"],
        )
        for feed, age_s in _ages(self.lab).items():
            ages.add_metric([feed], age_s)
        yield ages
        newest = store.probes.newest(now - STATE_FOR)
        states = GaugeMetricFamily(
            "spotlab_component_state",
            "1 for the current state of a component, else 0.",
            labels=["component", "state"],
        )
        for component in COMPONENTS:
            probe = newest.get(component)
            current = probe.state if probe is not None else UNKNOWN
            for state in STATES:
                states.add_metric([component, state], float(state == current))
        yield states


def _ages(lab: Lab) -> dict[str, float]:
    """Seconds since each feed of the active market was last read."""
    active = lab.store.archive.active_market()
    if active is None:
        return {}
    now = lab.clock.now()
    read = lab.store.archive.fetched_at(active)
    return {str(kind): (now - at).total_seconds() for kind, at in read.items()}


def _exposition(registry: CollectorRegistry) -> bytes:
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def _flag(name: str, help_text: str, value: bool) -> Metric:
    return GaugeMetricFamily(name, help_text, float(value))
