"""Catalogue of the scheduled jobs: schedule, limits and function of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from spotlab.pipeline.collect import Progress
from spotlab.runtime.lab import Lab
from spotlab.runtime.placement_scores import JOB
from spotlab.scheduling import job_functions
from spotlab.scheduling.first_run import FIRST_RUN

Work = Callable[[Lab, Progress, Callable[[], bool]], Mapping[str, Any]]
"""Does the work and returns JSON values, which are stored with the run.

A value "failed" that is not empty describes what failed; the run then counts as failed. The
function calls `cancelled` often; once that is True, it returns or raises Cancelled. Completed work
remains.
"""

AT_START: Final = "at start"
"""The schedule of a job that runs whenever a process becomes the leader."""


@dataclass(frozen=True, slots=True)
class Job:
    """A scheduled job.

    Args:
        name: in the database and on the command line.
        title: shown to people.
        about: a sentence that says what the job does.
        schedule: "every 600 s" (also min, h, d), a cron line in UTC ("15 3 * * *") or AT_START; an
            administrator can set another.
        jitter_s: due times are delayed by up to this, so that installations do not send their
            requests at the same moment.
        limit_s: time limit of a run; it is then asked to stop.
        misfire_s: a run that is late by more than this is skipped.
        run: does the work.
        waits: whether it waits until this leader's run of FIRST_RUN is over.
        heavy: whether it runs in the process of jobs, if there may be one.
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
    heavy: bool = False


JOBS: Final[tuple[Job, ...]] = (
    Job(
        FIRST_RUN,
        "Prepare data at start",
        "Lists the fleet and collects the market if they are stale, and evaluates instances that "
        "have no decision yet.",
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
        "Lists the instances of every account, and records interruptions.",
        "every 5 min",
        jitter_s=15,
        limit_s=120,
        misfire_s=600,
        run=job_functions.list_fleet,
        heavy=True,
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
        heavy=True,
    ),
    Job(
        "collect-feeds",
        "Collect feeds",
        "Reads data that changes rarely: advisor buckets, on-demand prices, instance types and the "
        "zones that offer them.",
        "every 6 h",
        jitter_s=300,
        limit_s=600,
        misfire_s=7 * 86400,
        run=job_functions.collect_feeds,
        heavy=True,
    ),
    Job(
        JOB,
        "Request placement scores",
        "Requests EC2's placement scores for the fleet's types and close alternatives, in few "
        "configurations per day; for the first time as soon as fleet and types are known.",
        "every 6 h",
        jitter_s=300,
        limit_s=240,
        misfire_s=86400,
        run=job_functions.score_placement,
        heavy=True,
    ),
    Job(
        "launch-probes",
        "Probe launches",
        "Launches a spot instance in pools of the fleet and of its candidates and terminates it at "
        "once, within the budget of SPOTLAB_LAUNCH_PROBES_A_DAY, which is 0 by default. Each may "
        "cost up to a minute of its price.",
        "every 15 min",
        jitter_s=60,
        limit_s=240,
        misfire_s=900,
        run=job_functions.probe_launches,
    ),
    Job(
        "evaluate-fleet",
        "Evaluate the fleet",
        "Evaluates every instance whose pipeline is on, and records each decision.",
        "every 15 min",
        jitter_s=30,
        limit_s=600,
        misfire_s=3600,
        run=job_functions.evaluate_fleet,
        heavy=True,
    ),
    Job(
        "read-events",
        "Read events",
        "Reads interruption notices, rebalance recommendations and state changes from the "
        "accounts' queues as they come, and evaluates the instances that they are about.",
        "every 1 min",
        jitter_s=0,
        limit_s=600,
        misfire_s=60,
        run=job_functions.read_event_queues,
    ),
    Job(
        "read-past-interruptions",
        "Read past interruptions",
        "Reads the interruptions of the last 90 days of each new account from CloudTrail, once; "
        "continues where it ended.",
        "every 1 h",
        jitter_s=60,
        limit_s=1800,
        misfire_s=3600,
        run=job_functions.read_past_interruptions,
        heavy=True,
    ),
    Job(
        "archive-evidence",
        "Archive evidence",
        "Writes placement scores, launches, interruptions and recommendations of the days that are "
        "over to the evidence archive, and joins the days of past months.",
        "every 6 h",
        jitter_s=600,
        limit_s=600,
        misfire_s=86400,
        run=job_functions.archive_evidence,
        heavy=True,
    ),
    Job(
        "outcomes",
        "Record outcomes",
        "Records the outcomes of earlier predictions: interruptions, advisor buckets and prices.",
        "every 1 h",
        jitter_s=120,
        limit_s=300,
        misfire_s=86400,
        run=job_functions.join_outcomes,
        heavy=True,
    ),
    Job(
        "learn-weights",
        "Learn weights of forecasts",
        "Learns from launches and probes how much to trust the capacity champion and each simple "
        "rule.",
        "every 1 h",
        jitter_s=300,
        limit_s=600,
        misfire_s=86400,
        run=job_functions.learn_online_weights,
        heavy=True,
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
        heavy=True,
    ),
    Job(
        "health-probes",
        "Probe components",
        "Probes every component and records its state.",
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
        "Checks the condition of every rule, and sends the notifications that are due.",
        "every 30 s",
        jitter_s=0,
        limit_s=60,
        misfire_s=30,
        run=job_functions.evaluate_alerts,
        waits=False,
    ),
    Job(
        "drive-switches",
        "Drive switches",
        "Begins approved switches, drives those under way step by step, and ends requests that "
        "nobody approved in time.",
        "every 10 s",
        jitter_s=0,
        limit_s=1800,
        misfire_s=30,
        run=job_functions.drive_switches,
    ),
    Job(
        "retention",
        "Delete old data",
        "Deletes data that is older than the retention settings allow, in small batches.",
        "40 3 * * *",
        jitter_s=600,
        limit_s=1800,
        misfire_s=86400,
        run=job_functions.delete_old_data,
        heavy=True,
    ),
)
"""In the order in which they are shown."""


def job(name: str) -> Job | None:
    """The job of a name; None: there is none."""
    return next((each for each in JOBS if each.name == name), None)
