"""A lab in which switches are allowed, and preflights without AWS."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import ModuleType
from typing import Any

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.decision import Instance
from spotlab.domain.ports import By
from spotlab.domain.switch_guards import AccountGuards, SwitchingMode
from spotlab.domain.switch_plan import Call, Finding, Preflight, Strategy
from spotlab.domain.switches import Target
from spotlab.runtime.lab import Lab
from spotlab.services import switches
from spotlab.switching.preflight.reader import hardware_shortfall
from tests.support.market import StillClock

OPERATOR = Principal("olga", Role.OPERATOR, via="a test")
APPROVER = Principal("adam", Role.ADMIN, via="a test")
CALLS = (
    Call("launch", "ec2:RunInstances", {"InstanceType": "m6g.large"}, "Launch the replacement."),
    Call("terminate", "ec2:TerminateInstances", {"InstanceIds": ["i-1"]}, "Terminate it."),
)


def allow(lab: Lab, instance_id: str, account: str = "acme", **guards: Any) -> None:
    """Turn all three levels on for an instance."""
    lab.settings = lab.settings.model_copy(update={"switching": "on"})
    by = By("adam", lab.clock.now())
    own = AccountGuards(**{"mode": SwitchingMode.ON, **guards})
    lab.store.switch_guards.save(account, own, by)
    lab.store.fleet.set_shadow(instance_id, False, by)


def plan_without_aws(
    monkeypatch: pytest.MonkeyPatch, *findings: Finding, where: ModuleType = switches
) -> None:
    """Make the preflights of a module without AWS: with these findings, and hardware's by hand."""

    def preflight(
        lab: Lab,
        instance: Instance,
        targets: Sequence[Target],
        *,
        by_hand: bool = False,
        confirmed: Collection[str] = (),
        **_options: Any,
    ) -> Preflight:
        found = list(findings)
        if by_hand and (worse := hardware_shortfall(lab, instance, targets[0].pool)):
            text = f"{targets[0].pool.instance_type} is no like-for-like replacement: {worse}."
            blocks = "worse-hardware" not in confirmed
            found.append(Finding("worse-hardware", text, "Name another.", blocks, question=True))
        return Preflight(
            instance.instance_id,
            instance.account,
            instance.pool,
            targets[0].pool,
            targets[0].lifecycle,
            Strategy.FROM_TEMPLATE,
            "It has a launch template.",
            tuple(found),
            calls=CALLS,
        )

    monkeypatch.setattr(where, "preflight_of", preflight)


def later(lab: Lab, **delay: float) -> None:
    """Let time pass in a lab."""
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delay)
