"""Every scheduled job, as data.

What a job does is a function of its own part; here stands when it runs, and for how long it may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spotlab.pipeline.collect import Progress
from spotlab.runtime.lab import Lab
from spotlab.runtime.placement_scores import JOB
from spotlab.scheduling import job_functions

Work = Callable[[Lab, Progress, Callable[[], bool]], Mapping[str, Any]]
"""Does it, and gives JSON values to be kept with the run. A value "failed" that is not empty says
in words what did not work beside what did: the run then counts as failed. `cancelled` is to be
asked often; after it said so, what is kept is fine, and Cancelled may be raised."""

AT_START: Final = "at start"
"""The schedule of what runs whenever a scheduler begins to lead."""


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled job.

    Args:
        name: in the database and on the command line.
        title: for a person.
        about: what it does, in a sentence.
        schedule: "every 600 s" (also min, h, d), a cron line in UTC ("15 3 * * *") or AT_START; an
            administrator may set another.
        jitter_s: a due time is put off by up to this much, so that not everybody asks at once.
        limit_s: asked to stop after this long.
        misfire_s: due longer ago than this, it is skipped.
        run: does it.
        waits: not before this scheduler's run of FIRST_RUN is over.
    """

    name: str
    title: str
    about: str
    schedule: str
    jitter_s: float
    limit_s: float
    misfire_s: float
    run: Work
    waits: bool = True


FIRST_RUN: Final = "first-run"
JOBS: Final[tuple[Job, ...]] = (
    Job(
        FIRST_RUN,
        "Get ready",
        "Lists the fleet and collects the market where they are old, and decides about instances "
        "that nothing was decided about yet.",
        AT_START,
        jitter_s=0,
        limit_s=600,
        misfire_s=600,
        run=job_functions.get_ready,
        waits=False,
    ),
    Job(
        "list-fleet",
        "List the fleet",
        "Lists the instances of every account, and notes those that were interrupted.",
        "every 5 min",
        jitter_s=15,
        limit_s=120,
        misfire_s=600,
        run=job_functions.list_fleet,
    ),
    Job(
        "collect-prices",
        "Collect prices",
        "Reads spot prices: the public feed, or each region's price changes.",
        "every 5 min",
        jitter_s=15,
        limit_s=240,
        misfire_s=600,
        run=job_functions.collect_prices,
    ),
    Job(
        "collect-feeds",
        "Collect feeds",
        "Reads what changes rarely: interruption buckets, on-demand prices, instance types and "
        "where they are offered.",
        "every 6 h",
        jitter_s=300,
        limit_s=600,
        misfire_s=7 * 86400,
        run=job_functions.collect_feeds,
    ),
    Job(
        JOB,
        "Ask for placement scores",
        "Asks EC2 how likely spot requests are filled now: for the fleet's types and their close "
        "alternatives, in few configurations a day, at first as soon as both are known. Scores are "
        "shown; they enter no decision.",
        "every 6 h",
        jitter_s=300,
        limit_s=240,
        misfire_s=86400,
        run=job_functions.score_placement,
    ),
    Job(
        "evaluate-fleet",
        "Evaluate the fleet",
        "Decides about every instance whose pipeline is on, and records each decision.",
        "every 15 min",
        jitter_s=30,
        limit_s=600,
        misfire_s=3600,
        run=job_functions.evaluate_fleet,
    ),
    Job(
        "outcomes",
        "Join outcomes",
        "Records what became of earlier predictions: interruptions, buckets and prices.",
        "every 1 h",
        jitter_s=120,
        limit_s=300,
        misfire_s=86400,
        run=job_functions.join_outcomes,
    ),
    Job(
        "drift-check",
        "Check for drift",
        "Compares the champion's newest scored market with its reference.",
        "every 6 h",
        jitter_s=300,
        limit_s=120,
        misfire_s=7 * 86400,
        run=job_functions.check_drift,
    ),
    Job(
        "health-probes",
        "Probe components",
        "Asks every component how it is, and records the answer.",
        "every 30 s",
        jitter_s=0,
        limit_s=25,
        misfire_s=30,
        run=job_functions.probe,
        waits=False,
    ),
    Job(
        "alerts",
        "Evaluate alert rules",
        "Looks whether a rule's condition holds, and tells receivers what is due.",
        "every 30 s",
        jitter_s=0,
        limit_s=60,
        misfire_s=30,
        run=job_functions.alert,
        waits=False,
    ),
    Job(
        "retention",
        "Delete old data",
        "Deletes what is older than the settings say and not needed any more, in small batches.",
        "40 3 * * *",
        jitter_s=600,
        limit_s=1800,
        misfire_s=86400,
        run=job_functions.let_go,
    ),
)
"""In the order they are shown. Carrying out a SWITCH and reading interruption events will be two
more."""


def job(name: str) -> Job | None:
    """The job of that name, if there is one."""
    return next((each for each in JOBS if each.name == name), None)
