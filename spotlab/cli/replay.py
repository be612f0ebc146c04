"""`spotlab replay`: a recorded decision made again, as it was or with something else."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, iso
from spotlab.cli.local_session import open_services
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.domain.decision import Experiment
    from spotlab.pipeline.cost_since import CostSince
    from spotlab.runtime.replay import Replay


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("experiment_id", metavar="ID", type=options.integer(1), help="number of the decision")
    add("--model", metavar="NAME[@VERSION]", help="model to score the market of then with")
    add(
        "--policy",
        metavar="NAME[@VERSION]",
        help="another policy, or parameters to change as JSON: '{\"risk_ceiling\": 0.02}'",
    )
    add("--workload", metavar="NAME[@VERSION]", help="workload of the instance")


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        replay = services.experiments.replay(
            args.experiment_id, args.model, args.policy, args.workload
        )
    return Result(_document(replay), _text(replay))


def _document(replay: Replay) -> dict[str, Any]:
    return {
        "experiment_id": replay.recorded.experiment_id,
        "identical": replay.identical,
        "differences": [
            {"field": each.field, "recorded": each.recorded, "replayed": each.replayed}
            for each in replay.differences
        ],
        "changed": list(replay.changed),
        "recorded": _decision(replay.recorded, replay.recorded_cost),
        "replayed": _decision(replay.replayed, replay.replayed_cost),
    }


def _decision(experiment: Experiment, cost: CostSince | None) -> dict[str, Any]:
    verdict = experiment.verdict
    chosen = verdict.chosen if verdict is not None else None
    return {
        "decision": verdict.decision if verdict is not None else None,
        "reason": verdict.reason if verdict is not None else None,
        "error": experiment.error or None,
        "model": experiment.model,
        "policy": experiment.policy_version,
        "workload": experiment.workload.workload.reference,
        "chosen": chosen.pool.key if chosen is not None else None,
        "saving_usd_per_hour": verdict.saving_usd_per_hour if verdict is not None else None,
        "cost_since": None if cost is None else _cost(cost),
    }


def _cost(cost: CostSince) -> dict[str, Any]:
    return {
        "until": iso(cost.until),
        "hours": cost.hours,
        "total_usd": cost.total_usd,
        "price_usd": cost.price_usd,
        "interruptions_usd": cost.interruptions_usd,
        "moving_usd": cost.moving_usd,
        "unknown": cost.unknown or None,
    }


def _text(replay: Replay) -> str:
    number = replay.recorded.experiment_id
    if not replay.changed:
        lines = [f"Decision {number} replays identically."]
        if not replay.identical:
            count = len(replay.differences)
            lines = [f"Decision {number} replays with {count} differences:"]
            lines += [
                f"  {each.field}: {each.recorded} recorded, {each.replayed} now"
                for each in replay.differences
            ]
        return in_lines([*lines, f"Recorded: {_words(replay.recorded)}"])
    lines = [
        f"Decision {number} with another {' and '.join(replay.changed)}:",
        f"Recorded: {_words(replay.recorded)}",
        f"Replayed: {_words(replay.replayed)}",
    ]
    for name, cost in (("Recorded", replay.recorded_cost), ("Replayed", replay.replayed_cost)):
        if cost is not None:
            lines.append(f"{name}, cost since: {_cost_words(cost)}")
    return in_lines(lines)


def _words(experiment: Experiment) -> str:
    verdict = experiment.verdict
    if verdict is None:
        return f"no decision. {experiment.error}"
    return f"{verdict.decision}. {verdict.reason}"


def _cost_words(cost: CostSince) -> str:
    if cost.total_usd is None:
        return f"not known. {cost.unknown}"
    return (
        f"{cost.total_usd:.4f} USD in {cost.hours:.1f} h (price {cost.price_usd:.4f}, expected "
        f"interruptions {cost.interruptions_usd:.4f}, move {cost.moving_usd:.4f})"
    )


REPLAY = Command(
    "replay",
    "Make a recorded decision again, as it was or with something else.",
    _arguments,
    _run,
)
