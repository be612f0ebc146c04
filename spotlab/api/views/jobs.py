"""Scheduled jobs and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, View, field
from spotlab.telemetry.text import LABEL


class RunView(View):
    """One run of a job, or why it did not run."""

    run_id: int = field("Grows with every run.", 17)
    job: str = field("Which job.", "evaluate-fleet")
    due_at: datetime = field("When it should have begun.", "2026-11-03T09:30:00Z")
    started_at: datetime | None = field("Null: it was skipped.", "2026-11-03T09:30:02Z")
    ended_at: datetime | None = field("Null: it runs.", "2026-11-03T09:30:09Z")
    state: str = field("running, done, failed, timed out, cancelled, lost or skipped.", "done")
    cause: str = field("Why, where there is something to say.", "")
    result: dict[str, Any] = field("What it gave.", {"decided": 24})
    asked_by: str = field("Who wanted it; empty: its schedule.", "")
    correlation_id: str = field("Of its log lines.", "5b0c2f8e4a91")


class JobView(View):
    """A scheduled job and how it stands."""

    name: str = field("Its name.", "evaluate-fleet")
    title: str = field("For a person.", "Evaluate the fleet")
    about: str = field("What it does.", "Decides about every instance.")
    schedule: str = field("The one in force.", "every 600 s")
    own_schedule: str = field("The one that it has by itself.", "every 600 s")
    paused: bool = field("It runs only when asked.", False)
    standing: str = field("on schedule, running, failed, late or paused.", "on schedule")
    next_at: datetime | None = field("When it is due; null: not planned.", None)
    running: RunView | None = Field(description="What runs now; null: nothing.")
    last: RunView | None = Field(description="Its newest run that ended; null: none.")


class JobChangeRequest(ChangeRequest):
    """What is set on a job; what is not given stays."""

    paused: bool | None = Field(
        default=None, description="true: run only when asked.", examples=[True]
    )
    schedule: str | None = Field(
        default=None,
        max_length=100,
        pattern=LABEL,
        description="`every 10 min`, a cron line in UTC, or empty for its own.",
        examples=["every 10 min"],
    )


class RunAcceptedView(View):
    """Something that is carried out by whoever leads, within some seconds."""

    job: str = field("Which job.", "evaluate-fleet")
    runs: str = field("Where its runs are listed.", "/api/v1/jobs/evaluate-fleet/runs")
