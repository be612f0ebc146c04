"""Approval of switches: given, refused, expired, and asked for again when the market changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.ports import By, Topic
from spotlab.domain.switch_approval import MarketView
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_steps import Step, steps_of
from spotlab.domain.switches import (
    JournalEntry,
    Phase,
    Refusal,
    Switch,
    SwitchState,
)
from spotlab.errors import ChangedMeanwhile, Conflict, Forbidden
from spotlab.runtime.lab import Lab
from spotlab.switching.guards import SwitchGuards, expires_at
from spotlab.switching.market_check import changes_since_approval, market_now, priced

EXPIRED = "Nobody approved it in time."


def note(switch: Switch, by: By, action: str, detail: Mapping[str, Any]) -> JournalEntry:
    """A journal entry about a user's action, or about a guard's."""
    full = {"by": by.actor, **({"reason": by.reason} if by.reason else {}), **detail}
    return JournalEntry(switch.switch_id, 0, by.at, switch.step, action, Phase.NOTE, full)


def approve(
    lab: Lab, switch: Switch, by: By, *, approvers: Collection[str] = (), figures: str = ""
) -> Switch:
    """Approve a requested switch for the market as it is now.

    Args:
        lab: its store, guards and market.
        switch: as read.
        by: the approver; "spotlab" for earned autonomy.
        approvers: all users whose rights the approval uses: the user, and who created their token.
        figures: why SpotLab may approve by itself; "".
    Returns:
        The approved switch.
    Raises:
        Conflict: it is not waiting for approval, a guard refuses it, or the decision is another
            one now; then a second approval of the same is accepted.
        Forbidden: the requester may not approve, by the guards of the installation.
        ChangedMeanwhile: somebody else was faster.
    """
    require_waiting(lab, switch, by)
    four_eyes = lab.store.switch_guards.installation().four_eyes
    if four_eyes and not figures and switch.requested_by in {by.actor, *approvers}:
        raise Forbidden(
            f"{switch.requested_by} requested the switch {switch.switch_id} and may not approve "
            "it.",
            remedy="Somebody else with the right can, or the guard four_eyes of the installation "
            "can be set to false.",
        )
    instance = lab.store.fleet.instance(switch.instance_id)
    refusal = SwitchGuards(lab).at_request(instance, switch)
    if refusal is not None:
        raise Conflict(refusal.reason, remedy=refusal.remedy)
    view = market_now(lab, switch)
    _require_same_choice(lab, switch, by, view)
    approved = replace(
        switch,
        state=SwitchState.APPROVED,
        approved_by=by.actor,
        approved_at=by.at,
        expires_at=None,
        fingerprint=view.fingerprint,
        told_choice="",
        situation="",
        remedy="",
        **_at_price(switch, view),
    )
    detail = {"market": view.choice or "by hand", "price_usd_per_hour": view.price_usd_per_hour}
    if figures:
        detail["autonomy"] = figures
    saved = lab.store.switches.save(approved, [note(switch, by, "approve", detail)], by)
    lab.bus.publish(Topic.SWITCHES)
    return saved


def _require_same_choice(lab: Lab, switch: Switch, by: By, view: MarketView) -> None:
    """Ask once more if the policy would not move the instance to the switch's target now.

    Raises:
        Conflict: it would decide otherwise, and the approver has not been told so yet.
    """
    target = switch.requested
    chosen = view.pool == target.pool.key or (
        view.decision == Decision.FALLBACK_ONDEMAND and target.lifecycle is Lifecycle.ON_DEMAND
    )
    why = f"The switch goes to {target.label}, but the decision is now {view.choice}."
    if switch.experiment_id is None or chosen or switch.told_choice == view.choice:
        return
    asked = replace(
        switch,
        told_choice=view.choice,
        situation=why,
        remedy="Approve it again to switch nevertheless, or reject it and request another.",
    )
    lab.store.switches.save(asked, [note(switch, by, "ask again", {"why": why})], by)
    lab.bus.publish(Topic.SWITCHES)
    raise Conflict(why, remedy=asked.remedy)


def reject(lab: Lab, switch: Switch, by: By) -> Switch:
    """Reject a requested switch, or withdraw it. Raises Conflict, ChangedMeanwhile."""
    require_waiting(lab, switch, by)
    return end(lab, switch, by, SwitchState.REJECTED, f"Rejected by {by.actor}.")


def require_waiting(lab: Lab, switch: Switch, by: By) -> None:
    """Check that a switch waits for approval; one whose time is over expires.

    Raises:
        Conflict: it does not.
    """
    if switch.state is not SwitchState.REQUESTED:
        raise Conflict(
            f"The switch {switch.switch_id} is {switch.state.value}, not waiting for approval.",
            remedy="Only a requested switch can be approved or rejected.",
        )
    if is_over(switch, by):
        expire(lab, switch, by)
        raise Conflict(
            f"The request {switch.switch_id} expired at {switch.expires_at:%Y-%m-%d %H:%M} UTC.",
            remedy="Request the switch again.",
        )


def is_over(switch: Switch, by: By) -> bool:
    """Whether nobody approved a request in time."""
    return switch.expires_at is not None and switch.expires_at <= by.at


def expire(lab: Lab, switch: Switch, by: By) -> Switch:
    """End a request that nobody approved in time. Raises ChangedMeanwhile."""
    return end(lab, switch, by, SwitchState.EXPIRED, EXPIRED)


def expire_all(lab: Lab, by: By) -> int:
    """End every request that nobody approved in time; their number."""
    ended = 0
    where = SwitchFilter(states=(SwitchState.REQUESTED,))
    for switch in lab.store.switches.list(where, limit=10_000):
        if is_over(switch, by):
            try:
                expire(lab, switch, by)
            except ChangedMeanwhile:  # it was approved or rejected just now
                continue
            ended += 1
    return ended


def begin(lab: Lab, switch: Switch, guards: SwitchGuards, by: By) -> Refusal | None:
    """Whether an approved switch that has not begun may begin now, with what follows from it.

    A change of the market asks for approval again, a guard that will not change refuses the
    switch, and one that only delays it is shown as its situation.

    Args:
        lab: its store, guards and market.
        switch: approved, and not begun.
        guards: of the lab.
        by: signs what follows.
    Returns:
        None: a driver may begin. Otherwise why not.
    Raises:
        SpotlabError: the market cannot be read; nothing was changed.
        ChangedMeanwhile: somebody changed the switch.
    """
    view, changed = changes_since_approval(lab, switch)
    if changed:
        return _ask_again(lab, switch, by, view, changed)
    refusal = guards.may_proceed(switch, _first_step(switch))
    if refusal is None:
        return None
    if not refusal.wait:
        end(lab, switch, by, SwitchState.REFUSED, refusal.reason, refusal.remedy)
    elif (switch.situation, switch.remedy) != (refusal.reason, refusal.remedy):
        waiting = replace(switch, situation=refusal.reason, remedy=refusal.remedy)
        lab.store.switches.save(waiting, [note(switch, by, "wait", {"why": refusal.reason})])
        lab.bus.publish(Topic.SWITCHES)
    return refusal


def _ask_again(
    lab: Lab, switch: Switch, by: By, view: MarketView, changed: tuple[str, ...]
) -> Refusal:
    why = " ".join(changed)
    requested = replace(
        switch,
        state=SwitchState.REQUESTED,
        approved_by="",
        approved_at=None,
        expires_at=expires_at(lab.store.switch_guards.installation(), by.at),
        told_choice=view.choice,
        situation=f"The market has changed since the approval. {why}",
        remedy="Approve it again, or reject it.",
        **_at_price(switch, view),
    )
    entry = note(switch, by, "ask again", {"why": why, "approved_by": switch.approved_by})
    lab.store.switches.save(requested, [entry], by)
    lab.bus.publish(Topic.SWITCHES)
    return Refusal(requested.situation, requested.remedy)


def _at_price(switch: Switch, view: MarketView) -> dict[str, Any]:
    """The switch's requested target at the price of today."""
    price = view.price_usd_per_hour
    return {
        "targets": (priced(switch.requested, price), *switch.targets[1:]),
        "price_after_usd_per_hour": price,
    }


def end(
    lab: Lab, switch: Switch, by: By, state: SwitchState, situation: str, remedy: str = ""
) -> Switch:
    """End a switch that has not begun.

    Args:
        lab: its store.
        switch: as read.
        by: signs it, in the journal and in the audit log.
        state: of its end.
        situation, remedy: why it ended and what to do.
    Raises:
        ChangedMeanwhile: somebody else was faster.
    """
    ended = replace(
        switch,
        state=state,
        expires_at=None,
        finished_at=by.at,
        situation=situation,
        remedy=remedy,
    )
    saved = lab.store.switches.save(ended, [note(switch, by, state.value, {"why": situation})], by)
    lab.bus.publish(Topic.SWITCHES)
    return saved


def _first_step(switch: Switch) -> Step:
    return next(step for step in steps_of(switch.strategy) if step is not Step.PREFLIGHT)
