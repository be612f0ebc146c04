"""The commands, one class each: name, arguments, run."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from importlib.metadata import version as installed_version
from pathlib import Path

from spotlab import __version__
from spotlab.cli import options
from spotlab.cli.audit import AUDIT
from spotlab.cli.backtests import BACKTEST
from spotlab.cli.command import Command, no_arguments
from spotlab.cli.decision_output import (
    Answer,
    collect_document,
    collect_text,
    evaluate_document,
    evaluate_text,
    score_document,
    score_text,
)
from spotlab.cli.health import ALERTS, HEALTH
from spotlab.cli.jobs import JOBS
from spotlab.cli.local_session import at_desk
from spotlab.cli.maintenance import BACKUP, RESTORE, RETENTION
from spotlab.cli.models import MODELS
from spotlab.cli.outcomes import DRIFT, EVENTS, OUTCOMES
from spotlab.cli.recorded_data import DATA
from spotlab.cli.results import RESULTS
from spotlab.cli.serve import SERVE
from spotlab.cli.tokens import TOKENS
from spotlab.cli.train import TRAIN
from spotlab.cli.users import USERS
from spotlab.cli.worker import WORKER
from spotlab.domain.decision import PolicyParams, Requirements
from spotlab.domain.market import FeedKind
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

_SIZE = options.number(0, 1e6, above=True)
PACKAGES = ("streamlit", "boto3", "redis", "sqlmodel", "lightgbm", "shap", "plotly", "pandas")


def _collect_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--advisor-file", type=Path, help="Spot Advisor JSON (may be gzipped)")
    parser.add_argument("--spot-prices-file", type=Path, help="spot.json feed (may be gzipped)")
    parser.add_argument(
        "--on-demand-file", type=Path, help="CSV: region, instance_type, usd_per_hour"
    )
    parser.add_argument("--specs-file", type=Path, help="CSV of instance type specifications")


def _collect(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.aws.feeds import FileFeed

    files = {
        FeedKind.ADVISOR: args.advisor_file,
        FeedKind.SPOT_PRICES: args.spot_prices_file,
        FeedKind.ON_DEMAND: args.on_demand_file,
        FeedKind.SPECS: args.specs_file,
    }
    with at_desk(settings) as desk:
        clock = desk.lab.clock
        sources = [FileFeed(path, kind, clock=clock) for kind, path in files.items() if path]
        report = desk.market.collect_files(sources)
    failed = " ".join(report.errors)
    return Answer(
        collect_document(report), collect_text(report), code=1 if failed else 0, failed=failed
    )


def _score_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--region", action="append", default=[], help="repeat for several")
    add("--zone", action="append", default=[], help="availability zone; repeat for several")
    add("--family", action="append", default=[], help="such as m6i; repeat for several")
    add("--vcpu-min", type=_SIZE, metavar="N")
    add("--vcpu-max", type=_SIZE, metavar="N")
    add("--memory-gb-min", type=_SIZE, metavar="GIB")
    add("--memory-gb-max", type=_SIZE, metavar="GIB")
    add("--arch", choices=["x86_64", "arm64"])
    add("--accelerator", action=argparse.BooleanOptionalAction, help="GPU or other accelerator")
    add("--burstable", action=argparse.BooleanOptionalAction, help="t series")
    add(
        "--max-bucket",
        type=options.whole(0, 4),
        metavar="0-4",
        help="highest advisor bucket allowed",
    )
    hours = options.number(0, options.HOURS_OF_A_YEAR, above=True)
    add("--horizon-h", type=hours, default=PolicyParams().horizon_h, help="hours (default 24)")
    share = options.number(0, 1, above=True)
    add("--risk-ceiling", type=share, default=PolicyParams().risk_ceiling, metavar="P")
    add("--model", help="name or name@version (default: the champion)")
    add("--top", type=options.whole(1), default=10, help="how many to show (default 10)")


def _score(args: argparse.Namespace, settings: Settings) -> Answer:
    requirements = Requirements(
        regions=tuple(args.region),
        zones=tuple(args.zone),
        families=tuple(args.family),
        vcpu_min=args.vcpu_min,
        vcpu_max=args.vcpu_max,
        memory_gb_min=args.memory_gb_min,
        memory_gb_max=args.memory_gb_max,
        architecture=args.arch,
        accelerator=args.accelerator,
        burstable=args.burstable,
        max_advisor_bucket=args.max_bucket,
    )
    policy = replace(PolicyParams(), horizon_h=args.horizon_h, risk_ceiling=args.risk_ceiling)
    with at_desk(settings) as desk:
        ranking = desk.market.rank(requirements, policy, args.model)
        now = desk.lab.clock.now()
    _check_regions(args.region, set(ranking.table["region"]))
    return Answer(score_document(ranking, args.top, now), score_text(ranking, args.top))


def _check_regions(asked: list[str], known: set[str]) -> None:
    for region in asked:
        if region not in known:
            raise InvalidSetting(
                f"--region {region!r} has no prices in this market.",
                remedy=f"It has: {', '.join(sorted(known))}.",
            )


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("instance_ids", nargs="*", metavar="INSTANCE_ID")
    parser.add_argument("--all", action="store_true", help="every instance of the fleet")


def _evaluate(args: argparse.Namespace, settings: Settings) -> Answer:
    if bool(args.instance_ids) == args.all:
        raise InvalidSetting("Name instance ids, or use --all.")
    with at_desk(settings) as desk:
        experiments = desk.instances.evaluate(args.instance_ids or None)
    failed = [experiment for experiment in experiments if experiment.error]
    return Answer(
        evaluate_document(experiments),
        evaluate_text(experiments),
        code=1 if failed else 0,
        failed=f"{len(failed)} of {len(experiments)} could not be decided." if failed else "",
    )


def _migrate(_args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.runtime.bootstrap import migrate

    before, after = migrate(settings)
    text = f"database at revision {after}" + ("" if before == after else f" (was {before})")
    return Answer({"from": before, "to": after, "changed": before != after}, text)


def _doctor(_args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.maintenance.doctor import examine, report_text
    from spotlab.monitoring.health.prober import probe_all
    from spotlab.runtime.bootstrap import bootstrap

    with bootstrap(settings) as lab:
        document = examine(lab, probe_all(lab))
    return Answer(document, report_text(document), code=0 if document["ok"] else 1)


def _version(_args: argparse.Namespace, _settings: Settings) -> Answer:
    packages = {name: installed_version(name) for name in PACKAGES}
    document = {"spotlab": __version__, "python": sys.version.split()[0], "packages": packages}
    return Answer(document, f"spotlab {__version__}")


COMMANDS = (
    SERVE,
    WORKER,
    JOBS,
    Command("collect", "Collect the market, live or from files.", _collect_arguments, _collect),
    Command("evaluate", "Decide about instances, and record it.", _evaluate_arguments, _evaluate),
    Command("score", "Rank the pools that meet requirements.", _score_arguments, _score),
    TRAIN,
    DATA,
    MODELS,
    BACKTEST,
    OUTCOMES,
    DRIFT,
    EVENTS,
    RESULTS,
    USERS,
    TOKENS,
    AUDIT,
    RETENTION,
    BACKUP,
    RESTORE,
    Command("migrate", "Bring the database to this version.", no_arguments, _migrate),
    HEALTH,
    ALERTS,
    Command("doctor", "Check every component and say what is wrong.", no_arguments, _doctor),
    Command("version", "Print versions.", no_arguments, _version),
)
