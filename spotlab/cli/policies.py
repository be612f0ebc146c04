"""`spotlab policies …`: policies, their versions and states, and previews."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, confirm, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.policy import (
    ParameterChange,
    PolicyEvent,
    PolicyState,
    PolicyVersion,
    to_parameters,
)
from spotlab.domain.policy_parameters import PARAMETERS
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

if TYPE_CHECKING:
    from spotlab.domain.outcomes import Estimate
    from spotlab.pipeline.policy_preview import PolicyPreview
    from spotlab.services import Services

_DAYS = options.number(0, 366, "days", above=True)
MOVES = {
    "shadow": (PolicyState.SHADOW, "Let a version decide in shadow, alongside the active one."),
    "draft": (PolicyState.DRAFT, "Take a version out of shadow, back to draft."),
    "retire": (PolicyState.RETIRED, "Retire a version that is not active."),
}


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        versions = services.policies.versions()
    lines = [f"{'policy':<28}{'state':<10}{'since':<18}{'by':<16}why"]
    for each in versions:
        event = each.history[0] if each.history else None
        since = f"{event.at:%Y-%m-%d %H:%M}" if event else "always"
        actor, why = (event.actor, event.reason) if event else ("built in", "")
        lines.append(f"{each.reference:<28}{each.state:<10}{since:<18}{actor:<16}{why}".rstrip())
    return Result({"policies": [_document(each) for each in versions]}, in_lines(lines))


def _reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "policy", metavar="POLICY", help="name@version, or a name: its newest version"
    )


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        version = services.policies.get(args.policy)
        changes = services.policies.diff(version.reference)
        active = services.policies.get()
        shadow = [
            each
            for each in services.policies.in_shadow()
            if each.policy == version.reference and each.decided
        ]
    lines = [
        f"{version.reference}, {version.state}: {version.policy.description}",
        *(
            f"{name:<28}{PARAMETERS[name].text(value)}"
            for name, value in version.policy.params.as_dict().items()
        ),
        f"Different from {active.reference}, which is active: {_changes_text(changes)}.",
        *(_event_text(event) for event in version.history),
        *(
            f"In shadow: {each.decided:,} decisions in 30 days, {each.agreement.value:.1%} as "
            f"made; {each.moves:,} moves instead of {each.champion_moves:,}."
            for each in shadow
        ),
    ]
    document = _document(version) | {
        "differences": _changes_document(changes),
        "shadow": [
            {
                "decided": each.decided,
                "failures": each.failures,
                "agreement": each.agreement.value,
                "moves": each.moves,
                "moves_as_made": each.champion_moves,
                "cost_difference_usd_per_day": _estimate(each.cost_difference_usd_per_day),
            }
            for each in shadow
        ],
    }
    return Result(document, in_lines(lines))


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument(
        "against", metavar="OTHER", nargs="?", help="policy to compare with (default: the active)"
    )


def _diff(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        version = services.policies.get(args.policy)
        against = services.policies.get(args.against)
        changes = services.policies.diff(version.reference, against.reference)
    document = {
        "policy": version.reference,
        "against": against.reference,
        "differences": _changes_document(changes),
    }
    text = f"{version.reference} compared with {against.reference}: {_changes_text(changes)}."
    return Result(document, text)


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", help="policy, such as cautious")
    add(
        "--base",
        metavar="POLICY",
        help="policy to start from (default: its newest version); required for a new name",
    )
    add("--description", help="what it is for, in a sentence")
    for name, parameter in PARAMETERS.items():
        meaning = options.literal(parameter.meaning)
        add(
            "--" + name.replace("_", "-"),
            type=options.number(parameter.low, parameter.high),
            metavar=str(parameter.unit).upper(),
            help=f"{meaning[0].lower()}{meaning[1:].rstrip('.')}",
        )
    options.add_reason(parser)


def _set(args: argparse.Namespace, settings: Settings) -> Result:
    changes = {name: getattr(args, name) for name in PARAMETERS if getattr(args, name) is not None}
    with open_services(settings) as services:
        saved = services.policies.save(
            args.name, changes, base=args.base, description=args.description, reason=args.reason
        )
        differences = services.policies.diff(saved.reference)
    text = f"Saved {saved.reference} as a draft: {_changes_text(differences)}."
    return Result({"policy": _document(saved)}, text)


def _move_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    options.add_reason(parser)


def _move(state: PolicyState) -> Callable[[argparse.Namespace, Settings], Result]:
    def run(args: argparse.Namespace, settings: Settings) -> Result:
        with open_services(settings) as services:
            moved = services.policies.set_state(args.policy, state, args.reason)
        return Result({"policy": _document(moved)}, f"{moved.reference} is {moved.state} now.")

    return run


def _days_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--days", type=_DAYS, default=30.0, metavar="N", help="how far back (default 30)"
    )


def _preview_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    _days_argument(parser)


def _preview(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        preview = services.policies.preview(args.policy, args.days, _report)
    return Result(preview_document(preview), preview_text(preview))


def _activate_arguments(parser: argparse.ArgumentParser) -> None:
    _reference(parser)
    parser.add_argument("--reason", required=True, help="why; recorded with it")
    _days_argument(parser)
    parser.add_argument("--yes", action="store_true", help="activate without asking")


def _activate(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        version, former = services.policies.get(args.policy), services.policies.get()
        preview = services.policies.preview(version.reference, args.days, _report)
        if not args.yes:
            _confirm(preview, services)
        moved = services.policies.set_state(
            version.reference, PolicyState.ACTIVE, args.reason, expected=version.state
        )
    text = f"{preview_text(preview)}\n{moved.reference} is active now, {former.reference} retired."
    document = {
        "policy": _document(moved),
        "retired": former.reference,
        "preview": preview_document(preview),
    }
    return Result(document, text)


def _confirm(preview: PolicyPreview, services: Services) -> None:
    """Show what would have changed, and ask. Raises InvalidSetting: the answer is not yes."""
    active = services.policies.get().reference
    confirm(
        f"{preview_text(preview)}\nActivate {preview.policy} in place of {active}?",
        f"{preview.policy} was not activated.",
    )


def _report(text: str, share: float) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{share:4.0%} {text}\x1b[K")


def preview_document(preview: PolicyPreview) -> dict[str, Any]:
    """A preview as JSON values."""
    return {
        "policy": preview.policy,
        "since": iso(preview.since),
        "until": iso(preview.until),
        "decided": preview.decided,
        "same": preview.decided - preview.changed,
        "changed": preview.changed,
        "moves": preview.moves_after,
        "moves_as_made": preview.moves_before,
        "instances": preview.instances,
        "transitions": [
            {"from": each.before, "to": each.after, "count": each.count}
            for each in preview.transitions
        ],
        "cost_difference_usd_per_hour": _estimate(preview.cost_difference_usd_per_hour),
        "cost_difference_usd_per_day": _estimate(preview.cost_difference_usd_per_day),
        "not_comparable": preview.not_comparable,
        "failed": preview.failed,
        "changes": [
            {
                "experiment_id": each.experiment_id,
                "created_at": iso(each.created_at),
                "instance_id": each.instance_id,
                "from": each.before,
                "from_pool": each.before_pool,
                "to": each.after,
                "to_pool": each.after_pool,
                "reason": each.reason,
                "cost_difference_usd_per_hour": each.cost_difference_usd_per_hour,
            }
            for each in preview.changes
        ],
    }


def preview_text(preview: PolicyPreview) -> str:
    """A preview for a person."""
    period = f"{preview.since:%Y-%m-%d} to {preview.until:%Y-%m-%d}"
    if not preview.decided:
        return (
            f"No recorded decision from {period} can be compared with {preview.policy}"
            f"{_left_out(preview)}."
        )
    lines = [
        f"{period}: {preview.policy} would have changed {preview.changed:,} of "
        f"{preview.decided:,} decisions about {preview.instances:,} instances"
        f"{_left_out(preview)}.",
        *(
            f"  {each.before} → {'another pool' if each.before == each.after else each.after}: "
            f"{each.count:,}"
            for each in preview.transitions
        ),
        f"Moves: {preview.moves_after:,} instead of {preview.moves_before:,}. Expected cost: "
        f"{_money(preview.cost_difference_usd_per_day)} USD per day.",
    ]
    return in_lines(lines)


def _left_out(preview: PolicyPreview) -> str:
    reasons = []
    if preview.not_comparable:
        reasons.append(f"{preview.not_comparable:,} cannot be made again from their record")
    if preview.failed:
        reasons.append(f"{preview.failed:,} failed")
    return f" ({', '.join(reasons)})" if reasons else ""


def _money(estimate: Estimate) -> str:
    interval = ""
    if estimate.low == estimate.low:  # not NaN
        interval = f" ({estimate.low:+,.2f} to {estimate.high:+,.2f})"
    return f"{estimate.value:+,.2f}{interval}".replace("-", "−")


def _estimate(estimate: Estimate) -> dict[str, float | None]:
    return {
        name: value if value == value else None
        for name, value in (
            ("value", estimate.value),
            ("low", estimate.low),
            ("high", estimate.high),
        )
    }


def _document(version: PolicyVersion) -> dict[str, Any]:
    return {
        "reference": version.reference,
        **to_parameters(version.policy),
        "state": version.state,
        "history": [
            {
                "at": iso(event.at),
                "by": event.actor,
                "from": event.before,
                "to": event.after,
                "reason": event.reason or None,
            }
            for event in version.history
        ],
    }


def _event_text(event: PolicyEvent) -> str:
    change = "saved as draft" if event.before is None else f"{event.before} → {event.after}"
    why = f": {event.reason}" if event.reason else ""
    return f"{event.at:%Y-%m-%d %H:%M} UTC, {event.actor}, {change}{why}"


def _changes_document(changes: Sequence[ParameterChange]) -> list[dict[str, Any]]:
    return [{"parameter": each.name, "from": each.before, "to": each.after} for each in changes]


def _changes_text(changes: Sequence[ParameterChange]) -> str:
    return "; ".join(each.text for each in changes) or "the same parameters"


COMMANDS = (
    Command("list", "List every version with its state.", no_arguments, _list),
    Command("show", "Show a version: parameters, state and history.", _reference, _show),
    Command("diff", "Show in which parameters two versions differ.", _diff_arguments, _diff),
    Command("set", "Save a draft: a new policy or its next version.", _set_arguments, _set),
    *(
        Command(name, summary, _move_arguments, _move(state))
        for name, (state, summary) in MOVES.items()
    ),
    Command(
        "preview",
        "Show which recorded decisions a version would have changed.",
        _preview_arguments,
        _preview,
    ),
    Command(
        "activate",
        "Let a version decide, after a preview; the active one retires.",
        _activate_arguments,
        _activate,
    ),
)
POLICIES = command_group(
    "policies", "Policies: the rules of the decision, as versions.", lambda: COMMANDS
)
