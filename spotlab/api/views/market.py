"""The market, its sources and the result of collecting it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import View, field
from spotlab.domain.market import FeedKind, MarketName


class FeedView(View):
    """The newest snapshot of a feed."""

    kind: FeedKind = field("Kind of data.", "advisor")
    scope: str = field("Region; empty for all regions.", "")
    source: str = field("Name of the source.", "AWS Spot Advisor feed")
    event_time: datetime = field(
        "Event time: when the data was true at the source.", "2026-11-03T09:30:00Z"
    )
    fetched_at: datetime = field("When SpotLab read the data.", "2026-11-03T09:31:00Z")
    age_s: float = field("Time since the event time.", 120.0, "s")
    read_age_s: float = field("Time since the data was read.", 60.0, "s")
    records: int = field("Number of rows.", 1405, "count")
    approximate: bool = field("Derived by SpotLab, not published by the source.", False)
    set_aside: int = field("Number of records that could not be used.", 0, "count")
    set_aside_reasons: list[str] = Field(
        description="Why records could not be used: the first of the reasons."
    )


class MarketView(View):
    """The active market, and which parts of the server are real or emulated."""

    market: MarketName | None = field("Active market; null if nothing was collected yet.", "public")
    label: str = field("Label of the market.", "Public AWS feeds")
    simulated: bool = field("Whether the market is simulated.", False)
    aws: str = field("AWS connection: emulated or account.", "emulated")
    execution: str = field("off: decisions are recorded, never executed.", "off")
    as_of: datetime = field("Time that the ages refer to.", "2026-11-03T09:32:00Z")
    sources: list[FeedView] = Field(description="Newest snapshots, by kind and scope.")


class SourceReportView(View):
    """Result of reading one source."""

    name: str = field("Name of the source.", "AWS Spot Advisor feed")
    kind: FeedKind | None = field("Kind of data; null if reading failed.", "advisor")
    scope: str = field("Region; empty for all regions.", "")
    event_time: datetime | None = field(
        "Event time: when the data was true at the source.", "2026-11-03T09:30:00Z"
    )
    fetched_at: datetime | None = field("When SpotLab read the data.", "2026-11-03T09:31:00Z")
    records: int = field("Number of rows.", 1405, "count")
    new: bool = field("Whether the data is new.", True)
    error: str = field("Why reading failed; empty if it did not.", "")
    set_aside: int = field("Number of records that could not be used.", 0, "count")
    set_aside_reasons: list[str] = Field(
        description="Why records could not be used: the first of the reasons."
    )


class CollectedView(View):
    """Result of collecting the market."""

    market: MarketName = field("Collected market.", "public")
    sources: list[SourceReportView] = Field(
        description="One entry per snapshot, and one per failed source."
    )
    regions: int = field("Number of regions covered.", 17, "count")
    unchanged: bool = field("Whether nothing failed and nothing was new.", False)
    duration_ms: float = field("Duration of the collection.", 2300.0, "ms")
