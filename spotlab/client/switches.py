"""Client resource for switches and their guards, and its responses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from spotlab.client.transport import Resource, path_segment


class Target(msgspec.Struct, frozen=True):
    """Where a replacement may run."""

    pool: str
    lifecycle: str
    price_usd_per_hour: float | None


class Got(Target, frozen=True):
    """What was launched."""

    instance_id: str
    launched_at: datetime | None


class Realised(msgspec.Struct, frozen=True):
    """What a switch really saved."""

    hours: float
    paid_usd: float
    instead_usd: float
    saving_usd: float
    until: datetime


class Switch(msgspec.Struct, frozen=True):
    """The execution of a decision on one instance."""

    switch_id: str
    account: str
    instance_id: str
    pool: str
    lifecycle: str
    state: str
    step: str | None
    strategy: str
    dry_run: bool
    experiment_id: int | None
    targets: tuple[Target, ...]
    on_demand: Target | None
    got: Got | None
    got_why: str
    situation: str
    remedy: str
    requested_by: str
    requested_at: datetime
    approved_by: str
    approved_at: datetime | None
    expires_at: datetime | None
    finished_at: datetime | None
    price_before_usd_per_hour: float | None
    price_after_usd_per_hour: float | None
    realised: Realised | None
    version: int


class JournalEntry(msgspec.Struct, frozen=True):
    """One line of a switch's journal."""

    seq: int
    at: datetime
    step: str | None
    action: str
    phase: str
    detail: dict[str, Any]
    attempt: int


class Finding(msgspec.Struct, frozen=True):
    """Something that a person should know before the switch."""

    code: str
    text: str
    remedy: str
    blocks: bool
    question: bool


class Plan(msgspec.Struct, frozen=True):
    """What a switch would do."""

    instance_id: str
    targets: tuple[Target, ...]
    strategy: str
    strategy_reason: str
    findings: tuple[Finding, ...]
    kept: tuple[str, ...]
    recreated: tuple[str, ...]
    lost: tuple[str, ...]
    calls: tuple[dict[str, Any], ...]
    mode: str
    refusal: str
    open_switch: str


class Stop(msgspec.Struct, frozen=True):
    """A stop of all switches."""

    scope: str
    at: datetime
    actor: str
    reason: str
    sentence: str


class Stops(msgspec.Struct, frozen=True):
    """Stops that are not released."""

    stops: tuple[Stop, ...]


class Switching(msgspec.Struct, frozen=True):
    """How far switches may go now."""

    installation: str
    accounts: tuple[dict[str, str], ...]
    instances: dict[str, int]
    stops: tuple[Stop, ...]
    started: tuple[dict[str, Any], ...]


class Autonomy(msgspec.Struct, frozen=True):
    """Outcomes of a policy's decisions about a workload in an account."""

    account: str
    policy: str
    workload: str
    good: int
    bad: int
    earned: bool
    sentence: str


class Switches(Resource):
    """Switches and their guards."""

    def list(self, **filters: Any) -> Iterator[Switch]:
        """Switches, newest request first.

        Args:
            filters: instance_id, state (one or a list), finished, dry_run.
        """
        return self._transport.pages("/switches", Switch, **filters)

    def get(self, switch_id: str) -> Switch:
        """One switch."""
        return self._transport.get(f"/switches/{path_segment(switch_id)}", Switch)

    def journal(self, switch_id: str) -> Iterator[JournalEntry]:
        """The journal of a switch, oldest entry first."""
        path = f"/switches/{path_segment(switch_id)}/journal"
        return self._transport.pages(path, JournalEntry)

    def plan(self, instance_id: str, *, confirmed: Sequence[str] = (), **where: Any) -> Plan:
        """What a switch would do; nothing is changed.

        Args:
            instance_id: instance.
            confirmed: codes of questions that are answered with yes.
            where: pool, lifecycle, experiment_id, strategy.
        """
        body = {"instance_id": instance_id, "confirmed": [*confirmed], **where}
        return self._transport.write("POST", "/switches/plan", Plan, body)

    def request(
        self, instance_id: str, *, confirmed: Sequence[str] = (), reason: str = "", **where: Any
    ) -> Switch:
        """Request a switch.

        Args:
            instance_id, confirmed: see `plan`.
            reason: for the journal and the audit log.
            where: as for `plan`, and on_demand, health_check, dry_run.
        """
        body = {
            "instance_id": instance_id,
            "confirmed": [*confirmed],
            "reason": reason,
            **where,
        }
        return self._transport.write("POST", "/switches", Switch, body)

    def approve(self, switch_id: str, reason: str = "") -> Switch:
        """Approve a requested switch."""
        return self._act(switch_id, "approve", reason)

    def reject(self, switch_id: str, reason: str = "") -> Switch:
        """Reject or withdraw a requested switch."""
        return self._act(switch_id, "reject", reason)

    def pause(self, switch_id: str, reason: str = "") -> Switch:
        """Stop a switch before its next step that cannot be undone."""
        return self._act(switch_id, "pause", reason)

    def resume(self, switch_id: str, reason: str = "") -> Switch:
        """Let a paused switch continue."""
        return self._act(switch_id, "resume", reason)

    def roll_back(self, switch_id: str, reason: str = "") -> Switch:
        """Undo a switch."""
        return self._act(switch_id, "roll-back", reason)

    def stop_all(self, reason: str = "") -> Stops:
        """Stop all switches before their next step that cannot be undone."""
        return self._transport.write("POST", "/switching/stop", Stops, {"reason": reason})

    def release(self, reason: str = "") -> Stops:
        """Release the stop of all switches."""
        return self._transport.write("POST", "/switching/release", Stops, {"reason": reason})

    def switching(self) -> Switching:
        """How far switches may go now."""
        return self._transport.get("/switching", Switching)

    def autonomy(self) -> Iterator[Autonomy]:
        """Figures of earned autonomy."""
        return self._transport.pages("/switching/autonomy", Autonomy)

    def guards(self, account: str | None = None) -> dict[str, Any]:
        """The guards of an account; None: of the installation."""
        return self._transport.get(_guards_path(account), dict[str, Any])

    def set_guards(
        self, account: str | None = None, *, reason: str = "", **changes: Any
    ) -> dict[str, Any]:
        """Change guards; others keep their value.

        Args:
            account: its name; None: the installation.
            reason: for the audit log.
            changes: new values by name, such as mode="on" or at_once=3.
        """
        body = {"reason": reason, **changes}
        return self._transport.write("PATCH", _guards_path(account), dict[str, Any], body)

    def _act(self, switch_id: str, action: str, reason: str) -> Switch:
        path = f"/switches/{path_segment(switch_id)}/{action}"
        return self._transport.write("POST", path, Switch, {"reason": reason})


def _guards_path(account: str | None) -> str:
    if account is None:
        return "/switching/guards"
    return f"/accounts/{path_segment(account)}/switching-guards"
