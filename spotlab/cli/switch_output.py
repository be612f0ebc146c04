"""Switches, their journal and plans as JSON values and as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from spotlab.cli.command import aligned
from spotlab.domain.switch_plan import Preflight
from spotlab.domain.switches import JournalEntry, Switch

if TYPE_CHECKING:
    from spotlab.services.switches import SwitchPlan


def document(switch: Switch) -> dict[str, Any]:
    """A switch as JSON values, without what only its driver needs."""
    found: dict[str, Any] = msgspec.to_builtins(switch)
    del found["progress"]
    found["pool"] = switch.pool.key
    for target, value in zip(found["targets"], switch.targets, strict=True):
        target["pool"] = value.pool.key
    if switch.on_demand is not None:
        found["on_demand"]["pool"] = switch.on_demand.pool.key
    if switch.got is not None:
        found["got"]["pool"] = switch.got.pool.key
    if switch.realised is not None:
        found["realised"]["saving_usd"] = switch.realised.saving_usd
    return found


def switch_lines(switches: Sequence[Switch]) -> list[str]:
    """One line for each switch."""
    return aligned([_columns(each) for each in switches])


def _columns(switch: Switch) -> tuple[str, ...]:
    step = f" ({switch.step.value})" if switch.step is not None and switch.open else ""
    dry = ", dry run" if switch.dry_run else ""
    state = "held" if switch.held else switch.state.value
    target = f"→ {switch.requested.label}"
    return switch.switch_id, state + step + dry, switch.account, switch.instance_id, target


def lines_of(switch: Switch) -> list[str]:
    """A switch for a person."""
    found = [
        *switch_lines([switch]),
        f"Requested by {switch.requested_by} at {time_text(switch.requested_at)}.",
    ]
    if switch.approved_by:
        found.append(f"Approved by {switch.approved_by} at {time_text(switch.approved_at)}.")
    if switch.got is not None:
        why = f": {switch.got_why}" if switch.got_why else ""
        found.append(
            f"Got {switch.got.lifecycle.value} {switch.got.pool.label}, "
            f"{switch.got.instance_id}{why}"
        )
    found += [text for text in (switch.held, switch.situation, switch.remedy) if text]
    if switch.rollback_requested and switch.open:
        found.append("Its roll-back was requested.")
    if switch.realised is not None:
        found.append(switch.realised.sentence)
    return found


def entry_document(entry: JournalEntry) -> dict[str, Any]:
    """A journal entry as JSON values."""
    found: dict[str, Any] = msgspec.to_builtins(entry)
    return found


def entry_line(entry: JournalEntry) -> str:
    """A journal entry as one line."""
    step = entry.step.value if entry.step is not None else "-"
    detail = ", ".join(f"{name}: {value}" for name, value in entry.detail.items() if value != "")
    when = f"  {time_text(entry.at)}  {step:<10}{entry.phase.value:<7}"
    return f"{when} {entry.action}  {detail}".rstrip()


def plan_document(plan: SwitchPlan) -> dict[str, Any]:
    """A plan as JSON values."""
    preflight = plan.preflight
    return {
        "instance_id": plan.instance.instance_id,
        "experiment_id": plan.experiment.experiment_id if plan.experiment is not None else None,
        "targets": document(plan.draft)["targets"],
        "strategy": preflight.strategy.value,
        "strategy_reason": preflight.strategy_reason,
        "findings": msgspec.to_builtins(preflight.findings),
        "kept": list(preflight.kept),
        "recreated": list(preflight.recreated),
        "lost": list(preflight.lost),
        "calls": msgspec.to_builtins(preflight.calls),
        "levels": [
            {"name": each.name, "mode": each.mode.value, "sentence": each.sentence}
            for each in plan.levels.all
        ],
        "mode": plan.levels.mode.value,
        "refusal": plan.refusal.reason if plan.refusal is not None else None,
        "open_switch": plan.open_switch or None,
    }


def plan_lines(plan: SwitchPlan) -> list[str]:
    """A plan for a person."""
    preflight: Preflight = plan.preflight
    lines = [
        f"{plan.instance.instance_id}: {plan.instance.lifecycle.value} "
        f"{plan.instance.pool.label} → {plan.targets[0].label}",
        f"Strategy: {preflight.strategy.label}. {preflight.strategy_reason}",
    ]
    for title, sentences in (
        ("Kept", preflight.kept),
        ("Made again", preflight.recreated),
        ("Lost", preflight.lost),
    ):
        lines += [f"{title}: {sentence}" for sentence in sentences]
    for finding in preflight.findings:
        kind = f"Question {finding.code}" if finding.question else "Refused because"
        lines.append(
            f"{kind if finding.blocks else 'Note'}: {finding.text} {finding.remedy}".rstrip()
        )
    lines += [f"Call: {call.action}: {call.text}" for call in preflight.calls]
    if preflight.forbidding:
        lines.append("No calls: the switch is refused.")
    lines += [each.sentence for each in plan.levels.all]
    if plan.refusal is not None:
        lines.append(f"Not possible now: {plan.refusal.reason} {plan.refusal.remedy}".rstrip())
    if plan.open_switch:
        lines.append(f"The switch {plan.open_switch} of the instance is still open.")
    return lines


def time_text(moment: datetime | None) -> str:
    """A time for a person; "" is none."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment is not None else "never"
