"""`spotlab models evaluate`: measures a model on files that it was not trained on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_desk
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

DEFAULT_HORIZON_H = 1.0
Document = dict[str, Any]


_HOURS = options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True)


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name, name@version, or a task (its champion)")
    add(
        "--trace",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="availability traces or folders of traces; several are evaluated together",
    )
    add(
        "--horizon-h",
        type=_HOURS,
        help=f"horizon of the forecast, hours (default {DEFAULT_HORIZON_H:g})",
    )
    add(
        "--trace-format",
        choices=["json", "csv"],
        help="format of the traces (default: from the file names)",
    )
    options.add_trace_arguments(parser)
    add(
        "--nodes",
        type=options.integer(1),
        metavar="N",
        help="nodes that must be available for a tick to count as available (default 1)",
    )
    add(
        "--advisor-before",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="Spot Advisor JSON to compute the features from; older ones serve as history",
    )
    add("--advisor-after", type=Path, metavar="FILE", help="Spot Advisor JSON of a month later")
    add(
        "--spot-prices",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="spot.json files of the same time as --advisor-before",
    )


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    _check(args)
    from spotlab.training.evaluation_report import text_of

    task = "capacity" if args.trace else "advisor"
    with open_desk(settings) as desk:
        record = desk.models.find(args.name)
        if record.task != task:
            raise InvalidSetting(
                f"Model {record.reference} has the task {record.task}.",
                remedy="Use --trace for capacity models, and --advisor-before with --advisor-after "
                "for advisor models.",
            )
        model = desk.models.artefact(record.reference)
        document = (_on_traces if args.trace else _on_advisor)(model, args, desk.lab.clock)
    return Result(document, text_of(document))


def _on_traces(model: Any, args: argparse.Namespace, _clock: Any) -> Document:
    from spotlab.training.capacity.evaluation import TraceOptions, evaluate_traces, forecaster

    options = TraceOptions(args.trace_format, args.polarity, args.gap_s, args.nodes or 1)
    horizon_h = args.horizon_h or DEFAULT_HORIZON_H
    return evaluate_traces(model, forecaster(model), args.trace, horizon_h, options)


def _on_advisor(model: Any, args: argparse.Namespace, clock: Any) -> Document:
    from spotlab.training.advisor.evaluation import evaluate_advisor

    return evaluate_advisor(model, args.advisor_before, args.advisor_after, clock, args.spot_prices)


def _check(args: argparse.Namespace) -> None:
    """Reject contradictory options before anything is opened."""
    advisor = bool(args.advisor_before or args.advisor_after or args.spot_prices)
    if bool(args.trace) == advisor:
        raise InvalidSetting(
            "Specify either trace files or advisor files.",
            remedy="Use --trace FILE…, or --advisor-before A --advisor-after B.",
        )
    if advisor and not (args.advisor_before and args.advisor_after):
        raise InvalidSetting(
            "An advisor model needs a snapshot before and a snapshot after.",
            remedy="Use --advisor-before A --advisor-after B.",
        )
    trace_options = {
        "--horizon-h": args.horizon_h,
        "--trace-format": args.trace_format,
        "--polarity": args.polarity,
        "--gap-s": args.gap_s,
        "--nodes": args.nodes,
    }
    misplaced = [option for option, value in trace_options.items() if value is not None]
    if advisor and misplaced:
        raise InvalidSetting(f"{misplaced[0]} can be used only with --trace.")


EVALUATE = Command(
    "evaluate", "Measure a model on files that it was not trained on.", _arguments, _run
)
