"""`spotlab models evaluate` and `compare`: models on files that training has not seen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from spotlab.cli import options
from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings

DEFAULT_HORIZON_H = 1.0
Document = dict[str, Any]


_HOURS = options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True)
_SECONDS = options.number(0, options.DAY_S, "seconds", above=True)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="model, model@version, or a task: its champion"
    )
    _data_arguments(parser)
    parser.add_argument(
        "--trace-format", choices=["json", "csv"], help="default: by the file's name"
    )
    parser.add_argument(
        "--nodes",
        type=options.whole(1),
        metavar="N",
        help="a tick is available with N nodes (default 1)",
    )


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="FIRST", help="model or model@version")
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
        help="availability traces, or folders of them; several are seen together",
    )
    add("--horizon-h", type=_HOURS, help=f"hours looked ahead (default {DEFAULT_HORIZON_H:g})")
    add("--polarity", choices=["available", "unavailable"], help="what 1 means in a CSV")
    add(
        "--gap-s", type=_SECONDS, metavar="S", help="seconds between ticks, where the file lacks it"
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


def _evaluate(args: argparse.Namespace, settings: Settings) -> Answer:
    _check(args)
    from spotlab.training.evaluation_report import text_of

    wanted = "capacity" if args.trace else "advisor"
    with at_desk(settings) as desk:
        record = desk.models.find(args.name)
        _refuse_other_task(record, wanted)
        model = desk.models.artefact(record.reference)
        document = (_on_traces if args.trace else _on_advisor)(model, args, desk.lab.clock)
    return Answer(document, text_of(document))


def _refuse_other_task(record: ModelRecord, wanted: str) -> None:
    if record.task != wanted:
        raise InvalidSetting(
            f"Model {record.reference} is for the task {record.task}.",
            remedy="Use --trace with models of the task capacity, and --advisor-before and "
            "--advisor-after with those of the task advisor.",
        )


def _compare(args: argparse.Namespace, settings: Settings) -> Answer:
    _check(args)
    from spotlab.cli.comparison_output import comparison_document, comparison_text
    from spotlab.services.model_comparison import ComparisonRequest

    task = "capacity" if args.trace else "advisor"
    with at_desk(settings) as desk:
        records = [desk.models.find(name) for name in (args.first, args.second)]
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
        )
        result = desk.comparisons.compare(request, _report, lambda: False)
    return Answer(comparison_document(request, result), comparison_text(result))


def _report(text: str, share: float) -> None:
    sys.stderr.write(f"{share:4.0%} {text}\n")


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
        "--trace-format": getattr(args, "trace_format", None),
        "--polarity": args.polarity,
        "--gap-s": args.gap_s,
        "--nodes": getattr(args, "nodes", None),
    }
    stray = [option for option, value in of_traces.items() if value is not None]
    if advisor and stray:
        raise InvalidSetting(f"{stray[0]} belongs to --trace.")


EVALUATE = Command(
    "evaluate",
    "Measure a model on files that training has not seen.",
    _evaluate_arguments,
    _evaluate,
)
COMPARE = Command(
    "compare",
    "Compare two models on the same rows, with paired intervals.",
    _compare_arguments,
    _compare,
)
