"""Every table there is, for migrations and tests. Store floor."""

from __future__ import annotations

from typing import Final

from spotlab.store import tables, tables_outcomes

METADATA: Final = [tables.Base.metadata, tables_outcomes.OutcomeBase.metadata]
