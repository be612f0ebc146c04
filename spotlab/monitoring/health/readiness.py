"""Whether this process can do its work now, without saying more than that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from spotlab.domain.components import DATABASE, ML_INFERENCE
from spotlab.errors import DatabaseDown, SpotlabError
from spotlab.monitoring.health.concurrent_probes import SideBySide
from spotlab.runtime.lab import Lab

LIMIT_S: Final = 3.0
LAB: Final = "start"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests can be served.

    Args:
        reasons: what is wrong, in fixed words, by part; empty: nothing. Anybody may read them, so
            they hold no address and no message of a server.
    """

    reasons: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


class ReadinessCheck:
    """Looks whether a lab can serve.

    Args:
        lab: opens or gives the lab; raises where that cannot be.
    """

    def __init__(self, lab: Callable[[], Lab]) -> None:
        self._lab = lab
        self._asking: SideBySide[str] = SideBySide(LIMIT_S)

    def look(self) -> Readiness:
        """Ask the database and the models now, for LIMIT_S at most."""
        asked = {DATABASE: partial(_database, self._lab), ML_INFERENCE: partial(_model, self._lab)}
        answers = self._asking.ask(asked)
        return Readiness(
            {part: words for part, answer in answers.items() if (words := _words(part, answer))}
        )


def _database(lab: Callable[[], Lab]) -> str:
    return "" if lab().store.migrated() else "It is not at this version's revision."


def _model(lab: Callable[[], Lab]) -> str:
    lab().model()
    return ""


def _words(part: str, answer: str | Exception | None) -> str:
    if answer is None:
        return "No answer in time."
    if isinstance(answer, DatabaseDown):
        return "It does not answer." if part == DATABASE else "The database does not answer."
    if isinstance(answer, SpotlabError):
        return "It cannot be opened." if part == DATABASE else "No model can be loaded."
    if isinstance(answer, Exception):
        return "It failed."
    return answer
