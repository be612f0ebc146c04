"""The market, its sources and collecting it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import View, field
from spotlab.domain.market import FeedKind, MarketName


class FeedView(View):
    """The newest that was read of a feed."""

    kind: FeedKind = field("What it is of.", "advisor")
    scope: str = field("A region; empty: all.", "")
    source: str = field("Where it came from.", "AWS Spot Advisor feed")
    event_time: datetime = field("When it was true there.", "2026-11-03T09:30:00Z")
    fetched_at: datetime = field("When it was read.", "2026-11-03T09:31:00Z")
    age_s: float = field("Since it was true there.", 120.0, "s")
    read_age_s: float = field("Since it was read.", 60.0, "s")
    records: int = field("Rows.", 1405, "count")
    approximate: bool = field("Derived, not published.", False)


class MarketView(View):
    """What is real here, and what decisions are made from."""

    market: MarketName | None = field(
        "The active market; null: nothing was collected yet.", "public"
    )
    label: str = field("The same for a person.", "Public AWS feeds")
    simulated: bool = field("Its numbers come from the simulation.", False)
    aws: str = field("emulated or account.", "emulated")
    execution: str = field("off: decisions are recorded, never carried out.", "off")
    as_of: datetime = field("When ages were taken.", "2026-11-03T09:32:00Z")
    sources: list[FeedView] = Field(description="By kind and scope.")


class SourceReportView(View):
    """What one source gave."""

    name: str = field("Of the source.", "AWS Spot Advisor feed")
    kind: FeedKind | None = field("Of what it gave; null: it failed.", "advisor")
    scope: str = field("A region; empty: all.", "")
    event_time: datetime | None = field("When it was true there.", "2026-11-03T09:30:00Z")
    fetched_at: datetime | None = field("When it was read.", "2026-11-03T09:31:00Z")
    records: int = field("Rows.", 1405, "count")
    new: bool = field("Not kept before.", True)
    error: str = field("Why it failed; empty: it did not.", "")


class CollectedView(View):
    """What a collect did."""

    market: MarketName = field("Which market.", "public")
    sources: list[SourceReportView] = Field(description="One a feed, and one a failed source.")
    regions: int = field("Regions covered.", 17, "count")
    unchanged: bool = field("Nothing failed and nothing was new.", False)
    duration_ms: float = field("How long it took.", 2300.0, "ms")
