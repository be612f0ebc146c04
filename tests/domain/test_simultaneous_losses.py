"""How many instances are lost together, before and after the moves."""

from __future__ import annotations

import math

import pytest

from spotlab.domain.decision import Decision, Instance, Lifecycle
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.ports import ExperimentSummary
from spotlab.domain.simultaneous_losses import (
    LossCorrelation,
    Placement,
    basis,
    describe,
    fleet_losses,
    simultaneous_losses,
)
from tests.support.builders import instance
from tests.support.market import NOW

CORRELATION = LossCorrelation(0.9, 0.25, 0.05, 30.0, "a test")


def pool(zone: str | None = "a", instance_type: str = "m6i.large") -> Pool:
    return Pool("us-east-1", f"us-east-1{zone}" if zone else None, instance_type)


def decision(
    of: Instance, chosen: Pool | None, risk: float | None = 0.01, kind: Decision | None = None
) -> ExperimentSummary:
    return ExperimentSummary(
        experiment_id=1,
        created_at=NOW,
        instance_id=of.instance_id,
        account=of.account,
        market=MarketName.SIMULATED,
        decision=kind or (Decision.SWITCH if chosen else Decision.STAY),
        reason="",
        model="toy@1",
        current_pool=of.pool.key,
        chosen_pool=chosen.key if chosen else None,
        risk=risk,
        chosen_risk=0.005 if chosen else None,
        horizon_h=24.0,
        spot_price_usd_per_hour=None,
        chosen_price_usd_per_hour=None,
        saving_usd_per_hour=None,
        candidates_evaluated=1,
        duration_ms=1.0,
        shadow=True,
        degraded=(),
        error="",
    )


def test_a_lost_instance_takes_its_pool_its_type_and_its_zone_along() -> None:
    together = [Placement(pool(), 1e-4)] * 4
    losses = simultaneous_losses(together, CORRELATION)
    assert (losses.largest, losses.pool) == (4, pool())
    assert losses.expected == pytest.approx(1 + 0.9 * 3)
    zones = [Placement(pool(zone), 1e-4) for zone in "abcd"]
    assert simultaneous_losses(zones, CORRELATION).expected == pytest.approx(1 + 0.25 * 3)
    types = [Placement(pool("a", f"m{n}i.large"), 1e-4) for n in (5, 6, 7, 8)]
    assert simultaneous_losses(types, CORRELATION).expected == pytest.approx(1 + 0.05 * 3)


def test_what_is_lost_more_often_counts_more() -> None:
    fleet = [Placement(pool(), 3e-4)] * 2 + [Placement(pool("b", "c6i.large"), 1e-4)] * 2
    alone = [Placement(pool(), 3e-4)] * 2 + [
        Placement(pool("b", "c6i.large"), 1e-4),
        Placement(Pool("eu-west-1", "eu-west-1a", "c6i.large"), 1e-4),
    ]
    assert simultaneous_losses(fleet, CORRELATION).expected == pytest.approx(1.9)
    assert simultaneous_losses(alone, CORRELATION).expected == pytest.approx(
        (2 * 3 * 1.9 + 2 * 1 * 1.0) / 8
    )


def test_on_demand_is_not_lost_and_an_unknown_hazard_is_said() -> None:
    fleet = [Placement(None, None), Placement(pool(), None), Placement(pool(), 1e-4)]
    losses = simultaneous_losses(fleet, CORRELATION)
    assert (losses.instances, losses.on_spot, losses.largest, losses.unknown) == (3, 2, 2, 1)
    assert losses.expected == pytest.approx(1.9)
    nothing = simultaneous_losses([Placement(None, None)], CORRELATION)
    assert (nothing.largest, nothing.pool, nothing.expected) == (0, None, None)
    assert simultaneous_losses([Placement(pool(), None)], CORRELATION).expected is None


def test_an_unknown_zone_may_be_the_pool_of_any_instance_of_the_type() -> None:
    fleet = [Placement(pool("a"), 1e-4), Placement(pool("b"), 1e-4), Placement(pool(None), 1e-4)]
    losses = simultaneous_losses(fleet, CORRELATION)
    assert (losses.largest, losses.pool) == (3, pool(None))


def test_before_and_after_the_moves() -> None:
    fleet = [instance(f"i-{n}", pool=pool()) for n in range(6)]
    fleet.append(instance("i-od", pool=pool(), lifecycle=Lifecycle.ON_DEMAND))
    decisions = {
        "i-0": decision(fleet[0], pool("b")),
        "i-1": decision(fleet[1], pool("c")),
        "i-2": decision(fleet[2], None, kind=Decision.FALLBACK_ONDEMAND),
        "i-3": decision(fleet[3], None),
        "i-4": decision(fleet[4], None, risk=None),
        "i-od": decision(fleet[6], pool("c")),
    }
    losses = fleet_losses(fleet, decisions, CORRELATION, lambda each: ("web", 0.5))
    before, after = losses.fleet.before, losses.fleet.after
    assert (before.instances, before.on_spot, before.largest, before.unknown) == (7, 6, 6, 2)
    assert (after.instances, after.on_spot, after.largest, after.unknown) == (7, 6, 3, 2)
    assert losses.groups["web"].change == losses.fleet
    assert losses.groups["web"].limit == 3
    assert describe(losses) == (
        "If a pool fails, 6 of 7 instances are lost together; after the moves, 3. On average, 5.5 "
        "are lost at a time; after the moves, 3.0. The average leaves out 2 whose risk is unknown. "
        "web has 6 on one pool and may have 3; after the moves, 3."
    )
    assert "another on the same pool is lost within 30 min with probability 90%" in basis(
        CORRELATION
    ).replace("\N{NO-BREAK SPACE}", "")


def test_a_decision_about_another_pool_is_out_of_date() -> None:
    moved = instance("i-0", pool=pool("d"))
    old = decision(instance("i-0", pool=pool("a")), pool("b"))
    losses = fleet_losses([moved], {"i-0": old}, CORRELATION)
    assert losses.fleet.before == losses.fleet.after
    assert losses.fleet.after.pool == pool("d")
    assert losses.fleet.after.unknown == 1


def test_the_words_fit_fleets_without_anything_shared() -> None:
    two = [instance("i-0", pool=pool("a")), instance("i-1", pool=pool("b"))]
    stays = {each.instance_id: decision(each, None) for each in two}
    assert describe(fleet_losses(two, stays, CORRELATION)).startswith(
        "If a pool fails, 1 of 2 instances is lost. On average, 1.2"
    )
    joins = stays | {"i-1": decision(two[1], pool("a"))}
    assert "1 of 2 instances is lost; after the moves, 2." in describe(
        fleet_losses(two, joins, CORRELATION)
    )
    on_demand = [instance("i-0", pool=pool(), lifecycle=Lifecycle.ON_DEMAND)]
    assert describe(fleet_losses(on_demand, {}, CORRELATION)) == ""
    enters = {"i-0": decision(on_demand[0], pool())}
    assert describe(fleet_losses(on_demand, enters, CORRELATION)) == (
        "If a pool fails, no instance is lost: all run on demand; after the moves, 1."
    )


def test_a_hazard_follows_from_risk_and_horizon() -> None:
    one = instance("i-0", pool=pool())
    other = instance("i-1", pool=pool("b", "c6i.large"))
    decisions = {
        "i-0": decision(one, None, risk=1 - math.exp(-24 * 3e-4)),
        "i-1": decision(other, None, risk=1 - math.exp(-24 * 1e-4)),
        "i-2": decision(instance("i-2", pool=pool()), None, risk=1 - math.exp(-24 * 3e-4)),
    }
    fleet = [one, other, instance("i-2", pool=pool())]
    expected = fleet_losses(fleet, decisions, CORRELATION).fleet.before.expected
    assert expected == pytest.approx((6 * 1.9 + 1 * 1.0) / 7)
