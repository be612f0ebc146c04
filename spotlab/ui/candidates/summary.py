"""The headline: what is ranked, which candidate is the best and why; and the last decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pandas as pd
import streamlit as st

from spotlab.domain.decision import Decision, Experiment, Instance, Verdict
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.workload import AppliedWorkload, describe_cost
from spotlab.pipeline.rank import Ranking
from spotlab.ui.candidates import table
from spotlab.ui.common import formatting, session, widgets

MOVES = 6


def of_instance(decided: Experiment, ranking: Ranking, *, what_if: bool) -> str:
    """What would be decided about an instance now, on which candidates."""
    name = decided.instance.name or decided.instance.instance_id
    text = _decided(name, decided.verdict, ranking)
    return f"What if: {text}" if what_if else text


def _decided(name: str, verdict: Verdict | None, ranking: Ranking) -> str:
    if verdict is None:
        return f"No decision is possible for {name}"
    found = len(ranking.candidates)
    if not found:
        pools = formatting.count(len(ranking.table), "pool")
        return f"None of the {pools} meets the requirements of {name}"
    best = ranking.candidate(0)
    several = formatting.count(found, "candidate")
    if verdict.decision is Decision.FALLBACK_ONDEMAND:
        return (
            f"{name} should fall back to on-demand{_saving(verdict)}: none of {several} is better"
        )
    if verdict.chosen is not None:
        return (
            f"{name} should switch to {verdict.chosen.pool.label}, the lowest expected cost of "
            f"{several}{_saving(verdict)}"
        )
    if verdict.current is not None and best.pool == verdict.current.pool:
        return f"{name} is on the best of {several}: {best.pool.label}"
    saving = verdict.saving_usd_per_hour
    if saving is None:
        return f"{name} should stay; the best of {several} is {best.pool.label}"
    would = f"would save {formatting.usd_per_hour(saving)}" if saving > 0 else "would save nothing"
    return f"{name} should stay: {best.pool.label}, the best of {several}, {would}"


def _saving(verdict: Verdict) -> str:
    saving = verdict.saving_usd_per_hour
    if saving is None:
        return ""
    if saving < 0:
        return f", for {formatting.usd_per_hour(-saving)} more"
    return f", saving {formatting.usd_per_hour(saving)}"


def _missed(verdict: Verdict) -> str:
    """What the best switch would have saved where the decision is to stay."""
    saving = verdict.saving_usd_per_hour
    if saving is None:
        return ""
    effect = "save" if saving >= 0 else "cost"
    more = "" if saving >= 0 else " more"
    return f"; the best switch would {effect} {formatting.usd_per_hour(abs(saving))}{more}"


def of_size(ranking: Ranking) -> str:
    """The best candidate for requirements without an instance, and why it is the best."""
    candidates = ranking.candidates
    if not len(candidates):
        return f"None of the {formatting.count(len(ranking.table), 'pool')} meets the requirements"
    best = candidates.iloc[0]
    return (
        f"{best['instance_type']} in {table.zone_of(best)} has the lowest expected cost of "
        f"{formatting.count(len(candidates), 'candidate')}: "
        f"{formatting.usd_per_hour(float(best['spot_price_usd_per_hour']))}, risk "
        f"{formatting.percent(float(best['risk']))} in {ranking.workload.horizon_h:g} h"
    )


def of_nothing(pools: pd.DataFrame) -> str:
    """What to do where nothing is asked."""
    return (
        f"Choose an instance or a size to rank {formatting.count(len(pools), 'pool')} in "
        f"{formatting.count(pools['region'].nunique(), 'region')}"
    )


def last_decision(last: Experiment, decided: Experiment, now: datetime) -> str:
    """The newest recorded decision next to this one, with the age of both prices."""
    verdict = last.verdict
    when = f"Decision #{last.experiment_id}, {formatting.ago(last.created_at, now)}"
    if verdict is None:
        return f"{when}, failed: {last.error}"
    ranked = sum(candidate.rank > 0 for candidate in last.candidates)
    what = formatting.decision_mark(verdict.decision)
    if verdict.chosen is not None:
        what += f" to {verdict.chosen.pool.label}"
    what += _saving(verdict) if verdict.decision is not Decision.STAY else _missed(verdict)
    what += f", of {formatting.count(ranked, 'candidate')}"
    then, here = _priced_at(verdict), _priced_at(decided.verdict)
    if then is None or here is None or then == here:
        return f"{when}, used the same prices: {what}."
    return (
        f"{when}, used prices that are now {_age(then, now)} old: {what}. This page uses prices "
        f"that are {_age(here, now)} old, so the numbers may differ."
    )


def _priced_at(verdict: Verdict | None) -> datetime | None:
    """When the prices that were compared were true."""
    candidate = (verdict.chosen or verdict.current) if verdict is not None else None
    return candidate.sources[0].event_time if candidate and candidate.sources else None


def _age(then: datetime, now: datetime) -> str:
    return formatting.age((now - then).total_seconds())


def moves(fleet: list[Instance], decisions: Mapping[str, ExperimentSummary]) -> dict[str, str]:
    """The instances that should move by the newest decisions, the largest saving first."""
    names = {each.instance_id: each.name or each.instance_id for each in fleet}
    moving = [
        each
        for each in decisions.values()
        if each.decision in (Decision.SWITCH, Decision.FALLBACK_ONDEMAND)
        and each.instance_id in names
    ]
    moving.sort(key=lambda each: -(each.saving_usd_per_hour or 0.0))
    return {each.instance_id: _move(names[each.instance_id], each) for each in moving[:MOVES]}


def _move(name: str, decision: ExperimentSummary) -> str:
    saving = decision.saving_usd_per_hour
    mark = formatting.decision_mark(decision.decision)
    if saving is None:
        return f"{name}: {mark}"
    if saving < 0:
        return f"{name}: {mark}, {formatting.usd_per_hour(-saving)} more for less risk"
    return f"{name}: {mark}, saves {formatting.usd_per_hour(saving)}"


NOTHING_ASKED = (
    "Ranked by expected cost, the smallest pool would always win. Other filters, such as a region, "
    "can be set too."
)


def basis(ranking: Ranking, applied: AppliedWorkload) -> str:
    """What a ranking is based on."""
    return (
        f"Requirements: {table.describe(ranking.requirements)}. Expected cost: the spot price and "
        f"the cost of interruptions, with the risks of {ranking.scored.model}. {applied.reason} "
        f"{describe_cost(applied.workload)}"
    )


def show_decided(decided: Experiment, ranking: Ranking, *, what_if: bool, now: datetime) -> None:
    """The headline for an instance, the policy's reason, and the last recorded decision."""
    verdict, applied = decided.verdict, decided.workload
    reason = verdict.reason if verdict is not None else decided.error
    widgets.headline(
        of_instance(decided, ranking, what_if=what_if),
        f"{reason} {describe_cost(applied.workload)} Risks of {decided.model}.",
    )
    if what_if:
        return
    newest = session.decisions().get(decided.instance.instance_id)
    if newest is None:
        st.caption("This instance has never been evaluated: nothing is recorded yet.")
        return
    last = session.experiment(newest.experiment_id)
    st.caption(formatting.plain(last_decision(last, decided, now)))
