"""Tells what waits in the outbox, again and again until it is taken or hopeless.

At least once: an attempt is counted before it is made, so a leader that was replaced makes none,
and one that died between sending and writing that down sends again. Messages carry an id.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec

from spotlab.domain.alert_state import Message
from spotlab.domain.alerts import AlertRule
from spotlab.domain.ports import Delivery
from spotlab.errors import Fenced, SpotlabError
from spotlab.monitoring.alerts import payloads, webhook_client
from spotlab.monitoring.alerts.address_encryption import sealer
from spotlab.monitoring.alerts.webhook_client import Answer
from spotlab.monitoring.health.concurrent_probes import SideBySide
from spotlab.runtime.lab import Lab
from spotlab.telemetry import metrics

log = logging.getLogger("spotlab.monitoring.alerts")

FIRST_WAIT_S: Final = 30.0
MOST_ATTEMPTS: Final = 8
"""Waits of 30 s, 1, 2, 4, 8, 16 and 32 min between them: an hour in all."""
AT_ONCE: Final = 200
MOST_A_RULE: Final = 20
LIMIT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Told:
    """How many attempts were made, and how many were taken."""

    tried: int
    sent: int


def wait_after(attempts: int) -> timedelta | None:
    """How long to wait after so many attempts; None: that was the last.

    >>> [wait_after(n).seconds for n in (1, 2, 3)]
    [30, 60, 120]
    """
    if attempts >= MOST_ATTEMPTS:
        return None
    return timedelta(seconds=FIRST_WAIT_S * 2 ** (attempts - 1))


def deliver(lab: Lab) -> Told:
    """Try what is due: rules side by side, so that a dead receiver delays its own rule alone.

    Raises:
        DatabaseDown: what was sent until then may be sent again.
    """
    due: dict[str, list[Delivery]] = {}
    for each in lab.store.alerts.due(lab.clock.now(), AT_ONCE):
        due.setdefault(each.rule_id, []).append(each)
    asking: SideBySide[Told] = SideBySide(LIMIT_S)
    answers = asking.ask({rule: partial(_tell_some, lab, rule, due[rule]) for rule in due})
    for rule_id, answer in answers.items():
        if isinstance(answer, Fenced):
            raise answer
        if isinstance(answer, Exception):
            log.error("telling of rule %s failed: %s", rule_id, answer)
    done = [answer for answer in answers.values() if isinstance(answer, Told)]
    return Told(sum(each.tried for each in done), sum(each.sent for each in done))


def _tell_some(lab: Lab, rule_id: str, waiting: Sequence[Delivery]) -> Told:
    """One rule's, oldest first; after one that is not taken, the others wait for the next time."""
    rule, sealed = lab.store.alerts.rule(rule_id), lab.store.alerts.sealed(rule_id)
    tried = sent = 0
    for each in waiting[:MOST_A_RULE]:
        now = lab.clock.now()
        wait = wait_after(each.attempts + 1)
        again = now + (wait or timedelta(seconds=FIRST_WAIT_S))
        if not lab.store.alerts.claim(each, again):
            continue
        tried += 1
        answer = _send(lab, rule, sealed, each.alert_id, each.message)
        final = not answer.ok and (answer.final or wait is None)
        lab.store.alerts.settle(
            each.alert_id, now if answer.ok else None, answer.words, final=final
        )
        outcome = "sent" if answer.ok else "given up" if final else "tried"
        metrics.ALERTS.labels(channel=str(rule.channel), outcome=outcome).inc()
        if not answer.ok:
            log.warning(
                "alert %d of rule %s was not taken: %s", each.alert_id, rule_id, answer.words
            )
            if not answer.final:
                break
        sent += answer.ok
    return Told(tried, sent)


def tell_now(lab: Lab, rule: AlertRule, sealed: str, message: Message) -> Answer:
    """Send one message at once, past the outbox."""
    return _send(lab, rule, sealed, 0, told(rule, message))


def told(rule: AlertRule, message: Message) -> Mapping[str, Any]:
    """A message as JSON values, with its rule."""
    about = {"id": rule.rule_id, "name": rule.name, "kind": rule.condition.kind.value}
    return {"rule": about, **msgspec.to_builtins(message)}


def _send(
    lab: Lab, rule: AlertRule, sealed: str, alert_id: int, message: Mapping[str, Any]
) -> Answer:
    try:
        keeper = sealer(lab.settings)
        address, key = keeper.open(sealed), keeper.signing_key(rule.rule_id)
    except SpotlabError as exc:
        return Answer(False, False, str(exc))
    base = lab.settings.public_url.rstrip("/")
    body = payloads.body(rule.channel, alert_id, message, f"{base}/alerts" if base else "")
    at_s, networks = int(lab.clock.now().timestamp()), lab.settings.receiver_networks
    return webhook_client.post(address, body, key, at_s, networks=networks)
