"""Markers of the newest row of each kind, to detect changes without the message bus."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from spotlab.domain.ports import Topic
from spotlab.store.engine import reading
from spotlab.store.repository import Repository

_MARKER_QUERIES: Final = {
    "experiments": "SELECT max(id) FROM experiments",
    "snapshots": "SELECT max(id) FROM market_snapshots",
    "market": "SELECT max(value) FROM home_state WHERE key = 'active_market'",
    "outcomes": "SELECT max(id) FROM health",
    "changes": "SELECT max(number) FROM audit_log",
    "models": "SELECT max(id) FROM model_events",
    "policies": "SELECT max(id) FROM policy_events",
    "probes": "SELECT max(id) FROM probes",
    "runs": "SELECT max(id) FROM job_runs",
    "run": "SELECT state FROM job_runs ORDER BY id DESC LIMIT 1",
    "alerts": "SELECT max(id) FROM alerts",
    "switch_journal": "SELECT max(id) FROM switch_journal",
}
_MARKERS_OF_TOPIC: Final[dict[Topic, tuple[str, ...]]] = {
    Topic.EXPERIMENTS: ("experiments",),
    Topic.MARKET: ("snapshots", "market"),
    Topic.FLEET: ("outcomes", "changes"),
    Topic.MODELS: ("models",),
    Topic.POLICIES: ("policies",),
    Topic.HEALTH: ("probes",),
    Topic.JOBS: ("runs", "run", "changes"),
    Topic.ALERTS: ("alerts", "changes"),
    Topic.SESSIONS: ("changes",),
    Topic.SWITCHES: ("switch_journal", "changes"),
}
_QUERY: Final = text(
    "SELECT " + ", ".join(f"({query}) AS {name}" for name, query in _MARKER_QUERIES.items())
)


class SqlMarkers(Repository):
    """The newest row of each kind, read in one statement that touches only the ends of indexes."""

    def read(self) -> dict[Topic, tuple[object, ...]]:
        """Markers by topic; a topic whose markers differ from before has changed.

        Raises:
            DatabaseDown: the database does not answer.
        """
        with reading(self._engine) as session:
            markers = session.connection().execute(_QUERY).one()._asdict()
        return {
            topic: tuple(markers[name] for name in names)
            for topic, names in _MARKERS_OF_TOPIC.items()
        }
