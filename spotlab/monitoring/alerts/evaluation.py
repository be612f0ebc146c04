"""Evaluation of all alert rules: records firing alerts, then sends the notifications that are due.

Only the leader does this; its writes are fenced.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.alert_state import update_alerts
from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports import Probe, Topic
from spotlab.errors import Fenced, SpotlabError
from spotlab.monitoring.alerts.conditions import ConditionCheck
from spotlab.monitoring.alerts.delivery import deliver, send_now
from spotlab.monitoring.alerts.rule_cache import RuleCache
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.monitoring.alerts")


def evaluate_rules(lab: Lab, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Evaluate every enabled rule, then send the notifications that are due.

    A rule sees no more than its author may see now.

    Returns:
        Counts of rules evaluated, alerts firing, and notifications sent and not accepted. `failed`
        says how many rules could not be evaluated and why; `note` says how many were skipped
        because their author lost the right. Neither names a rule, since not every user who sees
        jobs may see the rules.
    Raises:
        DatabaseDown, Fenced: nothing more was recorded.
    """
    enabled = [rule for rule in lab.store.alerts.rules() if rule.enabled]
    rules = [
        allowed for rule in enabled if (allowed := _restricted_to_author(lab, rule)) is not None
    ]
    lab.process_state(RuleCache).rules = [
        (rule, lab.store.alerts.sealed(rule.rule_id)) for rule in rules
    ]
    check, failures, firing = ConditionCheck(lab), list[str](), 0
    for rule in rules:
        if cancelled():
            break
        try:
            firing += _record(lab, check, rule)
        except Fenced:
            raise
        except SpotlabError as exc:
            failures.append(str(exc))
            log.warning("alert rule %s could not be evaluated: %s", rule.rule_id, exc)
    attempts = deliver(lab)
    if attempts.tried:
        lab.bus.publish(Topic.ALERTS)
    skipped = len(enabled) - len(rules)
    reasons = " ".join(dict.fromkeys(failures))
    return {
        "note": f"{skipped} not evaluated: the author no longer has the right." if skipped else "",
        "rules": len(rules),
        "ringing": firing,
        "sent": attempts.sent,
        "not_taken": attempts.tried - attempts.sent,
        "failed": f"{len(failures)} could not be evaluated: {reasons}" if failures else "",
    }


def _restricted_to_author(lab: Lab, rule: AlertRule) -> AlertRule | None:
    """The rule, restricted to the accounts that its author sees now; None: the right was lost.

    An author who is not a user used the command line on this machine, which is allowed everything.
    """
    found = lab.store.users.find(rule.created_by)
    if found is None:
        return rule
    if not found.user.active or Right.CHANGE_ALERTS not in RIGHTS[found.user.role]:
        return None
    user_accounts, rule_accounts = found.user.accounts, rule.condition.accounts
    if user_accounts is None:
        return rule
    visible = (
        user_accounts
        if rule_accounts is None
        else tuple(name for name in rule_accounts if name in user_accounts)
    )
    return replace(rule, condition=replace(rule.condition, accounts=visible))


def _record(lab: Lab, check: ConditionCheck, rule: AlertRule) -> int:
    """Evaluate one rule and record the result; returns the number of its firing alerts."""
    findings = check.judge(rule.condition)
    after, messages = update_alerts(rule.rung, findings, check.now, rule.condition.again_h)
    if (after != rule.rung or messages) and lab.store.alerts.record_firing(
        rule.rule_id, after, messages
    ):
        lab.bus.publish(Topic.ALERTS)
    return len(after)


def database_down(lab: Lab, probes: dict[str, Probe]) -> int:
    """Notify that the database is down, immediately and from cached rules, without the outbox.

    Only a process that has evaluated the rules before (usually the leader) has them cached. What is
    not accepted is sent again at the next check.

    Returns:
        The number of accepted notifications.
    """
    accepted = 0
    for rule, sealed in lab.process_state(RuleCache).rules:
        if rule.condition.kind.value != "state":
            continue
        findings = ConditionCheck(lab, probes).judge(rule.condition)
        before = lab.process_state(RuleCache).notified.get(rule.rule_id, rule.rung)
        after, messages = update_alerts(before, findings, lab.clock.now(), rule.condition.again_h)
        responses = [send_now(lab, rule, sealed, message) for message in messages]
        if all(response.ok for response in responses):
            lab.process_state(RuleCache).notified[rule.rule_id] = after
        accepted += sum(response.ok for response in responses)
    return accepted


def database_back(lab: Lab) -> None:
    """Record the alerts notified during an outage of the database; the next check resolves them.

    Raises:
        DatabaseDown: the outage continues.
    """
    for rule_id, rung in list(lab.process_state(RuleCache).notified.items()):
        lab.store.alerts.record_firing(rule_id, rung, [])
        lab.process_state(RuleCache).notified.pop(rule_id, None)
