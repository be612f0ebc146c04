"""Client resources for alerts, the audit log, the market and log lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spotlab.client import monitoring_schemas, schemas
from spotlab.client.log_stream import follow
from spotlab.client.transport import ANY_STATE, Resource, path_segment

COLLECT_TIMEOUT_S: Final = 120.0
"""The server starts no further source after 60 s, and one source takes some seconds."""


class Alerts(Resource):
    """Alert rules, alerts and notifications."""

    def ringing(self) -> Iterator[monitoring_schemas.Alert]:
        """Alerts that are firing."""
        return self._transport.pages("/alerts", monitoring_schemas.Alert)

    def history(self) -> Iterator[monitoring_schemas.Notification]:
        """Notifications, newest first."""
        return self._transport.pages("/alerts/history", monitoring_schemas.Notification)

    def rules(self, *, enabled: bool | None = None) -> Iterator[monitoring_schemas.Rule]:
        """Rules that you may see."""
        return self._transport.pages("/alerts/rules", monitoring_schemas.Rule, enabled=enabled)

    def get(self, rule_id: str) -> monitoring_schemas.Rule:
        """One rule."""
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
        """Add a rule.

        Args:
            name: name of the rule.
            condition: when it fires, such as {"kind": "state", "component": "database"}.
            address: address of the receiver; never returned by the API.
            channel: "webhook" or "slack".
            reason: reason, for the audit log.
        """
        body = {
            "name": name,
            "condition": condition,
            "address": address,
            "channel": channel,
            "reason": reason,
        }
        return self._transport.write("POST", "/alerts/rules", monitoring_schemas.Rule, body)

    def change(self, rule_id: str, *, reason: str = "", **changes: Any) -> monitoring_schemas.Rule:
        """Change name, condition, channel, address or enabled."""
        body = changes | {"reason": reason}
        return self._transport.write(
            "PATCH", _rule(rule_id), monitoring_schemas.Rule, body, headers=ANY_STATE
        )

    def enable(
        self, rule_id: str, enabled: bool = True, reason: str = ""
    ) -> monitoring_schemas.Rule:
        """Enable the rule, or disable it with `enabled=False`."""
        return self.change(rule_id, enabled=enabled, reason=reason)

    def delete(self, rule_id: str, reason: str = "") -> monitoring_schemas.Rule:
        """Delete the rule and return it."""
        query = {"reason": reason}
        return self._transport.write("DELETE", _rule(rule_id), monitoring_schemas.Rule, query=query)

    def test(self, rule_id: str) -> monitoring_schemas.Test:
        """Send a test notification and return the receiver's response."""
        return self._transport.write("POST", f"{_rule(rule_id)}/test", monitoring_schemas.Test)

    def signing_key(self, rule_id: str) -> str:
        """The key that signs the rule's notifications."""
        path = f"{_rule(rule_id)}/signing-key"
        return self._transport.get(path, monitoring_schemas.SigningKey).signing_key


class Audit(Resource):
    """The audit log."""

    def list(self, **filters: Any) -> Iterator[monitoring_schemas.Entry]:
        """Newest first; filters: actor, action, target, since."""
        return self._transport.pages("/audit", monitoring_schemas.Entry, **filters)

    def check(self) -> monitoring_schemas.AuditCheck:
        """Check the hash chain."""
        return self._transport.get("/audit/check", monitoring_schemas.AuditCheck)


class Market(Resource):
    """The active market."""

    def get(self) -> monitoring_schemas.Market:
        """The market with its sources and their age."""
        return self._transport.get("/market", monitoring_schemas.Market)

    def collect(self) -> monitoring_schemas.Collected:
        """Collect the live market now."""
        return self._transport.write(
            "POST", "/market/collect", monitoring_schemas.Collected, timeout_s=COLLECT_TIMEOUT_S
        )


class Logs(Resource):
    """Log lines."""

    def list(self, **filters: Any) -> Iterator[schemas.LogLine]:
        """Newest first; filters: component, level, text, id, process, since."""
        return self._transport.pages("/logs", schemas.LogLine, **filters)

    def follow(self, *, after: str | None = None, **filters: Any) -> Iterator[schemas.LogLine]:
        """New log lines, without end: a stream that ends is continued where it ended.

        Args:
            after: id of the line to continue after; None for new lines only.
            filters: as in `list`.
        """
        return follow(self._transport, after, filters)


def _rule(rule_id: str) -> str:
    return f"/alerts/rules/{path_segment(rule_id)}"
