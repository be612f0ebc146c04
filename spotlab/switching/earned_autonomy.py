"""Figures of earned autonomy, from outcomes, shadow decisions and finished switches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.interruptions import INTERRUPTS, InterruptionEvent
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import ShadowDecision
from spotlab.domain.outcomes import Target as Predicted
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.domain.switch_autonomy import AutonomyFigures
from spotlab.domain.switch_filter import SwitchFilter
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import NotFound
from spotlab.pipeline.past_market import PastMarket
from spotlab.runtime.lab import Lab

LOOK_BACK: Final = timedelta(days=90)
LATER: Final = timedelta(hours=24)
"""When the prices are compared again."""
MAX_DECISIONS: Final = 400
"""Decisions of an account that are looked at, the newest; each needs past prices."""
_MAX_ROWS: Final = 100_000


class Judgement(StrEnum):
    """Whether a decision was good; see `switch_autonomy.GOOD_MEANS`."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Move:
    """A decision to switch that was not carried out.

    Args:
        experiment_id: of the decision, or of the one beside which a policy in shadow decided.
        policy: "name@version".
        instance_id: of the instance.
        market: whose prices count.
        at: aware UTC.
        horizon_h: of the risk.
        current_pool, chosen_pool: keys.
        saving_usd_per_hour: expected.
    """

    experiment_id: int
    policy: str
    instance_id: str
    market: MarketName
    at: datetime
    horizon_h: float
    current_pool: str
    chosen_pool: str
    saving_usd_per_hour: float


@dataclass(slots=True)
class _Memory:
    """Judgements that cannot change any more, and workloads of decisions, in this process."""

    judged: dict[tuple[int, str], Judgement] = field(default_factory=dict)
    workloads: dict[int, str] = field(default_factory=dict)


def figures(lab: Lab, account: str) -> Sequence[AutonomyFigures]:
    """The figures of every policy and workload of an account that have decisions, and of the
    active policy for every workload of its instances.

    Args:
        lab: its store.
        account: name of the account.
    Returns:
        By policy and workload.
    """
    memory = lab.process_state(_Memory)
    counts: defaultdict[tuple[str, str], Counter[Judgement]] = defaultdict(Counter)
    moves = _moves(lab, account)
    for move, judged in zip(moves, _judge_all(lab, moves, memory), strict=True):
        counts[move.policy, _workload_of(lab, move, memory)][judged] += 1
    where = SwitchFilter(accounts=(account,), dry_run=False)
    for switch in lab.store.switches.list(where, limit=_MAX_ROWS):
        if switch.policy_version and (judgement := judge_switch(switch)) is not None:
            workload = switch.workload_version.partition("@")[0]
            counts[switch.policy_version, workload][judgement] += 1
    active = lab.store.policies.active().reference
    for instance in lab.store.fleet.instances():
        if instance.account == account:
            counts[active, lab.workload_of(instance).workload.name]  # also without decisions
    wanted = lab.store.switch_guards.installation()
    return [
        AutonomyFigures(
            account,
            policy,
            workload,
            good=count[Judgement.GOOD],
            bad=count[Judgement.BAD],
            unknown=count[Judgement.UNKNOWN],
            pending=count[Judgement.PENDING],
            wanted_decisions=wanted.autonomy_decisions,
            wanted_share=wanted.autonomy_share,
        )
        for (policy, workload), count in sorted(counts.items())
    ]


def figures_of(lab: Lab, account: str, policy: str, workload: str) -> AutonomyFigures:
    """The figures of one policy and workload.

    Args:
        lab: its store.
        account: name of the account.
        policy: "name@version".
        workload: name of the workload.
    """
    for each in figures(lab, account):
        if (each.policy, each.workload) == (policy, workload):
            return each
    wanted = lab.store.switch_guards.installation()
    return AutonomyFigures(
        account, policy, workload, 0, 0, 0, 0, wanted.autonomy_decisions, wanted.autonomy_share
    )


def judge_switch(switch: Switch) -> Judgement | None:
    """Whether a switch that was carried out was good; None: it does not count.

    One that was not carried out does not count, and neither does a fallback to on-demand.
    """
    if switch.state is SwitchState.NEEDS_ATTENTION:
        return Judgement.BAD
    fallback = switch.requested.lifecycle is Lifecycle.ON_DEMAND
    if switch.state is not SwitchState.DONE or fallback:
        return None
    if switch.realised is None:
        return Judgement.PENDING
    return Judgement.GOOD if switch.realised.saving_usd >= 0.0 else Judgement.BAD


def _moves(lab: Lab, account: str) -> list[Move]:
    """Decisions to switch that were not carried out, the first of each day, newest first."""
    since = lab.clock.now() - LOOK_BACK
    ledger = lab.store.ledger
    own = ledger.list(
        ExperimentFilter(
            accounts=(account,), decision=Decision.SWITCH, shadow=True, failed=False, since=since
        ),
        limit=_MAX_ROWS,
    )
    moves = [move for each in own if (move := _own_move(each)) is not None]
    shadows = [
        each
        for each in lab.store.shadow_decisions.list(
            policies=True, since=since, accounts=[account], limit=_MAX_ROWS
        )
        if each.decision is Decision.SWITCH
    ]
    beside = {each.experiment_id: each for each in _summaries(lab, shadows)}
    moves += [
        move
        for each in shadows
        if (move := _shadow_move(each, beside.get(each.experiment_id))) is not None
    ]
    first: dict[tuple[str, str, date], Move] = {}
    for move in sorted(moves, key=lambda each: each.at):
        first.setdefault((move.policy, move.instance_id, move.at.date()), move)
    return sorted(first.values(), key=lambda each: each.at, reverse=True)[:MAX_DECISIONS]


def _summaries(lab: Lab, shadows: Sequence[ShadowDecision]) -> Iterator[ExperimentSummary]:
    ids = sorted({each.experiment_id for each in shadows})
    for start in range(0, len(ids), 500):
        yield from lab.store.ledger.of(ids[start : start + 500])


def _own_move(each: ExperimentSummary) -> Move | None:
    if each.chosen_pool is None or each.saving_usd_per_hour is None:
        return None
    return Move(
        each.experiment_id,
        each.policy_version,
        each.instance_id,
        each.market,
        each.created_at,
        each.horizon_h,
        each.current_pool,
        each.chosen_pool,
        each.saving_usd_per_hour,
    )


def _shadow_move(each: ShadowDecision, beside: ExperimentSummary | None) -> Move | None:
    saving = each.saving_usd_per_hour
    if beside is None or each.chosen_pool is None or saving is None:
        return None
    return Move(
        each.experiment_id,
        each.policy,
        each.instance_id,
        beside.market,
        each.created_at,
        each.horizon_h,
        beside.current_pool,
        each.chosen_pool,
        saving,
    )


def _judge_all(lab: Lab, moves: Sequence[Move], memory: _Memory) -> list[Judgement]:
    interrupted: dict[int, float | None] = {}
    ids = sorted({move.experiment_id for move in moves})
    for start in range(0, len(ids), 500):
        for outcome in lab.store.outcomes.of(ids[start : start + 500]):
            if outcome.target is Predicted.INTERRUPTION:
                interrupted[outcome.experiment_id] = outcome.realised
    events: defaultdict[str, list[InterruptionEvent]] = defaultdict(list)
    for event in lab.store.interruptions.events(since=lab.clock.now() - LOOK_BACK):
        if event.kind in INTERRUPTS:
            events[event.pool.key].append(event)
    past = PastMarket(lab.store.archive)
    found: list[Judgement] = []
    for move in moves:
        key = (move.experiment_id, move.policy)
        if key not in memory.judged:
            was_interrupted = interrupted.get(move.experiment_id) == 1.0
            there = events.get(move.chosen_pool, [])
            judged = judge(move, was_interrupted, there, past, lab.clock.now())
            if judged is Judgement.PENDING:
                found.append(judged)
                continue
            memory.judged[key] = judged
        found.append(memory.judged[key])
    return found


def judge(
    move: Move,
    was_interrupted: bool,
    interruptions_there: Sequence[InterruptionEvent],
    past: PastMarket,
    now: datetime,
) -> Judgement:
    """Whether a decision to switch was good; see `switch_autonomy.GOOD_MEANS`.

    Args:
        move: the decision.
        was_interrupted: the instance, on its pool, within the horizon.
        interruptions_there: of own instances on the chosen pool.
        past: past prices.
        now: aware UTC.
    """
    ends = move.at + timedelta(hours=move.horizon_h)
    if was_interrupted:
        return Judgement.GOOD
    if now < max(ends, move.at + LATER):
        return Judgement.PENDING
    if any(move.at < each.at <= ends for each in interruptions_there):
        return Judgement.BAD
    saving = move.saving_usd_per_hour
    for pool, sign in ((move.current_pool, 1.0), (move.chosen_pool, -1.0)):
        before, why_before = past.price(move.market, pool, move.at, now)
        after, why_after = past.price(move.market, pool, move.at + LATER, now)
        if before is None or after is None:
            final = (before is not None or why_before) and (after is not None or why_after)
            return Judgement.UNKNOWN if final else Judgement.PENDING
        saving += sign * (after - before)
    return Judgement.GOOD if saving >= 0.0 else Judgement.BAD


def _workload_of(lab: Lab, move: Move, memory: _Memory) -> str:
    """Name of the workload at the decision."""
    if move.experiment_id not in memory.workloads:
        try:
            experiment = lab.store.ledger.get(move.experiment_id)
        except NotFound:  # deleted by retention just now
            return ""
        memory.workloads[move.experiment_id] = experiment.workload.workload.name
    return memory.workloads[move.experiment_id]
