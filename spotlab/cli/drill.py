"""`spotlab drill`: from a signal of EC2 to a healthy replacement, on an emulated AWS."""

from __future__ import annotations

import argparse
import sys

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.domain.drills import DrillKind, not_drilled
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

MOST_RUNS = 200


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runs",
        type=options.integer(1, MOST_RUNS),
        default=10,
        metavar="N",
        help=f"number of drills, up to {MOST_RUNS} (default 10)",
    )
    parser.add_argument(
        "--kind",
        choices=("rebalance", "notice"),
        default="notice",
        help="signal: a rebalance recommendation or a two-minute notice (default notice)",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    """Uses a home, a database and an emulated AWS of its own, which it removes."""
    from spotlab.services.own_drills import run_on_own_aws

    def report_progress(text: str, _share: float) -> None:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    report = run_on_own_aws(settings, DrillKind(args.kind), args.runs, report_progress)
    failed = [run for run in report.runs if run.why]
    return Result(
        report.document(),
        in_lines(
            [
                f"{len(report.runs)} drills, {sum(run.in_time for run in report.runs)} within "
                "120 s of the signal.",
                *report.finding(),
                *not_drilled(),
            ]
        ),
        code=1 if failed else 0,
        error=f"{len(failed)} of {len(report.runs)} drills did not end in a done switch."
        if failed
        else "",
    )


DRILL = Command(
    "drill", "Time switches after signals of EC2, on an emulated AWS.", _arguments, _run
)
