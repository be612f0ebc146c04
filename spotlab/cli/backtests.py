"""`spotlab backtest`: compares policies on recorded traces."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_services
from spotlab.errors import InvalidInput, InvalidSetting
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.sweeps.plan import SweepSpec


_HOURS = options.number(0, options.MAX_H, "hours", above=True)
_HOURS_OR_NONE = options.number(0, options.MAX_H, "hours")
_USD = options.number(0, options.MAX_USD, "USD")
_USD_ABOVE_0 = options.number(0, options.MAX_USD, "USD", above=True)


class _Range(argparse.Action):
    """One number, or a minimum and a maximum: (low, high)."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if len(values) > 2 or values[0] > values[-1]:
            parser.error(
                f"argument {option_string}: expected one number, or a minimum and a maximum"
            )
        setattr(namespace, self.dest, (values[0], values[-1]))


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--trace-dir", type=Path, required=True, help="folder with the traces of one campaign")
    add(
        "--trace-format",
        choices=["json", "csv"],
        help="format of the traces (default: from the file names)",
    )
    options.add_trace_arguments(parser)
    add(
        "--workload",
        choices=["deadline", "service"],
        default="deadline",
        help="a job with a deadline, or a service (default deadline)",
    )
    add("--policies", default="all", metavar="all|A,B", help="comma-separated names (default all)")
    add(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="capacity model for SpotLab's policy; repeat for several",
    )
    add(
        "--windows",
        type=options.integer(1, 100_000),
        default=40,
        metavar="N",
        help="number of windows (default 40)",
    )
    add(
        "--seed",
        type=options.integer(0),
        default=7,
        help="random seed for windows and workloads (default 7)",
    )
    range_arguments: dict[str, Any] = {"nargs": "+", "metavar": "H", "action": _Range}
    add(
        "--changeover-h",
        type=_HOURS_OR_NONE,
        default=(0.02, 0.4),
        help="hours until a started instance does useful work: one number, or a range to draw from "
        "(default 0.02 0.4)",
        **range_arguments,
    )
    job = parser.add_argument_group("options for --workload deadline")
    job.add_argument(
        "--work-h", type=_HOURS, default=48.0, metavar="H", help="hours of work (default 48)"
    )
    job.add_argument(
        "--deadline-h",
        type=_HOURS,
        default=(52.0, 92.0),
        help="hours until the deadline: one number, or a range to draw from (default 52 92)",
        **range_arguments,
    )
    job.add_argument(
        "--checkpoint-h",
        type=_HOURS_OR_NONE,
        default=0.0,
        metavar="H",
        help="hours of work between checkpoints; 0 means that no work is ever lost (default 0)",
    )
    service = parser.add_argument_group("options for --workload service")
    service.add_argument(
        "--hours",
        type=_HOURS,
        default=168.0,
        metavar="H",
        help="hours that the service runs (default 168)",
    )
    service.add_argument(
        "--downtime-usd-per-hour",
        type=_USD,
        metavar="USD",
        help="cost of an hour of downtime (default: the on-demand price)",
    )
    add("--on-demand-usd", type=_USD_ABOVE_0, metavar="USD", help="on-demand price per hour")
    add("--spot-usd", type=_USD, metavar="USD", help="spot price per hour, the same for all pools")
    add("--prices-file", type=Path, help="CSV: trace,spot_usd_per_hour[,advisor_bucket]")
    options.add_columns(parser, "--prices-columns", "--prices-file, if it has no header line")
    add(
        "--workers",
        type=options.integer(1, 1_024),
        metavar="N",
        help="number of processes (default: one per core)",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.sweeps.run import choose_workers

    workers = choose_workers(settings, args.workers)

    last_percent = ""

    def report_progress(text: str, share: float) -> None:
        nonlocal last_percent
        if (percent := f"{share:4.0%}") != last_percent:  # one line per percent, not per cell
            sys.stderr.write(f"{percent} {text}\n")
        last_percent = percent

    with open_services(settings) as services:
        report = services.backtests.run(_spec(args), report_progress, lambda: False, workers)
    return Result(report.as_document(), report.as_text())


def _spec(args: argparse.Namespace) -> SweepSpec:
    from spotlab.sweeps.spec import RECORDED_PRICES, Jobs, Prices, Services, SweepSpec, TraceChoice

    policies = tuple(name.strip() for name in args.policies.split(",") if name.strip())
    if not policies:
        raise InvalidInput("--policies is empty.", remedy="Name policies, or use all.")
    prices_given = args.on_demand_usd, args.prices_file or args.spot_usd
    if any(price is None for price in prices_given) and any(
        price is not None for price in prices_given
    ):
        raise InvalidSetting(
            "On-demand and spot prices must be specified together.",
            remedy="Use --on-demand-usd together with --spot-usd or --prices-file.",
        )
    prices = Prices(
        args.on_demand_usd or 0.0,
        args.spot_usd or 0.0,
        args.prices_file,
        columns=args.prices_columns,
    )
    if args.on_demand_usd is None:
        prices = replace(RECORDED_PRICES, told=f"No price was specified. {RECORDED_PRICES.told}")
    workloads: Jobs | Services
    if args.workload == "deadline":
        workloads = Jobs(args.work_h, args.deadline_h, args.changeover_h, args.checkpoint_h)
    else:
        downtime = args.downtime_usd_per_hour
        downtime_usd = prices.on_demand_usd_per_hour if downtime is None else downtime
        workloads = Services(args.hours, downtime_usd, args.changeover_h)
    return SweepSpec(
        traces=TraceChoice(
            args.trace_dir,
            args.trace_format,
            args.polarity,
            args.gap_s,
            args.columns,
            tuple(options.zone_ids(args.zone_ids).items()),
        ),
        workloads=workloads,
        policies=policies,
        models=tuple(args.model),
        windows=args.windows,
        seed=args.seed,
        prices=prices,
    )


BACKTEST = Command("backtest", "Compare policies on recorded traces.", _arguments, _run)
