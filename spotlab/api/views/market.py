"""The market, its sources and collecting it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from spotlab.api.views.base import View, about
from spotlab.domain.market import FeedKind, MarketName


class FeedView(View):
    """The newest that was read of a feed."""

    kind: FeedKind = about("What it is of.", "advisor")
    scope: str = about("A region; empty: all.", "")
    source: str = about("Where it came from.", "AWS Spot Advisor feed")
    event_time: datetime = about("When it was true there.", "2026-11-03T09:30:00Z")
    fetched_at: datetime = about("When it was read.", "2026-11-03T09:31:00Z")
    age_s: float = about("Since it was true there.", 120.0, "s")
    read_age_s: float = about("Since it was read.", 60.0, "s")
    records: int = about("Rows.", 1405, "count")
    approximate: bool = about("Derived, not published.", False)


class MarketView(View):
    """What is real here, and what decisions are made from."""

    market: MarketName | None = about(
        "The active market; null: nothing was collected yet.", "public"
    )
    label: str = about("The same for a person.", "Public AWS feeds")
    simulated: bool = about("Its numbers come from the simulation.", False)
    aws: str = about("emulated or account.", "emulated")
    execution: str = about("off: decisions are recorded, never carried out.", "off")
    as_of: datetime = about("When ages were taken.", "2026-11-03T09:32:00Z")
    sources: list[FeedView] = Field(description="By kind and scope.")


class SourceReportView(View):
    """What one source gave."""

    name: str = about("Of the source.", "AWS Spot Advisor feed")
    kind: FeedKind | None = about("Of what it gave; null: it failed.", "advisor")
    scope: str = about("A region; empty: all.", "")
    event_time: datetime | None = about("When it was true there.", "2026-11-03T09:30:00Z")
    fetched_at: datetime | None = about("When it was read.", "2026-11-03T09:31:00Z")
    records: int = about("Rows.", 1405, "count")
    new: bool = about("Not kept before.", True)
    error: str = about("Why it failed; empty: it did not.", "")


class CollectedView(View):
    """What a collect did."""

    market: MarketName = about("Which market.", "public")
    sources: list[SourceReportView] = Field(description="One a feed, and one a failed source.")
    regions: int = about("Regions covered.", 17, "count")
    unchanged: bool = about("Nothing failed and nothing was new.", False)
    duration_ms: float = about("How long it took.", 2300.0, "ms")
