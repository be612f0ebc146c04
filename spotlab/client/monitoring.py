"""The client's parts for alerts, the audit log, the market and log lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spotlab.client import monitoring_schemas, schemas
from spotlab.client.log_stream import follow
from spotlab.client.transport import ANY_STATE, Resource, path_segment

COLLECT_TIMEOUT_S: Final = 120.0
"""The server begins no further source after 60 s; one takes some seconds."""


class Alerts(Resource):
    """Alert rules, what rings, and what was told."""

    def ringing(self) -> Iterator[monitoring_schemas.Alert]:
        """What rings now."""
        return self._transport.pages("/alerts", monitoring_schemas.Alert)

    def history(self) -> Iterator[monitoring_schemas.Notification]:
        """What was told or could not be, newest first."""
        return self._transport.pages("/alerts/history", monitoring_schemas.Notification)

    def rules(self, *, enabled: bool | None = None) -> Iterator[monitoring_schemas.Rule]:
        """Those that you see."""
        return self._transport.pages("/alerts/rules", monitoring_schemas.Rule, enabled=enabled)

    def get(self, rule_id: str) -> monitoring_schemas.Rule:
        """One of them."""
        return self._transport.get(_rule(rule_id), monitoring_schemas.Rule)

    def create(
        self,
        name: str,
        condition: Mapping[str, Any],
        address: str,
        *,
        channel: str = "webhook",
        reason: str = "",
    ) -> monitoring_schemas.Rule:
        """Watch something, such as {"kind": "state", "component": "database"}.

        Args:
            name: for people.
            condition: when it rings.
            address: of the receiver; never told again.
            channel: "webhook" or "slack".
            reason: for the audit log.
        """
        body = {
            "name": name,
            "condition": condition,
            "address": address,
            "channel": channel,
            "reason": reason,
        }
        return self._transport.write("POST", "/alerts/rules", monitoring_schemas.Rule, body)

    def change(self, rule_id: str, *, reason: str = "", **given: Any) -> monitoring_schemas.Rule:
        """Change name, condition, channel, address or enabled; the rest stays."""
        body = given | {"reason": reason}
        return self._transport.write(
            "PATCH", _rule(rule_id), monitoring_schemas.Rule, body, headers=ANY_STATE
        )

    def enable(
        self, rule_id: str, enabled: bool = True, reason: str = ""
    ) -> monitoring_schemas.Rule:
        """Watch it, or not."""
        return self.change(rule_id, enabled=enabled, reason=reason)

    def delete(self, rule_id: str, reason: str = "") -> monitoring_schemas.Rule:
        """Watch it no longer; gives the rule as it was."""
        asked = {"reason": reason}
        return self._transport.write("DELETE", _rule(rule_id), monitoring_schemas.Rule, asked=asked)

    def test(self, rule_id: str) -> monitoring_schemas.Test:
        """Send a test message now; gives what the receiver answered."""
        return self._transport.write("POST", f"{_rule(rule_id)}/test", monitoring_schemas.Test)

    def signing_key(self, rule_id: str) -> str:
        """What the rule's messages are signed with."""
        path = f"{_rule(rule_id)}/signing-key"
        return self._transport.get(path, monitoring_schemas.SigningKey).signing_key


class Audit(Resource):
    """The audit log."""

    def list(self, **where: Any) -> Iterator[monitoring_schemas.Entry]:
        """Newest first; filters: actor, action, target, since."""
        return self._transport.pages("/audit", monitoring_schemas.Entry, **where)

    def check(self) -> monitoring_schemas.AuditCheck:
        """Whether it is as it was written."""
        return self._transport.get("/audit/check", monitoring_schemas.AuditCheck)


class Market(Resource):
    """The active market."""

    def get(self) -> monitoring_schemas.Market:
        """Its sources, and how old they are."""
        return self._transport.get("/market", monitoring_schemas.Market)

    def collect(self) -> monitoring_schemas.Collected:
        """Collect the live market now."""
        return self._transport.write(
            "POST", "/market/collect", monitoring_schemas.Collected, timeout_s=COLLECT_TIMEOUT_S
        )


class Logs(Resource):
    """Log lines."""

    def list(self, **where: Any) -> Iterator[schemas.LogLine]:
        """Newest first; filters: component, level, text, id, process, since."""
        return self._transport.pages("/logs", schemas.LogLine, **where)

    def follow(self, *, after: str | None = None, **where: Any) -> Iterator[schemas.LogLine]:
        """Lines as they are written, for ever: a stream that ends is taken up where it ended.

        Args:
            after: id of the line to go on after; None: from now on.
            where: as in `list`.
        """
        return follow(self._transport, after, where)


def _rule(rule_id: str) -> str:
    return f"/alerts/rules/{path_segment(rule_id)}"
