"""Planning and requesting a switch of an instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import MOVES, Instance, Lifecycle
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switch_guards import Level, SwitchingMode
from spotlab.domain.switches import Switch
from spotlab.errors import SpotlabError
from spotlab.services.switches import SwitchPlan
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import background_tasks, errors, formatting, links, permissions, session
from spotlab.ui.common.formatting import plain
from spotlab.ui.instance import preflight
from spotlab.ui.switches.actions import DONE

SLOT: Final = "plan-switch"
PLAN: Final = "switch-plan"
AS_DECIDED: Final = "as decided"
TOP: Final = 12
Target = dict[str, Any]
"""Arguments of `SwitchService.plan` that name the target; empty: as decided."""


def switches_of(instance_id: str) -> Sequence[Switch]:
    """Its switches, newest first; also those that launched it."""
    return session.services().switches.list(SwitchFilter(instance_id=instance_id))


def show(instance: Instance, last: ExperimentSummary | None) -> None:
    """A choice of the target, the plan, and the form that requests it."""
    run = background_tasks.take(SLOT)
    if run is not None and run.result is not None:
        st.session_state[PLAN] = run.result
    targets = targets_of(instance, last)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"switch-target {instance.instance_id}"
        st.selectbox("Target", list(targets), format_func=visible, key=key)
        background_tasks.start_button(
            "Plan a switch",
            SLOT,
            Right.REQUEST_SWITCHES,
            _plan,
            (instance.instance_id, targets, key),
            icon=":material/swap_horiz:",
            key="plan-now",
        )
    background_tasks.watch(SLOT)
    plan: SwitchPlan | None = st.session_state.get(PLAN)
    if plan is None or plan.instance.instance_id != instance.instance_id:
        st.caption("Nothing is changed by a plan: it reads AWS and lists the calls.")
        return
    preflight.show(plan.preflight)
    st.caption(plain(" ".join(map(_level_text, plan.levels.all))))
    _show_request(plan, _target_of(plan))


def _level_text(level: Level) -> str:
    """What a level allows, and how that is changed unless it is on."""
    return level.sentence if level.mode is SwitchingMode.ON else f"{level.sentence} {level.remedy}"


def targets_of(instance: Instance, last: ExperimentSummary | None) -> dict[str, Target]:
    """What a switch may aim at, by label: as decided, the decision's candidates, on-demand."""
    found: dict[str, Target] = {}
    if last is not None and last.decision in MOVES:
        found[f"{AS_DECIDED}: {last.decision.value}"] = {}
    if last is not None:
        ranked = [each for each in session.experiment(last.experiment_id).candidates if each.rank]
        for each in sorted(ranked, key=lambda candidate: candidate.rank)[:TOP]:
            pool = each.pool
            here = pool.region == instance.pool.region and pool.availability_zone is not None
            if here and pool != instance.pool:
                price = formatting.usd_per_hour(each.spot_price_usd_per_hour)
                found[f"spot {pool.label}, {price}"] = {"pool": pool}
    if instance.lifecycle is Lifecycle.SPOT:
        found[f"on-demand {instance.pool.label}"] = {
            "pool": instance.pool,
            "lifecycle": Lifecycle.ON_DEMAND,
        }
    return found


def _target_of(plan: SwitchPlan) -> Target:
    """The arguments that give this plan again, also if a newer decision was made meanwhile."""
    if plan.experiment is not None:
        return {"experiment_id": plan.experiment.experiment_id}
    return {"pool": plan.targets[0].pool, "lifecycle": plan.targets[0].lifecycle}


def _plan(instance_id: str, targets: dict[str, Target], key: str) -> None:
    _start(instance_id, targets.get(str(st.session_state.get(key)), {}), ())


def _start(instance_id: str, target: Target, confirmed: Sequence[str]) -> None:
    st.session_state.pop(PLAN, None)
    services = session.services().switches

    def work(tell: background_tasks.Progress, _stopped: object) -> SwitchPlan:
        tell("reading the instance and the target's region in AWS", 0.3)
        return services.plan(instance_id, confirmed=confirmed, **target)

    background_tasks.begin(SLOT, "Planning", work)


def _show_request(plan: SwitchPlan, target: Target) -> None:
    if plan.open_switch:
        st.info("Another switch of this instance is open.")
        links.to("switches", "Open it", ":material/swap_horiz:", switch=plan.open_switch)
        return
    if plan.refusal is not None:
        st.error(
            plain(f"{plan.refusal.reason} {plan.refusal.remedy}".strip()),
            title="It may not be requested",
            icon=":material/block:",
        )
        return
    if plan.preflight.forbidding:
        return
    if not permissions.caption(Right.REQUEST_SWITCHES):
        return
    key = f"request {plan.instance.instance_id}"
    with st.form(key, enter_to_submit=False):
        for finding in plan.preflight.questions:
            st.checkbox(plain(f"Yes: {finding.text}"), key=f"{key} {finding.code}")
        st.checkbox(
            "On-demand may be launched if no target has capacity", value=True, key=f"{key} fallback"
        )
        st.checkbox(
            "Dry run: list the calls, make none",
            value=plan.draft.dry_run,
            disabled=plan.draft.dry_run,
            key=f"{key} dry",
        )
        st.text_input("Reason", key=f"{key} reason", max_chars=500)
        st.form_submit_button(
            "Request", type="primary", on_click=_request, args=(plan, target, key)
        )


def _request(plan: SwitchPlan, target: Target, key: str) -> None:
    state = st.session_state
    confirmed = [each.code for each in plan.preflight.questions if state.get(f"{key} {each.code}")]
    try:
        switch = session.services().switches.request(
            plan.instance.instance_id,
            confirmed=confirmed,
            on_demand=bool(state.get(f"{key} fallback")),
            dry_run=bool(state.get(f"{key} dry")),
            reason=str(state.get(f"{key} reason", "")).strip(),
            strategy=plan.preflight.strategy,
            **target,
        )
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state.pop(PLAN, None)
    st.session_state[DONE] = (
        "The dry run is done: its journal lists the calls."
        if switch.dry_run
        else "Requested: it waits for approval on the Switches page."
    )
