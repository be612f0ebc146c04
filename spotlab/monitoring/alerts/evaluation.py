"""One look at every rule: what rings is noted, what is to be told goes to the outbox, and is told.

Only the leader does this; its writes carry the lease's fence.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from spotlab.domain.access import RIGHTS, Right
from spotlab.domain.alert_state import step
from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports import Probe, Topic
from spotlab.errors import Fenced, SpotlabError
from spotlab.monitoring.alerts.conditions import Look
from spotlab.monitoring.alerts.delivery import deliver, tell_now
from spotlab.monitoring.alerts.rule_cache import Alarms
from spotlab.runtime.lab import Lab

log = logging.getLogger("spotlab.monitoring.alerts")


def look(lab: Lab, cancelled: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """Look at every enabled rule, then tell what is due.

    A rule sees no more than its author may see by now.

    Returns:
        How many rules were looked at, ring, and were told; `failed` says of how many could not be,
        and why, `note` of how many the author may not watch any more. Neither names a rule, which
        is not for everybody who reads of jobs.
    Raises:
        DatabaseDown, Fenced: nothing more was noted.
    """
    enabled = [rule for rule in lab.store.alerts.rules() if rule.enabled]
    rules = [allowed for rule in enabled if (allowed := _as_its_author_may(lab, rule)) is not None]
    lab.process_state(Alarms).rules = [
        (rule, lab.store.alerts.sealed(rule.rule_id)) for rule in rules
    ]
    seeing, why, ringing = Look(lab), list[str](), 0
    for rule in rules:
        if cancelled():
            break
        try:
            ringing += _note(lab, seeing, rule)
        except Fenced:
            raise
        except SpotlabError as exc:
            why.append(str(exc))
            log.warning("alert rule %s could not be looked at: %s", rule.rule_id, exc)
    told = deliver(lab)
    if told.tried:
        lab.bus.publish(Topic.ALERTS)
    silent = len(enabled) - len(rules)
    reasons = " ".join(dict.fromkeys(why))
    return {
        "note": f"{silent} not watched: who made it may not any more." if silent else "",
        "rules": len(rules),
        "ringing": ringing,
        "sent": told.sent,
        "not_taken": told.tried - told.sent,
        "failed": f"{len(why)} could not be looked at: {reasons}" if why else "",
    }


def _as_its_author_may(lab: Lab, rule: AlertRule) -> AlertRule | None:
    """The rule, narrowed to the accounts that its author sees now; None: they may not watch.

    An author who is no user ran a command on the machine, where everything may be done.
    """
    found = lab.store.users.find(rule.created_by)
    if found is None:
        return rule
    if not found.user.active or Right.CHANGE_ALERTS not in RIGHTS[found.user.role]:
        return None
    now, then = found.user.accounts, rule.condition.accounts
    if now is None:
        return rule
    seen = now if then is None else tuple(name for name in then if name in now)
    return replace(rule, condition=replace(rule.condition, accounts=seen))


def _note(lab: Lab, seeing: Look, rule: AlertRule) -> int:
    """Note what one rule finds; how much of it rings."""
    found = seeing.judge(rule.condition)
    after, messages = step(rule.rung, found, seeing.now, rule.condition.again_h)
    if (after != rule.rung or messages) and lab.store.alerts.keep(rule.rule_id, after, messages):
        lab.bus.publish(Topic.ALERTS)
    return len(after)


def database_down(lab: Lab, probes: dict[str, Probe]) -> int:
    """Tell that the database is down, which no outbox can: at once, from what is remembered.

    Only a process that looked at the rules before (the leader, usually) remembers any. What is not
    taken is tried again at the next look.

    Returns:
        How many messages were taken.
    """
    taken = 0
    for rule, sealed in lab.process_state(Alarms).rules:
        if rule.condition.kind.value != "state":
            continue
        found = Look(lab, probes).judge(rule.condition)
        before = lab.process_state(Alarms).told.get(rule.rule_id, rule.rung)
        after, messages = step(before, found, lab.clock.now(), rule.condition.again_h)
        answers = [tell_now(lab, rule, sealed, message) for message in messages]
        if all(answer.ok for answer in answers):
            lab.process_state(Alarms).told[rule.rule_id] = after
        taken += sum(answer.ok for answer in answers)
    return taken


def database_back(lab: Lab) -> None:
    """Write down what was told while the database was down; the next look says that it ended.

    Raises:
        DatabaseDown: it is not back yet.
    """
    for rule_id, rung in list(lab.process_state(Alarms).told.items()):
        lab.store.alerts.keep(rule_id, rung, [])
        lab.process_state(Alarms).told.pop(rule_id, None)
