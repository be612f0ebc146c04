"""Metadata of all tables, for migrations and dumps."""

from __future__ import annotations

from typing import Final

from sqlalchemy import MetaData

from spotlab.store.tables import (
    access,
    core,
    jobs,
    market_runs,
    monitoring,
    outcomes,
    placement,
    policies,
    price_readings,
    spot_events,
    switch_guards,
    switches,
    throughputs,
    workloads,
)
from spotlab.store.tables.base import Base

MODULES: Final = (
    access,
    core,
    jobs,
    market_runs,
    monitoring,
    outcomes,
    placement,
    policies,
    switch_guards,
    switches,
    spot_events,
    price_readings,
    throughputs,
    workloads,
)
METADATA: Final[MetaData] = Base.metadata
"""The tables of all MODULES, which the import above registers."""
