"""Readiness of this process, for load balancers; reveals nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from spotlab.domain.components import DATABASE, ML_INFERENCE
from spotlab.errors import DatabaseDown, SpotlabError
from spotlab.monitoring.health.concurrent_probes import ConcurrentCalls
from spotlab.runtime.lab import Lab

LIMIT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served.

    Args:
        reasons: why not, by component, as fixed texts; empty: ready. They are public, so they
            contain no address and no message of a server.
    """

    reasons: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether requests can be served."""
        return not self.reasons


class ReadinessCheck:
    """Checks whether a lab can serve requests.

    Args:
        lab: returns the lab, opened if necessary; raises if that fails.
    """

    def __init__(self, lab: Callable[[], Lab]) -> None:
        self._lab = lab
        self._calls: ConcurrentCalls[str] = ConcurrentCalls(LIMIT_S)

    def check(self) -> Readiness:
        """Check the database and the champion now, for at most LIMIT_S."""
        results = self._calls.ask(
            {DATABASE: partial(_database, self._lab), ML_INFERENCE: partial(_model, self._lab)}
        )
        return Readiness(
            {name: reason for name, result in results.items() if (reason := _reason(name, result))}
        )


def _database(lab: Callable[[], Lab]) -> str:
    return "" if lab().store.is_migrated() else "Its schema is not at this version's revision."


def _model(lab: Callable[[], Lab]) -> str:
    lab().model()
    return ""


def _reason(component: str, result: str | Exception | None) -> str:
    if result is None:
        return "No response in time."
    if isinstance(result, DatabaseDown):
        is_database = component == DATABASE
        return "It does not respond." if is_database else "The database does not respond."
    if isinstance(result, SpotlabError):
        return "It cannot be opened." if component == DATABASE else "No model can be loaded."
    if isinstance(result, Exception):
        return "It failed."
    return result
