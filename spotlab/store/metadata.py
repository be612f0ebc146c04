"""Every table there is, for migrations and tests. Store floor."""

from __future__ import annotations

from typing import Final

from spotlab.store import (
    tables,
    tables_access,
    tables_jobs,
    tables_outcomes,
    tables_placement,
    tables_watch,
)

METADATA: Final = [
    tables.Base.metadata,
    tables_outcomes.OutcomeBase.metadata,
    tables_access.AccessBase.metadata,
    tables_jobs.JobsBase.metadata,
    tables_watch.WatchBase.metadata,
    tables_placement.PlacementBase.metadata,
]
