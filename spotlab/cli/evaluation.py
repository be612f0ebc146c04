"""`spotlab models evaluate` and `compare`: models on files that they were not trained on."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_services
from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

DEFAULT_HORIZON_H = 1.0
Document = dict[str, Any]


_HOURS = options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="name, name@version, or a task (its champion)")
    _data_arguments(parser)
    add(
        "--trace-format",
        choices=["json", "csv"],
        help="format of the traces (default: from the file names)",
    )
    add(
        "--online",
        action="store_true",
        help="also forecast online: experts weighted by what was known of their errors by then",
    )
    add(
        "--nodes",
        type=options.integer(1),
        metavar="N",
        help="nodes that must be available for a tick to count as available (default 1)",
    )


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="FIRST", help="name or name@version")
    parser.add_argument("second", metavar="SECOND", help="another model of the same task")
    _data_arguments(parser)


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
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
    options.add_trace_arguments(parser)
    add(
        "--advisor-before",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="earlier Spot Advisor JSON: the newest has the buckets, others are history",
    )
    add("--advisor-after", type=Path, metavar="FILE", help="Spot Advisor JSON from a month later")
    add(
        "--spot-prices",
        nargs="+",
        type=Path,
        action="extend",
        default=[],
        metavar="FILE",
        help="spot.json files, dated over 30 days before --advisor-after",
    )


def _evaluate(args: argparse.Namespace, settings: Settings) -> Result:
    _check(args)
    from spotlab.training.evaluation_report import report_text

    task = "capacity" if args.trace else "advisor"
    with open_services(settings) as services:
        record = services.models.find(args.name)
        _refuse_other_task(record, task)
        model = services.models.artefact(record.reference)
        document = (_on_traces if args.trace else _on_advisor)(model, args, services.lab.clock)
    return Result(document, report_text(document))


def _refuse_other_task(record: ModelRecord, task: str) -> None:
    if record.task != task:
        raise InvalidSetting(
            f"Model {record.reference} has the task {record.task}.",
            remedy="Use --trace for capacity models, and --advisor-before with --advisor-after "
            "for advisor models.",
        )


def _compare(args: argparse.Namespace, settings: Settings) -> Result:
    _check(args)
    from spotlab.cli.comparison_output import comparison_document, comparison_text
    from spotlab.services.model_comparison import ComparisonRequest

    task = "capacity" if args.trace else "advisor"
    with open_services(settings) as services:
        records = [services.models.find(name) for name in (args.first, args.second)]
        for record in records:
            _refuse_other_task(record, task)
        request = ComparisonRequest(
            task,
            records[0].reference,
            records[1].reference,
            horizon_h=args.horizon_h or DEFAULT_HORIZON_H,
            traces=tuple(args.trace),
            before=tuple(args.advisor_before),
            after=args.advisor_after,
            prices=tuple(args.spot_prices),
            polarity=args.polarity,
            gap_s=args.gap_s,
            columns=args.columns,
            zone_ids=tuple(options.zone_ids(args.zone_ids).items()),
        )
        result = services.comparisons.compare(request, _report, lambda: False)
    return Result(comparison_document(request, result), comparison_text(result))


def _report(text: str, share: float) -> None:
    sys.stderr.write(f"{share:4.0%} {text}\n")


def _on_traces(model: Any, args: argparse.Namespace, _clock: Any) -> Document:
    from spotlab.training.capacity.evaluation import TraceOptions, evaluate_traces, forecaster

    reading = TraceOptions(
        args.trace_format,
        args.polarity,
        args.gap_s,
        args.nodes or 1,
        args.columns,
        options.zone_ids(args.zone_ids),
    )
    horizon_h = args.horizon_h or DEFAULT_HORIZON_H
    return evaluate_traces(
        model, forecaster(model), args.trace, horizon_h, reading, online=args.online
    )


def _on_advisor(model: Any, args: argparse.Namespace, clock: Any) -> Document:
    from spotlab.training.advisor.evaluation import evaluate_advisor

    return evaluate_advisor(
        model,
        args.advisor_before,
        args.advisor_after,
        clock,
        args.spot_prices,
        online=args.online,
    )


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
            "Advisor models are measured on an earlier and a later snapshot.",
            remedy="Use --advisor-before A --advisor-after B.",
        )
    trace_options = {
        "--horizon-h": args.horizon_h,
        "--trace-format": getattr(args, "trace_format", None),
        "--polarity": args.polarity,
        "--gap-s": args.gap_s,
        "--nodes": getattr(args, "nodes", None),
        "--columns": args.columns or None,
        "--zone-ids": args.zone_ids,
    }
    misplaced = [option for option, value in trace_options.items() if value is not None]
    if advisor and misplaced:
        raise InvalidSetting(f"{misplaced[0]} can be used only with --trace.")


EVALUATE = Command(
    "evaluate",
    "Measure a model on files that it was not trained on.",
    _evaluate_arguments,
    _evaluate,
)
COMPARE = Command(
    "compare",
    "Compare two models on the same rows, with paired intervals.",
    _compare_arguments,
    _compare,
)
