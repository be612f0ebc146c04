"""`spotlab events setup|read`, and the queues' part of `spotlab events list`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

import msgspec

from spotlab.cli.command import Command, Result, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.domain.spot_events import HistoryProgress, Percentiles
    from spotlab.services import Services

FORMATS = ("cloudformation", "cli", "policy")


def queue_document(services: Services) -> dict[str, Any]:
    """What was read from queues, as JSON values: stable keys, unknown is null."""
    view = services.spot_events.view()
    return {
        "counts": dict(view.counts),
        "latency": {
            "received_s": msgspec.to_builtins(view.received),
            "evaluated_s": msgspec.to_builtins(view.evaluated),
        },
        "queue_events": [
            {
                **msgspec.to_builtins(each.event),
                "account": each.account,
                "pool": each.pool.key if each.pool is not None else None,
                "received_at": each.received_at.isoformat(),
                "effect": each.effect,
                "evaluation": each.evaluation,
                "evaluated_at": each.evaluated_at.isoformat() if each.evaluated_at else None,
                "experiment_id": each.experiment_id,
            }
            for each in view.events
        ],
        "refused": [msgspec.to_builtins(each) for each in view.refused],
        "queues": [msgspec.to_builtins(each) for each in view.queues],
        "histories": [msgspec.to_builtins(each) for each in view.histories],
    }


def queue_lines(services: Services) -> list[str]:
    """What was read from queues, for a person."""
    view = services.spot_events.view()
    counts = dict(view.counts)
    lines = [
        f"Queues: {counts['interruption_notice']:,} notices, {counts['rebalance']:,} rebalance "
        f"recommendations, {counts['state_change']:,} state changes; "
        f"{counts['unknown instance']:,} of unknown instances; {counts['refused']:,} messages "
        "refused.",
        f"Received after {_latency(view.received)}; evaluated after {_latency(view.evaluated)}.",
    ]
    lines += [f"{each.account} {each.region}: {each.error}" for each in view.queues if each.error]
    lines += [_history_line(each) for each in view.histories]
    return lines


def _latency(latency: Percentiles) -> str:
    if latency.p50_s is None or latency.p95_s is None:
        return "—"
    return f"{latency.p50_s:.1f} s (half), {latency.p95_s:.1f} s (95 %)"


def _history_line(each: HistoryProgress) -> str:
    state = "read" if each.complete else f"read back to {each.read_back_to:%Y-%m-%d %H:%M}"
    text = (
        f"{each.account} {each.region}: past interruptions {state}, {each.found:,} found, "
        f"{each.recorded:,} new, {each.unknown_pool:,} of unknown pools are not counted."
    )
    return f"{text} {each.error}" if each.error else text


def _setup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("account", metavar="ACCOUNT", help="name of the account")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default=FORMATS[0],
        help="cloudformation: a template to deploy in each region; cli: AWS CLI commands; policy: "
        f"statements for SpotLab's role (default {FORMATS[0]})",
    )


def _setup(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        setup = services.spot_events.setup(args.account)
    texts = {
        "cloudformation": json.dumps(setup.template, indent=2),
        "cli": "\n".join(setup.commands),
        "policy": json.dumps({"Version": "2012-10-17", "Statement": setup.statements}, indent=2),
    }
    document = {
        "account": setup.account,
        "queue": setup.queue,
        "regions": list(setup.regions),
        "template": setup.template,
        "commands": list(setup.commands),
        "statements": list(setup.statements),
    }
    return Result(document, texts[args.format])


def _read(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        counts, histories = services.spot_events.read()
    document = msgspec.to_builtins(counts) | {
        "histories": [msgspec.to_builtins(each) for each in histories]
    }
    lines = [
        f"{counts.messages:,} messages: {counts.events:,} new events, {counts.repeated:,} "
        f"repeated, {counts.unknown_instances:,} of unknown instances, {counts.refused:,} refused; "
        f"{counts.evaluated:,} instances evaluated.",
        *(f"{place}: {error}" for place, error in counts.failed.items()),
        *(_history_line(each) for each in histories),
    ]
    return Result(document, in_lines(lines), code=1 if counts.failed else 0)


SETUP = Command(
    "setup",
    "Print the set-up of an account's event queue: queue, dead-letter queue, rule and rights.",
    _setup_arguments,
    _setup,
)
READ = Command(
    "read",
    "Read the accounts' event queues until they are empty, and past interruptions once.",
    no_arguments,
    _read,
)
