"""`spotlab backtest`: policies replayed on traces."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.errors import InvalidInput, InvalidSetting
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.sweeps.plan import SweepSpec


_HOURS = options.number(0, options.LONGEST_H, "hours", above=True)
_HOURS_OR_NONE = options.number(0, options.LONGEST_H, "hours")
_USD = options.number(0, options.DEAREST_USD, "USD")
_USD_ABOVE_0 = options.number(0, options.DEAREST_USD, "USD", above=True)


class _Span(argparse.Action):
    """One number, or a lowest and a highest: (low, high)."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if len(values) > 2 or values[0] > values[-1]:
            parser.error(f"argument {option_string}: give one number, or a lowest and a highest")
        setattr(namespace, self.dest, (values[0], values[-1]))


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--trace-dir", type=Path, required=True, help="folder with the traces of one campaign")
    add("--trace-format", choices=["json", "csv"], help="default: by the files' names")
    add("--polarity", choices=["available", "unavailable"], help="what a 1 in a CSV means")
    add(
        "--gap-s",
        type=options.number(0, options.DAY_S, "seconds", above=True),
        metavar="S",
        help="seconds from tick to tick, where a file lacks",
    )
    add("--workload", choices=["deadline", "service"], default="deadline")
    add("--policies", default="all", metavar="all|A,B", help="names with commas (default all)")
    add("--model", action="append", default=[], metavar="NAME", help="whose forecasts SpotLab uses")
    add(
        "--windows",
        type=options.whole(1, 100_000),
        default=40,
        metavar="N",
        help="how many (default 40)",
    )
    add("--seed", type=options.whole(0), default=7, help="of windows and workloads (default 7)")
    span: dict[str, Any] = {"nargs": "+", "metavar": "H", "action": _Span}
    add(
        "--changeover-h",
        type=_HOURS_OR_NONE,
        default=(0.02, 0.4),
        help="hours until an instance is useful: one number, or a range to draw from "
        "(default 0.02 0.4)",
        **span,
    )
    job = parser.add_argument_group("a job with a deadline")
    job.add_argument("--work-h", type=_HOURS, default=48.0, metavar="H", help="default 48")
    job.add_argument(
        "--deadline-h",
        type=_HOURS,
        default=(52.0, 92.0),
        help="one number, or a range to draw from (default 52 92)",
        **span,
    )
    job.add_argument(
        "--checkpoint-h",
        type=_HOURS_OR_NONE,
        default=0.0,
        metavar="H",
        help="hours of work from checkpoint to checkpoint; 0 (default): none is ever lost",
    )
    service = parser.add_argument_group("a service")
    service.add_argument("--hours", type=_HOURS, default=168.0, metavar="H", help="default 168")
    service.add_argument(
        "--downtime-usd-per-hour",
        type=_USD,
        metavar="USD",
        help="what an hour of downtime is worth (default: the on-demand price)",
    )
    add("--on-demand-usd", type=_USD_ABOVE_0, metavar="USD", help="on-demand price per hour")
    add("--spot-usd", type=_USD, metavar="USD", help="spot price per hour, of every pool")
    add("--prices-file", type=Path, help="CSV: trace,spot_usd_per_hour[,advisor_bucket]")
    add(
        "--workers",
        type=options.whole(1, 1_024),
        metavar="N",
        help="processes (default: one for each core)",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.sweeps.run import choose_workers

    workers = choose_workers(settings, args.workers)

    said = ""

    def tell(text: str, share: float) -> None:
        nonlocal said
        if (percent := f"{share:4.0%}") != said:  # a line a percent, however many cells
            sys.stderr.write(f"{percent} {text}\n")
        said = percent

    with at_desk(settings) as desk:
        report = desk.backtests.run(_spec(args), tell, lambda: False, workers)
    return Answer(report.as_document(), report.as_text())


def _spec(args: argparse.Namespace) -> SweepSpec:
    from spotlab.sweeps.spec import RECORDED_PRICES, Jobs, Prices, Services, SweepSpec, TraceChoice

    policies = tuple(name.strip() for name in args.policies.split(",") if name.strip())
    if not policies:
        raise InvalidInput("--policies names none.", remedy="Name some, or all.")
    given = args.on_demand_usd, args.prices_file or args.spot_usd
    if any(price is None for price in given) and any(price is not None for price in given):
        raise InvalidSetting(
            "Both sides of the comparison need a price.",
            remedy="Give --on-demand-usd with --spot-usd or --prices-file.",
        )
    prices = Prices(args.on_demand_usd or 0.0, args.spot_usd or 0.0, args.prices_file)
    if args.on_demand_usd is None:
        prices = replace(RECORDED_PRICES, told=f"No price was given. {RECORDED_PRICES.told}")
    workloads: Jobs | Services
    if args.workload == "deadline":
        workloads = Jobs(args.work_h, args.deadline_h, args.changeover_h, args.checkpoint_h)
    else:
        downtime = args.downtime_usd_per_hour
        worth = prices.on_demand_usd_per_hour if downtime is None else downtime
        workloads = Services(args.hours, worth, args.changeover_h)
    return SweepSpec(
        traces=TraceChoice(args.trace_dir, args.trace_format, args.polarity, args.gap_s),
        workloads=workloads,
        policies=policies,
        models=tuple(args.model),
        windows=args.windows,
        seed=args.seed,
        prices=prices,
    )


BACKTEST = Command("backtest", "Replay policies on traces.", _arguments, _run)
