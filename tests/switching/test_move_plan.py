"""What has changed between a request and the driver that begins it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from spotlab.domain.decision import Lifecycle
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.domain.switch_moves import MovePlan
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switches import Refusal, Switch, Target
from spotlab.switching.preflight.check import check
from spotlab.switching.preflight.effects import losses_of
from spotlab.switching.preflight.move_plan import move_plan
from tests.support import switch_facts as some
from tests.support import switches as make

ACCOUNT = Account("shop", "123456789012", "", "", ("us-east-1",), False)
LATER = some.volume("vol-later", "/dev/sdg", size_gb=200)


class Reader:
    """Reads facts that a test has written."""

    def __init__(self, facts: InstanceFacts) -> None:
        self._facts = facts

    def facts(self, _account: Account, _region: str, _instance_id: str) -> InstanceFacts:
        return self._facts

    def preflight(
        self,
        _account: Account,
        facts: InstanceFacts,
        target: Pool,
        lifecycle: Lifecycle,
        workload: Any,
        **options: Any,
    ) -> Preflight:
        return check(
            facts,
            target,
            lifecycle,
            workload,
            some.type_facts(facts.pool.instance_type),
            some.type_facts(target.instance_type),
            some.region(region=target.region),
            **options,
        )


def requested(facts: InstanceFacts, target: Pool = some.SAME_ZONE, **changes: Any) -> Switch:
    """A switch as it was requested for these facts, every question answered with yes."""
    strategy = changes.pop("strategy", Strategy.FROM_IMAGE)
    asked = Reader(facts).preflight(
        ACCOUNT, facts, target, Lifecycle.SPOT, some.STATELESS, strategy=strategy
    )
    return make.switch(
        instance_id=facts.instance_id,
        pool=facts.pool,
        lifecycle=facts.lifecycle,
        targets=(Target(target),),
        on_demand=None,
        strategy=strategy,
        confirmed=tuple(each.code for each in asked.questions),
        accepted_losses=losses_of(asked),
        **changes,
    )


def planned(facts: InstanceFacts, switch: Switch) -> MovePlan | Refusal:
    return move_plan(Reader(facts), ACCOUNT, switch, some.STATELESS)  # type: ignore[arg-type]


def with_volumes(*volumes: Any) -> InstanceFacts:
    return some.facts(volumes=(some.volume(), *volumes))


def test_what_has_not_changed_is_planned() -> None:
    facts = with_volumes(some.data_volume())
    plan = planned(facts, requested(facts))
    assert isinstance(plan, MovePlan)
    assert [each.volume_id for each in plan.volumes] == ["vol-data"]
    assert plan.attached == ("vol-root", "vol-data")


def test_a_volume_that_was_attached_meanwhile_moves_too() -> None:
    plan = planned(with_volumes(LATER), requested(with_volumes()))
    assert isinstance(plan, MovePlan)
    assert [each.volume_id for each in plan.volumes] == ["vol-later"]


TEMPLATE = some.template(devices=("/dev/xvda", "/dev/sdf", "/dev/sdg"))


def from_template(*volumes: Any) -> InstanceFacts:
    """Its template makes new, empty volumes: the present ones are lost if that is confirmed."""
    return replace(with_volumes(*volumes), launch_template=TEMPLATE)


def test_a_loss_is_confirmed_for_what_was_attached_at_the_request_only() -> None:
    data, strategy = some.data_volume(), Strategy.FROM_TEMPLATE
    switch = requested(from_template(data), strategy=strategy)
    assert "vol-data" in (switch.accepted_losses or ())
    assert isinstance(planned(from_template(data), switch), MovePlan)
    refusal = planned(from_template(data, LATER), switch)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "Since the request, the switch would also lose vol-later."
    older = replace(switch, accepted_losses=None)  # requested before losses were recorded
    assert isinstance(planned(from_template(data, LATER), older), MovePlan)


@pytest.mark.parametrize(
    "changes",
    [
        {"pool": replace(some.SOURCE, instance_type="m5.xlarge")},
        {"pool": replace(some.SOURCE, availability_zone="us-east-1b")},
        {"lifecycle": Lifecycle.ON_DEMAND, "spot_request": None},
    ],
)
def test_an_instance_that_is_another_one_now_is_not_switched(changes: dict[str, Any]) -> None:
    switch = requested(some.facts())
    refusal = planned(some.facts(**changes), switch)
    assert isinstance(refusal, Refusal)
    assert "ran on spot m5.large in us-east-1a when the switch was requested" in refusal.reason
    assert refusal.remedy == "Request the switch again."
