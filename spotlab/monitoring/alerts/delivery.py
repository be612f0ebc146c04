"""Delivery of the notifications in the outbox, with retries.

Delivery is at least once. An attempt is recorded before it is made, so a replaced leader makes
none; a leader that dies between sending and recording the result causes a second delivery. Each
notification has an id.
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
from spotlab.monitoring.alerts.address_encryption import address_cipher
from spotlab.monitoring.alerts.webhook_client import WebhookResponse
from spotlab.monitoring.health.concurrent_probes import ConcurrentCalls
from spotlab.runtime.lab import Lab
from spotlab.telemetry import metrics

log = logging.getLogger("spotlab.monitoring.alerts")

FIRST_WAIT_S: Final = 30.0
MAX_ATTEMPTS: Final = 8
"""With waits of 30 s, 1, 2, 4, 8, 16 and 32 min between them: about an hour in total."""
MAX_DELIVERIES: Final = 200
MAX_PER_RULE: Final = 20
LIMIT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Attempts:
    """Number of delivery attempts, and of those that the receivers accepted."""

    tried: int
    sent: int


def wait_after(attempts: int) -> timedelta | None:
    """The wait after a number of attempts; None: that was the last one.

    >>> [wait_after(n).seconds for n in (1, 2, 3)]
    [30, 60, 120]
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    return timedelta(seconds=FIRST_WAIT_S * 2 ** (attempts - 1))


def deliver(lab: Lab) -> Attempts:
    """Send what is due, the rules in parallel, so that a dead receiver delays only its own rule.

    Raises:
        DatabaseDown: notifications sent until then may be sent again.
    """
    due: dict[str, list[Delivery]] = {}
    for each in lab.store.alerts.due(lab.clock.now(), MAX_DELIVERIES):
        due.setdefault(each.rule_id, []).append(each)
    calls: ConcurrentCalls[Attempts] = ConcurrentCalls(LIMIT_S)
    results = calls.ask({rule: partial(_deliver_rule, lab, rule, due[rule]) for rule in due})
    for rule_id, result in results.items():
        if isinstance(result, Fenced):
            raise result
        if isinstance(result, Exception):
            log.error("the delivery for rule %s failed: %s", rule_id, result)
    done = [result for result in results.values() if isinstance(result, Attempts)]
    return Attempts(sum(each.tried for each in done), sum(each.sent for each in done))


def _deliver_rule(lab: Lab, rule_id: str, waiting: Sequence[Delivery]) -> Attempts:
    """Deliver one rule's notifications, oldest first; after a failure, the others wait."""
    rule, sealed = lab.store.alerts.rule(rule_id), lab.store.alerts.sealed(rule_id)
    tried = sent = 0
    for each in waiting[:MAX_PER_RULE]:
        now = lab.clock.now()
        wait = wait_after(each.attempts + 1)
        next_try_at = now + (wait or timedelta(seconds=FIRST_WAIT_S))
        if not lab.store.alerts.claim(each, next_try_at):
            continue
        tried += 1
        response = _send(lab, rule, sealed, each.alert_id, each.message)
        final = not response.ok and (response.final or wait is None)
        lab.store.alerts.settle(
            each.alert_id, now if response.ok else None, response.words, final=final
        )
        outcome = "sent" if response.ok else "given up" if final else "tried"
        metrics.ALERTS.labels(channel=str(rule.channel), outcome=outcome).inc()
        if not response.ok:
            log.warning(
                "notification %d of rule %s was not accepted: %s",
                each.alert_id,
                rule_id,
                response.words,
            )
            if not response.final:
                break
        sent += response.ok
    return Attempts(tried, sent)


def send_now(lab: Lab, rule: AlertRule, sealed: str, message: Message) -> WebhookResponse:
    """Send one notification immediately, without the outbox."""
    return _send(lab, rule, sealed, 0, payload_of(rule, message))


def payload_of(rule: AlertRule, message: Message) -> Mapping[str, Any]:
    """A notification as JSON values, with its rule."""
    about = {"id": rule.rule_id, "name": rule.name, "kind": rule.condition.kind.value}
    return {"rule": about, **msgspec.to_builtins(message)}


def _send(
    lab: Lab, rule: AlertRule, sealed: str, alert_id: int, message: Mapping[str, Any]
) -> WebhookResponse:
    try:
        cipher = address_cipher(lab.settings)
        address, key = cipher.decrypt(sealed), cipher.signing_key(rule.rule_id)
    except SpotlabError as exc:
        return WebhookResponse(False, False, str(exc))
    base = lab.settings.public_url.rstrip("/")
    body = payloads.body(rule.channel, alert_id, message, f"{base}/alerts" if base else "")
    at_s, networks = int(lab.clock.now().timestamp()), lab.settings.receiver_networks
    return webhook_client.post(address, body, key, at_s, networks=networks)
