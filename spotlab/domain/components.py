"""SpotLab's components, their states, and their dependencies."""

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
"""All components, in the order in which they are shown."""

HEALTHY: Final = "healthy"
DEGRADED: Final = "degraded"
DOWN: Final = "down"
UNKNOWN: Final = "unknown"
STATES: Final = (HEALTHY, DEGRADED, DOWN, UNKNOWN)


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency of one component on another.

    Args:
        part: the dependent component.
        on: the component that it needs.
        without: effect on `component` if `on` is not available, one sentence.
        stops: whether `part` cannot work at all then; otherwise it is degraded.
    """

    component: str
    on: str
    without: str
    stops: bool = False


NEEDS: Final = (
    Need(ADVISOR_SCRAPER, DATABASE, "Buckets that are read cannot be stored.", stops=True),
    Need(ADVISOR_SCRAPER, SCHEDULER, "It reads only on request."),
    Need(PRICE_SCRAPER, DATABASE, "Prices that are read cannot be stored.", stops=True),
    Need(PRICE_SCRAPER, SCHEDULER, "It reads only on request."),
    Need(LINEAR_OPTIMIZER, DATABASE, "Decisions cannot be recorded, so none are made.", stops=True),
    Need(LINEAR_OPTIMIZER, ML_INFERENCE, "Without risks, no decisions are made.", stops=True),
    Need(LINEAR_OPTIMIZER, PRICE_SCRAPER, "Decisions use old prices, and state their age."),
    Need(LINEAR_OPTIMIZER, ADVISOR_SCRAPER, "Risks are computed from old interruption buckets."),
    Need(LINEAR_OPTIMIZER, INSTANCE_MANAGER, "New instances are not evaluated."),
    Need(LINEAR_OPTIMIZER, REDIS_CACHE, "The market is read from SQL, which is slower."),
    Need(LINEAR_OPTIMIZER, SCHEDULER, "It evaluates instances only on request."),
    Need(ML_INFERENCE, DATABASE, "The champion cannot be looked up.", stops=True),
    Need(INSTANCE_MANAGER, DATABASE, "The list of instances cannot be stored.", stops=True),
    Need(INSTANCE_MANAGER, SCHEDULER, "It lists instances only on request."),
    Need(APP_SERVER, DATABASE, "Screens and API return errors.", stops=True),
    Need(APP_SERVER, REDIS_CACHE, "Screens read the market from SQL, which is slower."),
    Need(SCHEDULER, DATABASE, "No job starts, because the lease is stored there.", stops=True),
)
"""All dependencies of components."""

MEANINGS: Final = {
    ADVISOR_SCRAPER: "Reads interruption buckets.",
    PRICE_SCRAPER: "Reads spot and on-demand prices.",
    DATABASE: "Stores all decisions and snapshots.",
    REDIS_CACHE: "The online store of the market.",
    LINEAR_OPTIMIZER: "Makes decisions about instances.",
    ML_INFERENCE: "Computes risks.",
    INSTANCE_MANAGER: "Lists the instances of the accounts.",
    APP_SERVER: "Serves the screens and the API.",
    SCHEDULER: "Runs the jobs, in one process at a time.",
}


def depends_on(component: str) -> tuple[Need, ...]:
    """The dependencies of a component."""
    return tuple(need for need in NEEDS if need.component == component)


def needed_by(component: str) -> tuple[Need, ...]:
    """The dependencies of others on a component."""
    return tuple(need for need in NEEDS if need.on == component)
