"""Scheduled jobs and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import ChangeRequest, View, field
from spotlab.telemetry.invisible_characters import LABEL


class RunView(View):
    """One run of a job."""

    run_id: int = field("Increasing number of the run.", 17)
    job: str = field("Name of the job.", "evaluate-fleet")
    due_at: datetime = field("When the run was due.", "2026-11-03T09:30:00Z")
    started_at: datetime | None = field(
        "When the run started; null if it was skipped.", "2026-11-03T09:30:02Z"
    )
    ended_at: datetime | None = field(
        "When the run ended; null if it is still running.", "2026-11-03T09:30:09Z"
    )
    state: str = field("running, done, failed, timed out, cancelled, lost or skipped.", "done")
    cause: str = field("Cause of the state; empty if there is none.", "")
    result: dict[str, Any] = field("Result of the run.", {"decided": 24})
    asked_by: str = field("User who requested the run; empty if it was scheduled.", "")
    correlation_id: str = field("Correlation id of its log lines.", "5b0c2f8e4a91")


class JobView(View):
    """A scheduled job and its state."""

    name: str = field("Name of the job.", "evaluate-fleet")
    title: str = field("Title of the job.", "Evaluate the fleet")
    about: str = field("Description of the job.", "Decides about every instance.")
    schedule: str = field("Active schedule.", "every 600 s")
    own_schedule: str = field("Default schedule.", "every 600 s")
    paused: bool = field("Whether the job runs only on request.", False)
    standing: str = field("State: on schedule, running, failed, late or paused.", "on schedule")
    next_at: datetime | None = field("When the next run is due; null if none is planned.", None)
    running: RunView | None = Field(description="Current run; null if there is none.")
    last: RunView | None = Field(description="Newest finished run; null if there is none.")


class JobChangeRequest(ChangeRequest):
    """Changes of a job; omitted fields keep their value."""

    paused: bool | None = Field(
        default=None, description="true to run the job only on request.", examples=[True]
    )
    schedule: str | None = Field(
        default=None,
        max_length=100,
        pattern=LABEL,
        description="`every 10 min`, cron fields in UTC, or empty for the default.",
        examples=["every 10 min"],
    )


class RunAcceptedView(View):
    """A requested run, which the leader starts within seconds."""

    job: str = field("Name of the job.", "evaluate-fleet")
    runs: str = field("URL of the list of runs.", "/api/v1/jobs/evaluate-fleet/runs")
