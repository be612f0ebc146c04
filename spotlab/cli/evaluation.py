"""`spotlab models evaluate`: a model on files that training has not seen."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

DEFAULT_HORIZON_H = 1.0
Document = dict[str, Any]


_HOURS = options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True)
_SECONDS = options.number(0, options.DAY_S, "seconds", above=True)


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="model, model@version, or a task: its champion")
    add(
        "--trace",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="availability traces, or folders of them; several are seen together",
    )
    add("--horizon-h", type=_HOURS, help=f"hours looked ahead (default {DEFAULT_HORIZON_H:g})")
    add("--trace-format", choices=["json", "csv"], help="default: by the file's name")
    add("--polarity", choices=["available", "unavailable"], help="what 1 means in a CSV")
    add(
        "--gap-s", type=_SECONDS, metavar="S", help="seconds between ticks, where the file lacks it"
    )
    add(
        "--nodes",
        type=options.whole(1),
        metavar="N",
        help="a tick is available with N nodes (default 1)",
    )
    add(
        "--advisor-before",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="Spot Advisor JSON that features come from; older ones beside it are the past",
    )
    add("--advisor-after", type=Path, metavar="FILE", help="Spot Advisor JSON, a month later")
    add(
        "--spot-prices",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="spot.json of the advisor's time",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Answer:
    _check(args)
    from spotlab.training.evaluation_report import text_of

    wanted = "capacity" if args.trace else "advisor"
    with at_desk(settings) as desk:
        record = desk.models.find(args.name)
        if record.task != wanted:
            raise InvalidSetting(
                f"Model {record.reference} is for the task {record.task}.",
                remedy="Evaluate capacity with --trace; advisor with --advisor-before and "
                "--advisor-after.",
            )
        model = desk.models.artefact(record.reference)
        document = (_on_traces if args.trace else _on_advisor)(model, args, desk.lab.clock)
    return Answer(document, text_of(document))


def _on_traces(model: Any, args: argparse.Namespace, _clock: Any) -> Document:
    from spotlab.training.capacity.evaluation import TraceOptions, evaluate_traces, forecaster

    options = TraceOptions(args.trace_format, args.polarity, args.gap_s, args.nodes or 1)
    horizon_h = args.horizon_h or DEFAULT_HORIZON_H
    return evaluate_traces(model, forecaster(model), args.trace, horizon_h, options)


def _on_advisor(model: Any, args: argparse.Namespace, clock: Any) -> Document:
    from spotlab.training.advisor.evaluation import evaluate_advisor

    return evaluate_advisor(model, args.advisor_before, args.advisor_after, clock, args.spot_prices)


def _check(args: argparse.Namespace) -> None:
    """Refuse what does not belong together, before anything is opened."""
    advisor = bool(args.advisor_before or args.advisor_after or args.spot_prices)
    if bool(args.trace) == advisor:
        raise InvalidSetting(
            "Name either trace files or advisor files.",
            remedy="Use --trace FILE…, or --advisor-before A --advisor-after B.",
        )
    if advisor and not (args.advisor_before and args.advisor_after):
        raise InvalidSetting(
            "An advisor model needs a snapshot before and one after.",
            remedy="Use --advisor-before A --advisor-after B.",
        )
    of_traces = {
        "--horizon-h": args.horizon_h,
        "--trace-format": args.trace_format,
        "--polarity": args.polarity,
        "--gap-s": args.gap_s,
        "--nodes": args.nodes,
    }
    stray = [option for option, value in of_traces.items() if value is not None]
    if advisor and stray:
        raise InvalidSetting(f"{stray[0]} belongs to --trace.")


EVALUATE = Command(
    "evaluate", "Measure a model on files that training has not seen.", _arguments, _run
)
