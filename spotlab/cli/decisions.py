"""`spotlab collect`, `score`, `evaluate` and `explain`: from the market to decisions."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from spotlab.cli import options, requirement_options
from spotlab.cli.command import Command, Result
from spotlab.cli.decision_output import (
    collect_document,
    collect_text,
    evaluate_document,
    evaluate_text,
    explain_document,
    explain_text,
    score_document,
    score_text,
)
from spotlab.cli.local_session import open_services
from spotlab.domain.market import FeedKind
from spotlab.domain.workload import DEFAULT_NAME
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings


def _collect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--advisor-file", type=Path, help="Spot Advisor JSON file, optionally gzipped"
    )
    parser.add_argument(
        "--spot-prices-file", type=Path, help="spot.json feed file, optionally gzipped"
    )
    parser.add_argument(
        "--on-demand-file",
        type=Path,
        help="CSV file with the columns region, instance_type, usd_per_hour",
    )
    parser.add_argument(
        "--specs-file", type=Path, help="CSV file with instance type specifications"
    )
    for name in ("on-demand", "specs"):
        file = f"--{name}-file, if it has no header line"
        options.add_columns(parser, f"--{name}-columns", file)


def _collect(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.aws.feeds import FileFeed

    files = {
        FeedKind.ADVISOR: args.advisor_file,
        FeedKind.SPOT_PRICES: args.spot_prices_file,
        FeedKind.ON_DEMAND: args.on_demand_file,
        FeedKind.SPECS: args.specs_file,
    }
    columns = {FeedKind.ON_DEMAND: args.on_demand_columns, FeedKind.SPECS: args.specs_columns}
    with open_services(settings) as services:
        clock = services.lab.clock
        sources = [
            FileFeed(path, kind, clock=clock, columns=columns.get(kind, ()))
            for kind, path in files.items()
            if path
        ]
        report = services.market.collect_files(sources)
    failed = " ".join(report.errors)
    return Result(
        collect_document(report), collect_text(report), code=1 if failed else 0, error=failed
    )


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--region", action="append", default=[], help="allowed region; repeat for several")
    add("--zone", action="append", default=[], help="allowed availability zone; repeat for several")
    requirement_options.add(parser)
    hours = options.number(0, options.HOURS_OF_A_YEAR, above=True)
    add(
        "--horizon-h",
        type=hours,
        help="horizon of the risk, hours (default: the workload's)",
    )
    share = options.number(0, 1, above=True)
    add(
        "--risk-ceiling",
        type=share,
        metavar="P",
        help="highest allowed risk within 24 h, 0 to 1 (default: the policy's)",
    )
    add(
        "--policy",
        metavar="POLICY",
        help="name or name@version of a policy (default: the active one)",
    )
    add(
        "--workload",
        default=DEFAULT_NAME,
        metavar="NAME",
        help="workload that says what an interruption costs (default: default)",
    )
    add("--model", help="name or name@version (default: the champion)")
    add("--top", type=options.integer(1), default=10, help="number of pools to show (default 10)")


def _score(args: argparse.Namespace, settings: Settings) -> Result:
    requirements = replace(
        requirement_options.requirements(args), regions=tuple(args.region), zones=tuple(args.zone)
    )
    with open_services(settings) as services:
        policy = services.policies.get(args.policy).policy.params
        if args.risk_ceiling is not None:
            policy = replace(policy, risk_ceiling=args.risk_ceiling)
        workload = services.workloads.get(args.workload)
        if args.horizon_h is not None:
            workload = replace(workload, horizon_h=args.horizon_h)
        ranking = services.market.rank(requirements, policy, args.model, workload=workload)
        now = services.lab.clock.now()
    _check_regions(args.region, set(ranking.table["region"]))
    return Result(score_document(ranking, args.top, now), score_text(ranking, args.top))


def _check_regions(regions: list[str], available: set[str]) -> None:
    for region in regions:
        if region not in available:
            raise InvalidSetting(
                f"--region {region!r} has no prices in this market.",
                remedy=f"Available: {', '.join(sorted(available))}.",
            )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "instance_ids", nargs="*", metavar="INSTANCE_ID", help="instance to evaluate"
    )
    parser.add_argument("--all", action="store_true", help="all instances whose pipeline is on")


def _evaluate(args: argparse.Namespace, settings: Settings) -> Result:
    if bool(args.instance_ids) == args.all:
        raise InvalidSetting("Specify either instance ids or --all.")
    with open_services(settings) as services:
        experiments = services.instances.evaluate(args.instance_ids or None)
        losses = services.instances.losses()
    failures = [experiment for experiment in experiments if experiment.error]
    return Result(
        evaluate_document(experiments, losses),
        evaluate_text(experiments, losses),
        code=1 if failures else 0,
        error=f"{len(failures)} of {len(experiments)} instances could not be evaluated."
        if failures
        else "",
    )


def _explain_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "instance", metavar="INSTANCE", nargs="?", help="id or name: its newest decision"
    )
    parser.add_argument(
        "--experiment", type=options.integer(1), metavar="ID", help="a decision instead"
    )


def _explain(args: argparse.Namespace, settings: Settings) -> Result:
    if (args.instance is None) == (args.experiment is None):
        raise InvalidSetting("Specify either INSTANCE or --experiment ID.")
    with open_services(settings) as services:
        if args.experiment is not None:
            explanation = services.explanations.of_decision(args.experiment)
        else:
            explanation = services.explanations.of_instance(args.instance)
        now = services.lab.clock.now()
    return Result(explain_document(explanation, now), explain_text(explanation))


COLLECT = Command(
    "collect", "Collect the market from live sources or from files.", _collect_arguments, _collect
)
EVALUATE = Command(
    "evaluate", "Evaluate instances and record the decisions.", _evaluate_arguments, _evaluate
)
EXPLAIN = Command(
    "explain",
    "Explain a decision: its margin, its runner-up, and what would change it.",
    _explain_arguments,
    _explain,
)
SCORE = Command("score", "Rank the pools that meet the requirements.", _score_arguments, _score)
