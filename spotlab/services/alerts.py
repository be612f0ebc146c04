"""Alert rules and their notifications."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotlab.access.name_redaction import name_redactor
from spotlab.domain.access import Principal, Reach, Right
from spotlab.domain.alert_state import Event, Message
from spotlab.domain.alerts import AlertRule, Channel, Condition, scoped, validated
from spotlab.domain.ports import Delivery, Topic
from spotlab.errors import InvalidInput, NotFound
from spotlab.monitoring.alerts import webhook_client
from spotlab.monitoring.alerts.address_encryption import address_cipher
from spotlab.monitoring.alerts.delivery import send_now
from spotlab.services.base import Service
from spotlab.telemetry.invisible_characters import hides_something, visible

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A new rule, and the key with which its receiver checks signatures."""

    rule: AlertRule
    signing_key: str


class AlertService(Service):
    """Alert rules, firing alerts and notifications.

    A user sees a rule about instances only if they see every account that it may report on.
    """

    __slots__ = ()

    def rules(self) -> list[AlertRule]:
        """All rules by name. Raises Forbidden."""
        self.require(Right.READ)
        rules = [rule for rule in self.lab.store.alerts.rules() if sees_rule(self.principal, rule)]
        if self.sees_all():
            return rules
        hidden = name_redactor(self.lab, self.principal)
        return [
            replace(
                rule,
                rung={key: replace(r, text=hidden(r.text)) for key, r in rule.rung.items()},
            )
            for rule in rules
        ]

    def rule(self, rule_id: str) -> AlertRule:
        """One rule. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        rule = self.lab.store.alerts.rule(rule_id)
        if not sees_rule(self.principal, rule):
            raise NotFound(f"There is no alert rule {rule_id!r}.", remedy="List the rules.")
        return rule

    def add(
        self, name: str, condition: Condition, channel: Channel, address: str, reason: str = ""
    ) -> AddedRule:
        """Add a rule.

        Args:
            name: name of the rule.
            condition: when an alert fires; limited to the accounts that the user sees.
            channel: format of the messages.
            address: address of the receiver; stored encrypted, and never shown again.
            reason: for the audit log.
        Raises:
            InvalidInput: the condition, name or address is not valid.
            NotFound: the instance or account does not exist.
            Forbidden: the user may not change alerts.
        """
        self.require(Right.CHANGE_ALERTS)
        condition = self._checked(condition)
        encryption = address_cipher(self.lab.settings)
        by = self.by(reason)
        rule = AlertRule(
            rule_id=secrets.token_hex(6),
            name=_name(name),
            condition=condition,
            channel=channel,
            shown_address=webhook_client.shown(address),
            enabled=True,
            created_at=by.at,
            created_by=by.actor,
            rung={},
        )
        self.lab.store.alerts.add(rule, encryption.encrypt(address.strip()), by)
        self.lab.bus.publish(Topic.ALERTS)
        return AddedRule(rule, encryption.signing_key(rule.rule_id))

    def change(
        self,
        rule_id: str,
        *,
        name: str | None = None,
        condition: Condition | None = None,
        channel: Channel | None = None,
        address: str | None = None,
        enabled: bool | None = None,
        reason: str = "",
        expected: AlertRule | None = None,
    ) -> AlertRule:
        """Change a rule; its firing alerts are forgotten.

        The rule never reports on more accounts than before, because its receiver was chosen by a
        user who saw those.

        Args:
            rule_id: the rule.
            name, condition, channel, address, enabled: None: unchanged.
            reason: for the audit log.
            expected: the rule when the change was prepared; None: in any state.
        Raises:
            ChangedMeanwhile: the rule is not as expected.
            InvalidInput, NotFound, Forbidden: as in `add`.
        """
        now = self._changeable(rule_id)
        rule = expected = now if expected is None else expected
        sealed = None
        if address is not None:
            rule = replace(rule, shown_address=webhook_client.shown(address))
            sealed = address_cipher(self.lab.settings).encrypt(address.strip())
        condition = rule.condition if condition is None else self._checked(condition)
        accounts = self.principal.reach.within(Reach(frozenset(), rule.condition.accounts)).accounts
        changed = replace(
            rule,
            name=rule.name if name is None else _name(name),
            condition=scoped(condition, accounts),
            channel=rule.channel if channel is None else channel,
            enabled=rule.enabled if enabled is None else enabled,
            rung={},
        )
        stored = self.lab.store.alerts.change(changed, sealed, self.by(reason), expected)
        self.lab.bus.publish(Topic.ALERTS)
        return stored

    def delete(self, rule_id: str, reason: str = "") -> None:
        """Delete a rule. Raises NotFound, Forbidden."""
        self._changeable(rule_id)
        self.lab.store.alerts.delete(rule_id, self.by(reason))
        self.lab.bus.publish(Topic.ALERTS)

    def test(self, rule_id: str) -> webhook_client.WebhookResponse:
        """Send one test message now. Raises NotFound, Forbidden.

        Returns:
            The receiver's response.
        """
        rule = self._changeable(rule_id)
        now = self.lab.clock.now()
        text = f"{self.principal.name} tests the rule “{rule.name}”: {rule.condition.words}."
        message = Message(Event.TEST, "test", "a test of this receiver", text, None, now, now)
        answer = send_now(self.lab, rule, self.lab.store.alerts.sealed(rule_id), message)
        self.lab.store.audit.add(self.by(), "alert.test", rule_id, None, {"taken": answer.ok})
        return answer

    def signing_key(self, rule_id: str) -> str:
        """The key that signs a rule's messages. Raises NotFound, Forbidden."""
        self._changeable(rule_id)
        return address_cipher(self.lab.settings).signing_key(rule_id)

    def history(
        self, *, before: int | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Delivery]:
        """Notifications, sent or failed, newest first (before a number). Raises Forbidden."""
        deliveries = self.lab.store.alerts.history(
            self._visible_rules(), before=before, limit=limit, offset=offset
        )
        if self.sees_all():
            return deliveries
        hidden = name_redactor(self.lab, self.principal)
        return [
            replace(each, message={**each.message, "text": hidden(each.message["text"])})
            for each in deliveries
        ]

    def count(self) -> int:
        """Number of notifications. Raises Forbidden."""
        return self.lab.store.alerts.count(self._visible_rules())

    def _visible_rules(self) -> list[str] | None:
        """Ids of the rules that the user sees; None: all rules, including deleted ones."""
        self.require(Right.READ)
        if self.principal.accounts is None:
            return None
        return [rule.rule_id for rule in self.rules()]

    def _changeable(self, rule_id: str) -> AlertRule:
        """A rule that the user may change: they see every account that it reports on."""
        self.require(Right.CHANGE_ALERTS)
        rule = self.rule(rule_id)
        self.require_all_of(Reach(frozenset(), _reported_accounts(rule.condition)))
        return rule

    def _checked(self, condition: Condition) -> Condition:
        condition = scoped(validated(condition), self.principal.accounts)
        if not condition.about_instances:
            return condition
        if condition.instance_id:
            instance = self.lab.store.fleet.instance(condition.instance_id)
            if not self.principal.sees(instance.account):
                raise NotFound(f"Instance {condition.instance_id!r} is not in the fleet.")
            return replace(condition, account=instance.account)
        if condition.account:
            names = [each.name for each in self.lab.store.fleet.accounts()]
            if condition.account not in names or not self.principal.sees(condition.account):
                raise NotFound(
                    f"There is no account {condition.account!r}.", remedy="List the accounts."
                )
        return condition


def sees_rule(who: Principal, rule: AlertRule) -> bool:
    """Whether a user sees a rule."""
    return not rule.condition.about_instances or who.reach.sees(_reported_accounts(rule.condition))


def _reported_accounts(condition: Condition) -> tuple[str, ...] | None:
    """The accounts that a rule may report on; None: all."""
    if condition.about_instances and condition.account:
        return (condition.account,)
    return condition.accounts


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidInput(f"A rule's name has 1 to {LONGEST_NAME} characters.", field="name")
    if hides_something(name):
        raise InvalidInput(
            f"A rule's name must consist of visible characters, unlike '{visible(name)}'.",
            remedy="Remove the characters that are shown as escapes.",
            field="name",
        )
    return name
