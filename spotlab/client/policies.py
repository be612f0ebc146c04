"""Policies: their versions, states, differences, previews and shadow decisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from spotlab.client.transport import ANY_STATE, Resource, path_segment


class PolicyEvent(msgspec.Struct, frozen=True):
    """A change of a version's state; before None: the version was saved."""

    at: datetime
    actor: str
    before: str | None
    after: str
    reason: str


class Policy(msgspec.Struct, frozen=True):
    """A version of a policy; its parameters never change."""

    reference: str
    name: str
    version: int
    state: str
    description: str
    parameters: dict[str, float]
    moves: tuple[str, ...]
    history: tuple[PolicyEvent, ...]


class ParameterChange(msgspec.Struct, frozen=True):
    """A parameter that differs between two policies."""

    name: str
    before: float
    after: float
    text: str


class PolicyDiff(msgspec.Struct, frozen=True):
    """What differs between two policies."""

    policy: str
    against: str
    differences: tuple[ParameterChange, ...]


class Estimate(msgspec.Struct, frozen=True):
    """An estimate with its 95 % interval; None: unknown."""

    value: float | None
    low: float | None
    high: float | None


class PolicyShadow(msgspec.Struct, frozen=True):
    """Decisions of a policy in shadow, compared with those that were made."""

    policy: str
    decided: int
    failures: int
    agreement: Estimate | None
    moves: int
    moves_as_made: int
    cost_difference_usd_per_hour: Estimate | None
    cost_difference_usd_per_day: Estimate | None


class PolicyTransition(msgspec.Struct, frozen=True):
    """How many decisions would have changed in one way; the same decision: another pool."""

    before: str
    after: str
    count: int


class ChangedDecision(msgspec.Struct, frozen=True):
    """A recorded decision that would have been another."""

    experiment_id: int
    created_at: datetime
    instance_id: str
    before: str
    before_pool: str | None
    after: str
    after_pool: str | None
    reason: str
    cost_difference_usd_per_hour: float | None


class PolicyPreview(msgspec.Struct, frozen=True):
    """What a policy would have decided in recorded decisions."""

    policy: str
    since: datetime
    until: datetime
    decided: int
    changed: int
    moves_before: int
    moves_after: int
    instances: int
    transitions: tuple[PolicyTransition, ...]
    cost_difference_usd_per_hour: Estimate
    cost_difference_usd_per_day: Estimate
    changes: tuple[ChangedDecision, ...]
    not_comparable: int
    failed: int


class Policies(Resource):
    """Policies."""

    def list(self, **filters: str) -> Iterator[Policy]:
        """Policy versions; filters: name, state."""
        return self._transport.pages("/policies", Policy, **filters)

    def get(self, reference: str) -> Policy:
        """One version by "name@version", or the newest by "name"."""
        return self._transport.get(_path(reference), Policy)

    def save(
        self,
        name: str,
        parameters: Mapping[str, float],
        *,
        base: str | None = None,
        description: str | None = None,
        expected_version: int | None = None,
        reason: str = "",
    ) -> Policy:
        """Save a draft: a new policy, or the next version of one.

        Args:
            name: of the policy.
            parameters: those that differ from the base.
            base: policy to start from, required for a new name; None: its newest version.
            description: what it is for; None: as in the base.
            expected_version: the newest version when the change was prepared; None: any.
            reason: why.
        """
        body = {
            "name": name,
            "parameters": dict(parameters),
            "base": base,
            "description": description,
            "expected_version": expected_version,
            "reason": reason,
        }
        return self._transport.write("POST", "/policies", Policy, body)

    def set_state(self, reference: str, state: str, reason: str = "") -> Policy:
        """Change the state to draft, shadow, active or retired; activating needs a reason."""
        body = {"state": state, "reason": reason}
        path = f"{_path(reference)}/state"
        return self._transport.write("PUT", path, Policy, body, headers=ANY_STATE)

    def diff(self, reference: str, against: str | None = None) -> PolicyDiff:
        """The parameters that differ from another policy; None: the active one."""
        return self._transport.get(f"{_path(reference)}/diff", PolicyDiff, against=against)

    def shadow(self, reference: str) -> PolicyShadow:
        """Its decisions in shadow, compared with those that were made."""
        return self._transport.get(f"{_path(reference)}/shadow", PolicyShadow)

    def preview(self, reference: str, days: float = 7.0) -> PolicyPreview:
        """What it would have decided in the last days."""
        return self._transport.get(f"{_path(reference)}/preview", PolicyPreview, days=days)


def _path(reference: str) -> str:
    return f"/policies/{path_segment(reference)}"
