"""Evaluation of alert rules' conditions.

The data for one check is read once for all rules. An unknown value neither fires nor resolves an
alert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from spotlab.access.name_redaction import name_redactor
from spotlab.domain.access import Principal, Role
from spotlab.domain.alert_state import Finding
from spotlab.domain.alerts import AlertKind, Condition, Feed
from spotlab.domain.components import (
    ADVISOR_SCRAPER,
    COMPONENTS,
    INSTANCE_MANAGER,
    PRICE_SCRAPER,
    UNKNOWN,
)
from spotlab.domain.decision import Instance
from spotlab.domain.ports import ExperimentSummary, Probe
from spotlab.domain.uptime import MAX_HOLD
from spotlab.errors import DatabaseDown, NoMarketData
from spotlab.monitoring.alerts.price_conditions import judge_prices
from spotlab.monitoring.alerts.rule_cache import RuleCache
from spotlab.monitoring.health.success_rates import WorkSummary, read_work, summarise
from spotlab.runtime.lab import Lab
from spotlab.runtime.outcomes import drift_report

MAX_RISK_AGE: Final = timedelta(hours=2)
"""An older risk counts as unknown."""
MAX_WEIGHTS_AGE: Final = timedelta(days=1)
"""What was learnt earlier about forecasts says nothing about those of now."""
_FEED_PARTS: Final = {
    Feed.ADVISOR: (ADVISOR_SCRAPER,),
    Feed.PRICES: (PRICE_SCRAPER,),
    Feed.MARKET: (ADVISOR_SCRAPER, PRICE_SCRAPER),
    Feed.FLEET: (INSTANCE_MANAGER,),
}


@dataclass
class ConditionCheck:
    """One check of everything that rules refer to.

    Args:
        lab: the lab to read.
        states: probes by component if already known, as in an outage of the database.
    """

    lab: Lab
    states: Mapping[str, Probe] | None = None
    _success_rates: dict[float, Mapping[str, WorkSummary]] = field(default_factory=dict)

    @cached_property
    def now(self) -> datetime:
        """The time of the check, aware UTC."""
        return self.lab.clock.now()

    @cached_property
    def probes(self) -> Mapping[str, Probe]:
        """The newest probe of each component, at most MAX_HOLD old."""
        return self.states or self.lab.store.probes.newest(self.now - MAX_HOLD)

    @cached_property
    def fleet(self) -> list[Instance]:
        """The managed instances."""
        return self.lab.store.fleet.instances()

    @cached_property
    def latest_decisions(self) -> Mapping[str, ExperimentSummary]:
        """The newest decision for each instance."""
        return self.lab.store.ledger.latest_per_instance()

    def success_rates(self, window_min: float) -> Mapping[str, WorkSummary]:
        """How often each component succeeded in the last minutes."""
        if window_min not in self._success_rates:
            since = self.now - timedelta(minutes=window_min)
            probes = self.lab.store.probes.since(since)
            self._success_rates[window_min] = summarise(
                read_work(self.lab, since), probes, self.lab.store.request_stats.since(since)
            )
        return self._success_rates[window_min]

    def instances_of(self, condition: Condition) -> list[Instance]:
        """The instances that a condition refers to and its author sees."""
        return [
            each
            for each in self.fleet
            if condition.instance_id in ("", each.instance_id)
            and condition.account in ("", each.account)
            and (condition.accounts is None or each.account in condition.accounts)
        ]

    def redactor(self, condition: Condition) -> Callable[[str], str]:
        """Removes the names of accounts that the rule's author does not see from a text."""
        if condition.accounts is None:
            return str
        try:
            return name_redactor(self.lab, Principal("", Role.DEMO, condition.accounts))
        except DatabaseDown:
            return lambda _: "The reason is withheld, because the accounts cannot be read."

    def judge(self, condition: Condition) -> list[Finding]:
        """The findings of a condition, one per subject. Raises what the lab raises."""
        return _JUDGES[condition.kind](self, condition)


def _state(check: ConditionCheck, condition: Condition) -> list[Finding]:
    found, redact = [], check.redactor(condition)
    for name in (condition.component,) if condition.component else COMPONENTS:
        probe = check.probes.get(name)
        state = probe.state if probe else UNKNOWN
        reason = redact(probe.reason) if probe else "It has not been probed recently."
        ringing: bool | None = state in condition.states
        if state == UNKNOWN and not ringing:
            ringing = None
        found.append(Finding(f"part:{name}", f"{name} is {state}", ringing, reason, level=state))
    return found


def _staleness(check: ConditionCheck, condition: Condition) -> list[Finding]:
    feed, limit = Feed(condition.feed), condition.threshold or 0.0
    last = [check.lab.store.health.last(part, ok=True) for part in _FEED_PARTS[feed]]
    ages = [(check.now - each.checked_at).total_seconds() / 60 for each in last if each]
    key, subject = f"feed:{feed}", f"{feed} data"
    if not ages:
        return [Finding(key, subject, None, "It has never been read.")]
    age_min = min(ages)
    text = f"Last read {age_min:.0f} min ago; the limit is {limit:g} min."
    word = "is stale" if age_min > limit else "is fresh"
    return [Finding(key, f"{subject} {word}", age_min > limit, text, age_min)]


def _failures(check: ConditionCheck, condition: Condition) -> list[Finding]:
    limit = condition.threshold or 0.0
    done = check.success_rates(condition.window_min)
    found = []
    for name in (condition.component,) if condition.component else COMPONENTS:
        rate = done[name].rate
        share = rate.failure
        enough = share is not None and rate.total >= condition.least
        text = (
            f"{rate.failed} of {rate.total} failed in {condition.window_min:g} min; the limit is "
            f"{limit:.0%}."
        )
        ringing = share > limit if share is not None and enough else None
        word = "fails often" if ringing else "succeeds"
        found.append(Finding(f"part:{name}", f"{name} {word}", ringing, text, share))
    return found


def _drift(check: ConditionCheck, _condition: Condition) -> list[Finding]:
    try:
        market, champion = check.lab.reader.active(), check.lab.model()
    except NoMarketData as exc:
        return [Finding("drift", "Drift", None, exc.message)]
    model = f"{champion.name}@{champion.version}"
    at = check.lab.store.drift.last_at(market, model)
    return [
        check.lab.process_state(RuleCache).cached(
            "drift", (market, model, at), lambda: _drifted(check.lab)
        )
    ]


def _drifted(lab: Lab) -> Finding:
    report = drift_report(lab)
    ringing = report.alarm if report.moved else None
    word = "has drifted" if report.alarm else "is stable"
    return Finding("drift", f"The {report.market} market {word}", ringing, report.words)


def _behind(check: ConditionCheck, _condition: Condition) -> list[Finding]:
    subject = "Capacity forecasts"
    try:
        found = check.lab.store.online_weights.read(check.lab.reader.active())
    except NoMarketData as exc:
        return [Finding("behind", subject, None, exc.message)]
    if found is None:
        return [Finding("behind", subject, None, "No live forecast of capacity has been judged.")]
    if check.now - found.at > MAX_WEIGHTS_AGE:
        text = f"Weights were last learnt at {found.at:%Y-%m-%d %H:%M} UTC."
        return [Finding("behind", subject, None, text)]
    lag = found.lag
    word = (
        f"is behind a simple rule ({lag.rule.replace('_', ' ')})"
        if lag.behind
        else "is not behind a simple rule"
    )
    least = lag.least if lag.behind else None
    return [Finding("behind", f"{found.model} {word}", lag.behind, lag.words(found.model), least)]


def _risk(check: ConditionCheck, condition: Condition) -> list[Finding]:
    return [
        _risk_of(instance, check.latest_decisions.get(instance.instance_id), condition, check.now)
        for instance in check.instances_of(condition)
    ]


def _risk_of(
    instance: Instance, last: ExperimentSummary | None, condition: Condition, now: datetime
) -> Finding:
    name, limit = instance.name or instance.instance_id, condition.threshold or 0.0
    key = f"instance:{instance.instance_id}"
    if last is None or last.risk is None or now - last.created_at > MAX_RISK_AGE:
        return Finding(key, f"{name}: risk unknown", None, "No risk was computed recently.")
    if last.current_pool != instance.pool.key:
        text = "It was switched to another pool and has not been evaluated there."
        return Finding(key, f"{name}: risk unknown", None, text)
    # Converts the risk to another horizon, assuming a constant hazard.
    risk = 1 - (1 - last.risk) ** (condition.horizon_h / last.horizon_h)
    text = (
        f"{name} ({instance.instance_id}, {instance.pool.label}): risk {risk:.2%} within "
        f"{condition.horizon_h:g} h by {last.model}, decided "
        f"{(now - last.created_at).total_seconds() / 60:.0f} min ago; the limit is {limit:.2%}."
    )
    word = "is over the limit" if risk > limit else "is under the limit"
    return Finding(key, f"{name}: risk {word}", risk > limit, text, risk)


def _price(check: ConditionCheck, condition: Condition) -> list[Finding]:
    instances = [] if condition.pool else check.instances_of(condition)
    try:
        return judge_prices(check.lab, condition, instances)
    except NoMarketData as exc:
        pools = [f"pool:{condition.pool}"] if condition.pool else []
        keys = [*pools, *(f"instance:{each.instance_id}" for each in instances)]
        return [Finding(key, "Price unknown", None, exc.message) for key in keys]


_JUDGES: Final[dict[AlertKind, Callable[[ConditionCheck, Condition], list[Finding]]]] = {
    AlertKind.STATE: _state,
    AlertKind.STALENESS: _staleness,
    AlertKind.FAILURES: _failures,
    AlertKind.DRIFT: _drift,
    AlertKind.BEHIND: _behind,
    AlertKind.RISK: _risk,
    AlertKind.PRICE: _price,
}
