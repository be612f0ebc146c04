"""The parts SpotLab is made of, and which needs which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ADVISOR_SCRAPER: Final = "advisor scraper"
PRICE_SCRAPER: Final = "price scraper"
DATABASE: Final = "database"
REDIS_CACHE: Final = "Redis cache"
LINEAR_OPTIMIZER: Final = "linear optimizer"
ML_INFERENCE: Final = "ML inference"
INSTANCE_MANAGER: Final = "instance manager"
APP_SERVER: Final = "API/app server"
SCHEDULER: Final = "scheduler"

COMPONENTS: Final = (
    ADVISOR_SCRAPER,
    PRICE_SCRAPER,
    DATABASE,
    REDIS_CACHE,
    LINEAR_OPTIMIZER,
    ML_INFERENCE,
    INSTANCE_MANAGER,
    APP_SERVER,
    SCHEDULER,
)
"""Every component, in the order it is shown."""

HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
DOWN: Final = "down"
UNKNOWN: Final = "unknown"
STATES: Final = (HEALTHY, DEGRADED, DOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Need:
    """One part that another needs.

    Args:
        part: who needs.
        on: what it needs.
        without: what then happens to `part`, a sentence.
        stops: whether `part` cannot work at all then; else it works less well.
    """

    part: str
    on: str
    without: str
    stops: bool = False


NEEDS: Final = (
    Need(ADVISOR_SCRAPER, DATABASE, "What is read cannot be stored.", stops=True),
    Need(ADVISOR_SCRAPER, SCHEDULER, "It reads only when somebody asks."),
    Need(PRICE_SCRAPER, DATABASE, "What is read cannot be stored.", stops=True),
    Need(PRICE_SCRAPER, SCHEDULER, "It reads only when somebody asks."),
    Need(LINEAR_OPTIMIZER, DATABASE, "No decision can be recorded, so none is made.", stops=True),
    Need(LINEAR_OPTIMIZER, ML_INFERENCE, "Without risks nothing is decided.", stops=True),
    Need(LINEAR_OPTIMIZER, PRICE_SCRAPER, "Decisions use old prices, and say how old."),
    Need(LINEAR_OPTIMIZER, ADVISOR_SCRAPER, "Risks are computed from old interruption buckets."),
    Need(LINEAR_OPTIMIZER, INSTANCE_MANAGER, "New instances are not decided about."),
    Need(LINEAR_OPTIMIZER, REDIS_CACHE, "The market is read from SQL, slower."),
    Need(LINEAR_OPTIMIZER, SCHEDULER, "It decides only when somebody asks."),
    Need(ML_INFERENCE, DATABASE, "Which model is the champion cannot be read.", stops=True),
    Need(INSTANCE_MANAGER, DATABASE, "The fleet's list cannot be stored.", stops=True),
    Need(INSTANCE_MANAGER, SCHEDULER, "It lists only when somebody asks."),
    Need(APP_SERVER, DATABASE, "Screens and API answer with an error.", stops=True),
    Need(APP_SERVER, REDIS_CACHE, "Screens read the market from SQL, slower."),
    Need(SCHEDULER, DATABASE, "No job starts: the leader is recorded there.", stops=True),
)
"""The graph of parts: read one way it says what a part depends on, the other way who needs it."""

MEANINGS: Final = {
    ADVISOR_SCRAPER: "Reads interruption buckets.",
    PRICE_SCRAPER: "Reads spot and on-demand prices.",
    DATABASE: "Keeps every decision and snapshot.",
    REDIS_CACHE: "The online store of the market.",
    LINEAR_OPTIMIZER: "Decides about instances.",
    ML_INFERENCE: "Computes risks.",
    INSTANCE_MANAGER: "Lists the fleet.",
    APP_SERVER: "Shows the screens and answers the API.",
    SCHEDULER: "Runs the jobs, on one process at a time.",
}


def depends_on(part: str) -> tuple[Need, ...]:
    """What a part needs."""
    return tuple(need for need in NEEDS if need.part == part)


def needed_by(part: str) -> tuple[Need, ...]:
    """Who needs a part."""
    return tuple(need for need in NEEDS if need.on == part)
