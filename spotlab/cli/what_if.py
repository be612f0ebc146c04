"""`spotlab what-if`: decisions under other parameters, which are recorded nowhere."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, iso
from spotlab.cli.decision_output import place_document
from spotlab.cli.local_session import open_services
from spotlab.domain.policy_parameters import Unit
from spotlab.domain.what_if import KNOBS, Changes, RunningCost
from spotlab.errors import InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.pipeline.what_if import Outcome
    from spotlab.services.what_if import WhatIf


def _arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--instance",
        action="append",
        metavar="INSTANCE_ID",
        help="instance; repeat for several (default: all whose pipeline is on)",
    )
    for name, knob in KNOBS.items():
        option, meaning = "--" + name.replace("_", "-"), options.literal(knob.meaning)
        if knob.unit is Unit.YES_NO:
            add(option, action=argparse.BooleanOptionalAction, help=meaning)
        else:
            number = options.number(knob.low, knob.high, _UNITS.get(knob.unit, ""))
            add(option, type=number, metavar=_METAVARS[knob.unit], help=meaning)


_UNITS = {Unit.HOURS: "hours", Unit.MINUTES: "minutes", Unit.USD: "USD"}
_METAVARS = {
    Unit.SHARE: "SHARE",
    Unit.USD: "USD",
    Unit.USD_PER_HOUR: "USD",
    Unit.HOURS: "H",
    Unit.MINUTES: "MIN",
    Unit.TIMES: "TIMES",
}


def _run(args: argparse.Namespace, settings: Settings) -> Result:
    changes = Changes(**{name: getattr(args, name) for name in KNOBS})
    if not changes.as_dict():
        raise InvalidSetting(
            "Nothing was changed.", remedy="Name a setting, such as --risk-ceiling 0.005."
        )
    with open_services(settings) as services:
        what_if = services.what_if.step(changes, args.instance)
    failed = sum(bool(each.error) for each in what_if.after)
    return Result(
        what_if_document(what_if),
        what_if_text(what_if),
        code=1 if failed else 0,
        error=f"{failed} of {len(what_if.after)} instances could not be evaluated."
        if failed
        else "",
    )


def what_if_document(what_if: WhatIf) -> dict[str, Any]:
    """Stable keys: changes, policy, totals, instances[]."""
    before, after, moment = what_if.totals_before, what_if.totals_after, what_if.moment
    return {
        "market": moment.market if moment else None,
        "as_of": iso(moment.as_of) if moment else None,
        "models": list(moment.models) if moment else [],
        "degraded": list(moment.degraded) if moment else [],
        "policy": what_if.policy.as_dict(),
        "changes": what_if.changes.as_dict(),
        "totals": {
            "instances": after.instances,
            "changed": len(what_if.changed),
            "unknown": after.unknown,
            "running": _cost(after.now),
            "before": {"moves": before.moves, **_cost(before.after)},
            "after": {"moves": after.moves, **_cost(after.after)},
        },
        "instances": [
            {
                "instance_id": old.instance.instance_id,
                "name": old.instance.name,
                "account": old.instance.account,
                "current": place_document(old.instance.pool),
                "changed": old.target != new.target,
                "before": _decision(old),
                "after": _decision(new),
                "error": new.error or None,
            }
            for old, new in zip(what_if.before, what_if.after, strict=True)
        ],
        "step_ms": round(what_if.step_ms, 3),
    }


def _cost(cost: RunningCost) -> dict[str, float]:
    return {
        "price_usd_per_hour": cost.price_usd_per_hour,
        "expected_cost_usd_per_hour": cost.expected_cost_usd_per_hour,
        "interruptions_a_month": cost.interruptions_a_month,
    }


def _decision(outcome: Outcome) -> dict[str, Any] | None:
    verdict = outcome.verdict
    if verdict is None:
        return None
    return {
        "decision": verdict.decision,
        "chosen": place_document(verdict.chosen.pool) if verdict.chosen else None,
        "saving_usd_per_hour": verdict.saving_usd_per_hour,
        "margin": verdict.margin.as_dict() if verdict.margin else None,
        "reason": verdict.reason,
    }


def what_if_text(what_if: WhatIf) -> str:
    """The totals, and a line for each instance that is decided about otherwise."""
    before, after = what_if.totals_before, what_if.totals_after
    lines = [
        f"{'':<16}{'moves':>7}{'USD/h':>12}{'interruptions a month':>24}",
        f"{'as it runs':<16}{'':>7}{_line(after.now)}",
        f"{'today':<16}{before.moves:>7}{_line(before.after)}",
        f"{'with changes':<16}{after.moves:>7}{_line(after.after)}",
        f"{len(what_if.changed)} of {after.instances} instances are decided about otherwise"
        f"{':' if what_if.changed else '.'}",
    ]
    if after.unknown:
        lines.append(f"The cost of {after.unknown} is unknown and not counted.")
    for old, new in what_if.changed:
        name = new.instance.name or new.instance.instance_id
        lines.append(f"{name}: {_target(old)} → {_target(new)}: {_reason(new)}")
    return in_lines([*lines, *(what_if.moment.degraded if what_if.moment else ())])


def _line(cost: RunningCost) -> str:
    return f"{cost.price_usd_per_hour:>12.4f}{cost.interruptions_a_month:>24.3f}"


def _target(outcome: Outcome) -> str:
    decision, pool = outcome.target
    if decision is None:
        return "no decision"
    return f"{decision} to {pool.label}" if pool is not None else decision.value


def _reason(outcome: Outcome) -> str:
    return outcome.verdict.reason if outcome.verdict else outcome.error


WHAT_IF = Command(
    "what-if",
    "Decide with other parameters, without recording anything.",
    _arguments,
    _run,
)
