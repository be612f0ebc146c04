"""Every table there is, for migrations and tests. Store floor."""

from __future__ import annotations

from typing import Final

from spotlab.store.tables import (
    access,
    core,
    jobs,
    monitoring,
    outcomes,
    placement,
)

METADATA: Final = [
    core.Base.metadata,
    outcomes.OutcomeBase.metadata,
    access.AccessBase.metadata,
    jobs.JobsBase.metadata,
    monitoring.WatchBase.metadata,
    placement.PlacementBase.metadata,
]
