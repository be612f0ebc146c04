"""Alert rules: everybody who reads sees them, some may change them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spotlab.access.name_redaction import foreign
from spotlab.domain.access import Principal, Reach, Right
from spotlab.domain.alert_state import Event, Message
from spotlab.domain.alerts import AlertRule, Channel, Condition, checked, scoped
from spotlab.domain.ports import Delivery, Topic
from spotlab.errors import InvalidInput, NotFound
from spotlab.monitoring.alerts import webhook_client
from spotlab.monitoring.alerts.address_encryption import sealer
from spotlab.monitoring.alerts.delivery import tell_now
from spotlab.services.base import DeskPart
from spotlab.telemetry.text import hides_something, visible

LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class AddedRule:
    """A new rule, and what its receiver checks signatures with."""

    rule: AlertRule
    signing_key: str


class AlertsDesk(DeskPart):
    """Rules, what rings, and what was told.

    A rule about instances is there for those alone who see every account that it tells of.
    """

    __slots__ = ()

    def rules(self) -> list[AlertRule]:
        """By name. Raises Forbidden."""
        self.require(Right.READ)
        found = [rule for rule in self.lab.store.alerts.rules() if sees(self.who, rule)]
        if self.sees_all():
            return found
        hidden = foreign(self.lab, self.who)
        return [
            replace(
                rule,
                rung={key: replace(r, text=hidden(r.text)) for key, r in rule.rung.items()},
            )
            for rule in found
        ]

    def rule(self, rule_id: str) -> AlertRule:
        """One of them. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        rule = self.lab.store.alerts.rule(rule_id)
        if not sees(self.who, rule):
            raise NotFound(
                f"There is no alert rule {rule_id!r}.", remedy="List the rules there are."
            )
        return rule

    def add(
        self, name: str, condition: Condition, channel: Channel, address: str, reason: str = ""
    ) -> AddedRule:
        """Watch something from now on.

        Args:
            name: a person's.
            condition: when it rings; it tells of the author's accounts alone.
            channel: shape of what is sent.
            address: of the receiver; kept sealed, and never shown again.
            reason: for the audit log.
        Raises:
            InvalidInput, NotFound: it makes no sense, or its subject is not there.
            Forbidden: they may not change alerts.
        """
        self.require(Right.CHANGE_ALERTS)
        whole = self._checked(condition)
        keeper = sealer(self.lab.settings)
        by = self.by(reason)
        rule = AlertRule(
            rule_id=secrets.token_hex(6),
            name=_name(name),
            condition=whole,
            channel=channel,
            shown_address=webhook_client.shown(address),
            enabled=True,
            created_at=by.at,
            created_by=by.actor,
            rung={},
        )
        self.lab.store.alerts.add(rule, keeper.seal(address.strip()), by)
        self.lab.bus.publish(Topic.ALERTS)
        return AddedRule(rule, keeper.signing_key(rule.rule_id))

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
        """Change what is given; what rang starts anew. It tells of no more accounts than before:
        its receiver was named by somebody who saw those.

        Args:
            rule_id: which.
            name, condition, channel, address, enabled: None: as it is.
            reason: for the audit log.
            expected: as it was when the change was thought of; None: as it is now.
        Raises:
            ChangedMeanwhile: it is not as expected.
            InvalidInput, NotFound, Forbidden: as in `add`.
        """
        now = self._mine(rule_id)
        rule = expected = now if expected is None else expected
        sealed = None
        if address is not None:
            rule = replace(rule, shown_address=webhook_client.shown(address))
            sealed = sealer(self.lab.settings).seal(address.strip())
        whole = rule.condition if condition is None else self._checked(condition)
        told = self.who.reach.within(Reach(frozenset(), rule.condition.accounts)).accounts
        changed = replace(
            rule,
            name=rule.name if name is None else _name(name),
            condition=scoped(whole, told),
            channel=rule.channel if channel is None else channel,
            enabled=rule.enabled if enabled is None else enabled,
            rung={},
        )
        kept = self.lab.store.alerts.change(changed, sealed, self.by(reason), expected)
        self.lab.bus.publish(Topic.ALERTS)
        return kept

    def delete(self, rule_id: str, reason: str = "") -> None:
        """Watch it no longer. Raises NotFound, Forbidden."""
        self._mine(rule_id)
        self.lab.store.alerts.delete(rule_id, self.by(reason))
        self.lab.bus.publish(Topic.ALERTS)

    def test(self, rule_id: str) -> webhook_client.Answer:
        """Send a test message now, once. Raises NotFound, Forbidden.

        Returns:
            What the receiver answered.
        """
        rule = self._mine(rule_id)
        now = self.lab.clock.now()
        text = f"{self.who.name} tests the rule “{rule.name}”: {rule.condition.words}."
        message = Message(Event.TEST, "test", "a test of this receiver", text, None, now, now)
        answer = tell_now(self.lab, rule, self.lab.store.alerts.sealed(rule_id), message)
        self.lab.store.audit.add(self.by(), "alert.test", rule_id, None, {"taken": answer.ok})
        return answer

    def signing_key(self, rule_id: str) -> str:
        """What a rule's messages are signed with. Raises NotFound, Forbidden."""
        self._mine(rule_id)
        return sealer(self.lab.settings).signing_key(rule_id)

    def history(
        self, *, before: int | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Delivery]:
        """What was told or could not be, newest first (before a number). Raises Forbidden."""
        found = self.lab.store.alerts.history(
            self._shown(), before=before, limit=limit, offset=offset
        )
        if self.sees_all():
            return found
        hidden = foreign(self.lab, self.who)
        return [
            replace(each, message={**each.message, "text": hidden(each.message["text"])})
            for each in found
        ]

    def count(self) -> int:
        """How many there are. Raises Forbidden."""
        return self.lab.store.alerts.count(self._shown())

    def _shown(self) -> list[str] | None:
        """Ids of the rules that somebody sees; None: of every rule there ever was."""
        self.require(Right.READ)
        if self.who.accounts is None:
            return None
        return [rule.rule_id for rule in self.rules()]

    def _mine(self, rule_id: str) -> AlertRule:
        """One that they may change: they see every account that its receiver is told of."""
        self.require(Right.CHANGE_ALERTS)
        rule = self.rule(rule_id)
        self.require_all_of(Reach(frozenset(), _told(rule.condition)))
        return rule

    def _checked(self, condition: Condition) -> Condition:
        whole = scoped(checked(condition), self.who.accounts)
        if not whole.about_instances:
            return whole
        if whole.instance_id:
            instance = self.lab.store.fleet.instance(whole.instance_id)
            if not self.who.sees(instance.account):
                raise NotFound(f"Instance {whole.instance_id!r} is not in the fleet.")
            return replace(whole, account=instance.account)
        if whole.account:
            names = [each.name for each in self.lab.store.fleet.accounts()]
            if whole.account not in names or not self.who.sees(whole.account):
                raise NotFound(
                    f"There is no account {whole.account!r}.", remedy="List the accounts there are."
                )
        return whole


def sees(who: Principal, rule: AlertRule) -> bool:
    """Whether a rule is shown to somebody."""
    return not rule.condition.about_instances or who.reach.sees(_told(rule.condition))


def _told(condition: Condition) -> tuple[str, ...] | None:
    """The accounts that a rule's receiver is told of; None: all."""
    if condition.about_instances and condition.account:
        return (condition.account,)
    return condition.accounts


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise InvalidInput(f"A rule's name has 1 to {LONGEST_NAME} characters.", field="name")
    if hides_something(name):
        raise InvalidInput(
            f"A rule's name has characters that are seen, unlike '{visible(name)}'.",
            remedy="Leave out what is shown as an escape.",
            field="name",
        )
    return name
