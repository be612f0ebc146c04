"""`spotlab outcomes`, `drift` and `events`: outcomes of predictions, drift and interruptions."""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.cli.spot_events import READ, SETUP, queue_document, queue_lines
from spotlab.domain.interruptions import InterruptionEvent, InterruptionKind
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.domain.outcomes import Estimate
    from spotlab.pipeline.drift import DriftReport
    from spotlab.pipeline.outcomes import OutcomeCounts
    from spotlab.runtime.outcomes import OutcomesView

MAX_FEATURES = 20


def _outcomes(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        settled, view = services.outcomes.settle(), services.outcomes.view()
    return Result(_outcomes_document(settled, view), _outcomes_text(settled, view))


def _outcomes_document(settled: OutcomeCounts, view: OutcomesView) -> dict[str, Any]:
    """Stable keys: market, new, pending, models[], price, challengers[]; unknown is null."""
    document: dict[str, Any] = {
        "market": view.market,
        "new": settled.new,
        "pending": settled.pending,
        "models": [asdict(card) for card in view.cards],
        "price": asdict(view.price) if view.price else None,
        "challengers": [asdict(comparison) for comparison in view.comparisons],
    }
    return {key: _json_value(value) for key, value in document.items()}


def _outcomes_text(settled: OutcomeCounts, view: OutcomesView) -> str:
    lines = [
        f"{view.market} market: {sum(settled.new.values()):,} new outcomes, "
        f"{sum(settled.pending.values()):,} predictions pending"
    ]
    for card in view.cards:
        role = " (in shadow)" if card.challenger else ""
        lines.append(f"{card.target} by {card.model}{role}: {card.words}")
        if card.rows:
            lines.append(
                f"  Brier {_estimate(card.brier)}, "
                f"base rate's Brier {card.brier_of_base_rate:.4f}; "
                f"base rate {_estimate(card.base_rate)}, mean predicted {card.mean_predicted:.4f}"
            )
    if view.price:
        lines.append(view.price.words)
    lines += [
        f"challenger {each.model}: {each.decided:,} decisions, agrees "
        f"{_estimate(each.agreement)}, cost difference "
        f"{_estimate(each.cost_difference_usd_per_hour, 6)} USD/h, "
        f"{len(each.disagreements):,} disagreements, {each.failures:,} failures"
        for each in view.comparisons
    ]
    return in_lines(lines)


def _drift_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", help="name or name@version (default: the champion)")


def _drift(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        report = services.outcomes.drift(args.model)
    document = {key: _json_value(value) for key, value in asdict(report).items()}
    return Result({**document, "alarm": report.alarm}, _drift_text(report))


def _drift_text(report: DriftReport) -> str:
    lines = [f"{report.model} in the {report.market} market. {report.words}"]
    if report.moved:
        lines.append(f"{'':<36}{'PSI':>7}{'usual':>7}{'KS':>7}{'usual':>7}")
    lines += [
        f"{each.name:<36}{each.psi:>7.3f}{each.psi_usual:>7.3f}{each.ks:>7.3f}"
        f"{each.ks_usual:>7.3f}  {each.words}"
        for each in report.moved[:MAX_FEATURES]
    ]
    return in_lines(lines)


def _list_events(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        found = services.interruptions.list()
        queues, about_queues = queue_document(services), queue_lines(services)
    lines = [
        f"{event.at:%Y-%m-%d %H:%M} {event.kind} {event.instance_id} {event.pool.label}"
        f"{' (emulated)' if event.emulated else ''}: {event.source}"
        for event in found
    ]
    document = {"events": [_event_document(event) for event in found], **queues}
    lines = lines or ["No interruptions are recorded."]
    return Result(document, in_lines([*lines, *about_queues]))


def _event_document(event: InterruptionEvent) -> dict[str, Any]:
    return {
        "instance_id": event.instance_id,
        "pool": event.pool.key,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "source": event.source,
        "recorded_at": event.recorded_at.isoformat(),
        "emulated": event.emulated,
    }


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("instance_id", nargs="?", metavar="INSTANCE_ID", help="interrupted instance")
    kinds = [kind.value for kind in InterruptionKind]
    add(
        "--kind",
        choices=kinds,
        default=InterruptionKind.NOTICE.value,
        help=f"kind of event (default {InterruptionKind.NOTICE.value})",
    )
    add(
        "--at",
        type=options.utc_time,
        metavar="TIME",
        help="ISO 8601 time with a time zone (default: now)",
    )
    add(
        "--pool",
        type=options.pool,
        help="pool as region:zone:type:os (default: the instance's own)",
    )
    add("--file", type=Path, help="JSON file with one EventBridge spot event or a list of them")


def _add(args: argparse.Namespace, settings: Settings) -> Result:
    if bool(args.instance_id) == bool(args.file):
        raise InvalidSetting("Specify either an instance id or --file.")
    with open_services(settings) as services:
        if args.file:
            new, given = services.interruptions.add_file(args.file)
        else:
            kind, at = InterruptionKind(args.kind), args.at or services.lab.clock.now()
            new, given = int(services.interruptions.add(args.instance_id, kind, at, args.pool)), 1
    return Result({"given": given, "new": new}, f"{new} of {given} events are new.")


def _estimate(estimate: Estimate, digits: int = 4) -> str:
    if math.isnan(estimate.value):
        return "unknown"
    if math.isnan(estimate.low):
        return f"{estimate.value:.{digits}f} (too few days for an interval)"
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def _json_value(value: Any) -> Any:
    """Convert to JSON values: NaN and infinity to null, times to ISO 8601."""
    if isinstance(value, dict):
        return {key: _json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return None if isinstance(value, float) and not math.isfinite(value) else value


OUTCOMES = Command(
    "outcomes", "Join predictions with their outcomes and score them.", no_arguments, _outcomes
)
DRIFT = Command(
    "drift", "Report whether the market or the predictions have drifted.", _drift_arguments, _drift
)
EVENTS = command_group(
    "events",
    "Read, record and list interruptions of your instances.",
    lambda: (
        Command("list", "List the recorded events, newest first.", no_arguments, _list_events),
        SETUP,
        READ,
        Command("add", "Record one event, or a file of events.", _add_arguments, _add),
    ),
)
