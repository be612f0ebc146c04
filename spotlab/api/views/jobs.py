"""Jobs, log lines, metrics, users and tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from spotlab.api.views.base import AccountName, Asked, Number, Reasoned, View
from spotlab.api.views.base import about as told
from spotlab.domain.access import Right, Role
from spotlab.telemetry.text import LABEL

USER = r"^[a-z0-9][a-z0-9._@+-]{0,63}$"


class RunView(View):
    """One run of a job, or why it did not run."""

    run_id: int = told("Grows with every run.", 17)
    job: str = told("Which job.", "evaluate-fleet")
    due_at: datetime = told("When it should have begun.", "2026-11-03T09:30:00Z")
    started_at: datetime | None = told("Null: it was skipped.", "2026-11-03T09:30:02Z")
    ended_at: datetime | None = told("Null: it runs.", "2026-11-03T09:30:09Z")
    state: str = told("running, done, failed, timed out, cancelled, lost or skipped.", "done")
    cause: str = told("Why, where there is something to say.", "")
    result: dict[str, Any] = told("What it gave.", {"decided": 24})
    asked_by: str = told("Who wanted it; empty: its schedule.", "")
    correlation_id: str = told("Of its log lines.", "5b0c2f8e4a91")


class JobView(View):
    """A scheduled job and how it stands."""

    name: str = told("Its name.", "evaluate-fleet")
    title: str = told("For a person.", "Evaluate the fleet")
    about: str = told("What it does.", "Decides about every instance.")
    schedule: str = told("The one in force.", "every 600 s")
    own_schedule: str = told("The one that it has by itself.", "every 600 s")
    paused: bool = told("It runs only when asked.", False)
    standing: str = told("on schedule, running, failed, late or paused.", "on schedule")
    next_at: datetime | None = told("When it is due; null: not planned.", None)
    running: RunView | None = Field(description="What runs now; null: nothing.")
    last: RunView | None = Field(description="Its newest run that ended; null: none.")


class JobAsked(Reasoned):
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


class Accepted(View):
    """Something that is carried out by whoever leads, within some seconds."""

    job: str = told("Which job.", "evaluate-fleet")
    runs: str = told("Where its runs are listed.", "/api/v1/jobs/evaluate-fleet/runs")


class LineView(View):
    """One log line."""

    id: str = told("Its place in the stream; grows.", "1762162200000-0")
    time: datetime = told("When it was written.", "2026-11-03T09:30:00Z")
    level: str = told("DEBUG, INFO, WARNING, ERROR or CRITICAL.", "INFO")
    component: str = told("Who wrote it.", "runtime.evaluating")
    message: str = told("In words.", "decided")
    process: str = told("Which process.", "app@host:4711")
    role: str = told("app, worker or command.", "app")
    correlation_id: str = told("Of what was being done.", "5b0c2f8e4a91")
    request_id: str = told("Of the request that led to it.", "")
    user: str = told("Who asked for it.", "")
    account: str = told("The account that it is about.", "")
    fields: dict[str, Any] = told("More facts.", {})
    error: str = told("Traceback; empty: none.", "")


class SampleView(View):
    """One number of a metric."""

    name: str = told("Its name.", "spotlab_requests_total")
    labels: dict[str, str] = told("What it is of.", {"method": "GET"})
    value: Number = told("The number; null: not a finite one.", 42.0)


class MetricView(View):
    """A metric."""

    name: str = told("Its name.", "spotlab_requests")
    kind: str = told("counter, gauge, histogram, ….", "counter")
    unit: str = told("Of its numbers; empty: a plain number.", "")
    help: str = told("What it counts.", "Requests by route.")
    samples: list[SampleView] = Field(description="Its numbers, those of this replica.")


class UserView(View):
    """Somebody who may sign in."""

    name: str = told("What they sign in with.", "ana")
    role: Role = told("What they are trusted with.", "operator")
    accounts: list[str] | None = told("Accounts they see; null: all.", None)
    email: str = told("Empty where unknown.", "")
    active: bool = told("They may sign in.", True)
    must_change: bool = told("They have to choose a new password first.", False)
    locked_until: datetime | None = told("Null: not locked.", None)
    created_at: datetime = told("When they were added.", "2026-11-01T09:30:00Z")
    last_sign_in_at: datetime | None = told("Null: never.", None)


class UserAsked(Reasoned):
    """Somebody to let in."""

    name: str = Field(pattern=USER, description="Lower case, unique.", examples=["cleo"])
    role: Role = Field(description="What they are trusted with.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None, max_length=100, description="null: all.", examples=[["acme"]]
    )
    email: str = Field(
        default="", max_length=200, pattern=LABEL, description="For a provider.", examples=[""]
    )


class UserChange(Reasoned):
    """What is changed of a user; what is not given stays."""

    role: Role | None = Field(default=None, description="Their new role.", examples=["viewer"])
    accounts: list[AccountName] | None = Field(
        default=None, max_length=100, description="null: all.", examples=[["acme"]]
    )
    active: bool | None = Field(default=None, description="They may sign in.", examples=[True])


class Added(View):
    """A user who was added."""

    user: UserView
    password_link: str = told(
        "Where they choose a password, once; empty where a provider vouches.", ""
    )


class TokenView(View):
    """An API token, without itself."""

    token_id: str = told("Its public part.", "0f1e2d3c4b5a")
    user: str = told("Whose rights it has at most.", "ana")
    name: str = told("What it is for.", "ci")
    scopes: list[Right] = told("What it may do.", ["read"])
    created_at: datetime = told("When it was made.", "2026-11-01T09:30:00Z")
    expires_at: datetime = told("When it ends.", "2026-12-01T09:30:00Z")
    last_used_at: datetime | None = told("Null: never.", None)
    revoked_at: datetime | None = told("Null: not revoked.", None)


class TokenAsked(Asked):
    """A token to make."""

    user: str = Field(pattern=USER, description="Whose.", examples=["ana"])
    name: str = Field(
        min_length=1, max_length=60, pattern=LABEL, description="For what.", examples=["ci"]
    )
    scopes: list[Right] = Field(min_length=1, description="Rights.", examples=[["read"]])
    valid_days: float = Field(
        default=30.0, gt=0, le=365, description="Until it expires.", examples=[30]
    )


class TokenMade(View):
    """A token that was made; it is told this once."""

    token: str = told("The token itself.", "spl_0f1e2d3c4b5a_…")
    about: TokenView
