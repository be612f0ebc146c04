"""Instances of one run are decided with each other in view."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spotlab.aws.feeds import parse_advisor, parse_spot_prices
from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import FeedKind, MarketData, MarketName, Pool, Provenance
from spotlab.domain.policy import PolicyParams
from spotlab.domain.simultaneous_losses import share_limit
from spotlab.domain.workload import DEFAULT_WORKLOAD, NO_WORKLOAD, AppliedWorkload, AssignmentScope
from spotlab.features import offline
from spotlab.pipeline import spread as spreading
from spotlab.pipeline.evaluate import Evaluation, Unrecorded, evaluate
from spotlab.pipeline.score import score_market
from spotlab.pipeline.spread import Spread, decide_fleet, group_of
from spotlab.pipeline.stage_trace import Tracer
from tests.support.archive import MemoryArchive
from tests.support.market import NOW, BucketModel, market_data

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d")
PRICES: dict[tuple[str, str | None], float] = {
    **{("m5.large", zone): 0.05 for zone in ZONES},
    **{("m6i.large", zone): 0.030 + 0.001 * i for i, zone in enumerate(ZONES)},
    ("m6a.large", "us-east-1a"): 0.036,
}
SAFE = dict.fromkeys(("m5.large", "m6i.large", "m6a.large", "m5.xlarge", "g4dn.xlarge"), 0)
M5_RISKY = SAFE | {"m5.large": 4}
GROUPED = replace(NO_WORKLOAD.workload, name="grouped", max_pool_share=0.5)
ALL_AT_ONCE = PolicyParams(max_arrivals_share=1.0)


def instance(number: int, pool: str = "m5.large@a", **changes: object) -> Instance:
    """Instance number n on "type@zone letter"."""
    instance_type, letter = pool.split("@")
    where = Pool("us-east-1", f"us-east-1{letter}", instance_type)
    plain = Instance(f"i-{number:04d}", "acme", where, Lifecycle.SPOT)
    return replace(plain, **changes)


@dataclass(frozen=True)
class Run:
    """Decisions of one run, in the order in which they became final."""

    experiments: Mapping[str, Experiment]
    evaluated: int

    def pools(self) -> Counter[str]:
        """How many instances go to each pool."""
        return Counter(
            each.verdict.chosen.pool.label
            for each in self.experiments.values()
            if each.verdict and each.verdict.chosen
        )

    def usd_per_hour(self) -> float:
        """Expected cost of the pools that instances go to."""
        return sum(
            each.verdict.chosen.expected_cost_usd_per_hour
            for each in self.experiments.values()
            if each.verdict and each.verdict.chosen
        )

    def decision(self, number: int) -> Decision:
        verdict = self.experiments[f"i-{number:04d}"].verdict
        assert verdict is not None
        return verdict.decision

    def pool(self, number: int) -> str:
        verdict = self.experiments[f"i-{number:04d}"].verdict
        assert verdict is not None
        assert verdict.chosen is not None
        return verdict.chosen.pool.label

    def reason(self, number: int) -> str:
        verdict = self.experiments[f"i-{number:04d}"].verdict
        assert verdict is not None
        return verdict.reason


def run(
    instances: Sequence[Instance],
    share: float | Callable[[Instance], float] = 1.0,
    *,
    rest: Sequence[Instance] = (),
    prices: Mapping[tuple[str, str | None], float] = PRICES,
    buckets: Mapping[str, int] = SAFE,
    policy: PolicyParams = ALL_AT_ONCE,
    data: MarketData | None = None,
) -> Run:
    """Evaluate instances with the rest of the fleet in view."""
    tracer = Tracer()
    scored = score_market(data or market_data(prices, buckets=buckets), BucketModel(), tracer)
    evaluation = Evaluation(scored, policy, tuple(tracer.stages))
    calls = 0

    def applied(each: Instance) -> AppliedWorkload:
        its_share = share(each) if callable(share) else share
        workload = replace(GROUPED, max_pool_share=its_share)
        return AppliedWorkload(workload, AssignmentScope.ACCOUNT, each.account)

    def decide(each: Instance, unavailable: Mapping[str, str]) -> Unrecorded:
        nonlocal calls
        calls += 1
        return evaluate(each, evaluation, None, NOW, applied(each), unavailable)

    spread = Spread([*instances, *rest], lambda each: applied(each).workload, policy)
    decided = decide_fleet(instances, decide, lambda each: each.experiment.verdict, spread)
    experiments = {each.instance.instance_id: each.result.experiment for each in decided}
    for experiment in experiments.values():
        again = evaluate(
            experiment.instance,
            evaluation,
            None,
            NOW,
            experiment.workload,
            experiment.unavailable,
        )
        assert again.experiment.verdict == experiment.verdict, "a replay decides the same"
    return Run(experiments, calls)


def test_twelve_equal_instances_are_not_all_sent_to_one_pool() -> None:
    twelve = [instance(n) for n in range(12)]
    together = run(twelve)
    assert together.pools() == {"m6i.large in us-east-1a": 12}
    spread = run(twelve, 0.5)
    assert spread.pools() == {"m6i.large in us-east-1a": 6, "m6i.large in us-east-1b": 6}
    assert spread.evaluated == 18, "only those whose pool was full decide again"


def test_one_run_sends_a_quarter_of_an_account_to_one_pool_at_most() -> None:
    default = run([instance(n) for n in range(12)], policy=PolicyParams())
    assert default.pools() == {f"m6i.large in {zone}": 3 for zone in ZONES}
    assert (
        "Not its first choice: m6i.large in us-east-1a would cost 0.0010 USD/h less, but this run "
        "already sends 3 of 12 instances there, the most for one run (25 %)." in default.reason(3)
    )


@pytest.mark.parametrize(("size", "allowed"), [(3, 1), (6, 2), (9, 3)])
def test_a_group_of_three_with_a_third_each_has_one_a_pool(size: int, allowed: int) -> None:
    assert share_limit(0.34, size) == allowed
    spread = run([instance(n) for n in range(size)], 0.34)
    assert set(spread.pools().values()) == {allowed}
    assert len(spread.pools()) == 3


def test_the_reason_names_the_better_pool_and_who_has_it() -> None:
    spread = run([instance(n, f"m5.large@{'aabb'[n]}") for n in range(4)], 0.5)
    assert "first choice" not in spread.reason(0)
    assert (
        "Not its first choice: m6i.large in us-east-1a would cost 0.0010 USD/h less, but 2 of 4 "
        "instances of workload grouped run there or go there in this run; at most 2 may share a "
        "pool (50 %)." in spread.reason(2)
    )
    assert spread.experiments["i-0002"].unavailable == {
        "us-east-1:us-east-1a:m5.large:Linux": "2 of 4 instances of workload grouped run there; at "
        "most 2 may share a pool (50 %)",
        "us-east-1:us-east-1a:m6i.large:Linux": "2 of 4 instances of workload grouped run there or "
        "go there in this run; at most 2 may share a pool (50 %)",
    }


def test_those_that_must_leave_choose_first() -> None:
    saving = [instance(n, "m6i.large@d") for n in range(3)]
    leaving = [instance(9), instance(8)]
    prices = {("m5.large", "us-east-1a"): 0.02, ("m6i.large", "us-east-1d"): 0.09} | {
        ("m6a.large", f"us-east-1{letter}"): usd
        for letter, usd in (("a", 0.03), ("b", 0.035), ("c", 0.04))
    }
    spread = run([*saving, *leaving], 0.4, prices=prices, buckets=M5_RISKY)
    assert [spread.pool(n) for n in (8, 9)] == ["m6a.large in us-east-1a"] * 2
    assert [spread.pool(n) for n in range(3)] == [
        "m6a.large in us-east-1b",
        "m6a.large in us-east-1b",
        "m6a.large in us-east-1c",
    ]


def test_of_those_that_would_save_the_largest_margin_chooses_first() -> None:
    small, large = instance(1, "m6a.large@a"), instance(2, "m5.large@a")
    spread = run([small, large], 0.5)
    assert spread.pool(2) == "m6i.large in us-east-1a"
    assert spread.pool(1) == "m6i.large in us-east-1b"


def test_with_a_single_candidate_the_others_stay_or_go_on_demand() -> None:
    prices = {("m5.large", "us-east-1a"): 0.05, ("m6i.large", "us-east-1b"): 0.03}
    staying = run([instance(n) for n in range(3)], 0.34, prices=prices)
    assert [staying.decision(n) for n in range(3)] == [
        Decision.SWITCH,
        Decision.STAY,
        Decision.STAY,
    ]
    assert "m6i.large in us-east-1b would cost 0.03" in staying.reason(1)
    assert "at most 1 may share a pool (34 %)" in staying.reason(1)
    leaving = run([instance(n) for n in range(3)], 0.34, prices=prices, buckets=M5_RISKY)
    assert [leaving.decision(n) for n in range(3)] == [
        Decision.SWITCH,
        Decision.FALLBACK_ONDEMAND,
        Decision.FALLBACK_ONDEMAND,
    ]
    assert "m6i.large in us-east-1b would cost 0.03" in leaving.reason(2)


def test_the_limit_for_one_run_sends_nobody_to_on_demand_or_to_a_much_dearer_pool() -> None:
    prices = {("m5.large", "us-east-1a"): 0.05, ("m6i.large", "us-east-1b"): 0.03}
    four = [instance(n) for n in range(4)]
    saving = run(four, prices=prices, policy=PolicyParams())
    assert Counter(saving.decision(n) for n in range(4)) == {Decision.SWITCH: 1, Decision.STAY: 3}
    leaving = run(four, prices=prices, buckets=M5_RISKY, policy=PolicyParams())
    assert leaving.pools() == {"m6i.large in us-east-1b": 4}
    dearer = prices | {("m6a.large", "us-east-1b"): 0.036}
    spread = run(four, prices=dearer, buckets=M5_RISKY, policy=PolicyParams())
    assert spread.pools() == {"m6i.large in us-east-1b": 3, "m6a.large in us-east-1b": 1}
    much_dearer = prices | {("m6a.large", "us-east-1b"): 0.038}
    spread = run(four, prices=much_dearer, buckets=M5_RISKY, policy=PolicyParams())
    assert spread.pools() == {"m6i.large in us-east-1b": 4}


def test_instances_that_are_not_evaluated_keep_their_places() -> None:
    rest = [instance(10 + n, "m6i.large@a") for n in range(3)]
    alone = run([instance(0)], 0.75, rest=rest)
    assert alone.pool(0) == "m6i.large in us-east-1b"
    assert "3 of 4 instances of workload grouped run there; at most 3" in alone.reason(0)


def test_other_accounts_take_no_place_of_a_group() -> None:
    rest = [instance(10 + n, "m6i.large@a", account="zeta") for n in range(3)]
    assert run([instance(0)], 0.75, rest=rest).pool(0) == "m6i.large in us-east-1a"


def test_a_group_shares_the_value_of_the_workloads_tag() -> None:
    tagged = replace(DEFAULT_WORKLOAD, name="grouped", group_tag="service")
    web = group_of(instance(0, tags={"service": "web"}), tagged)
    assert (web.label, web.full_label) == ("group web", "acme: service=web")
    assert web == group_of(instance(1, tags={"service": "web", "name": "w"}), tagged)
    assert web != group_of(instance(2, tags={"service": "web"}, account="zeta"), tagged)
    untagged = group_of(instance(3), tagged)
    assert (untagged.label, untagged) == ("workload grouped", group_of(instance(4), GROUPED))


def test_on_demand_instances_count_in_the_size_but_not_on_a_pool() -> None:
    rest = [instance(10 + n, "m6i.large@a", lifecycle=Lifecycle.ON_DEMAND) for n in range(3)]
    assert run([instance(0)], 0.5, rest=rest).pool(0) == "m6i.large in us-east-1a"


def test_a_group_that_has_too_much_of_its_pool_is_told_and_not_moved() -> None:
    spread = run([instance(n, "m6i.large@a") for n in range(4)], 0.5)
    assert {spread.decision(n) for n in range(4)} == {Decision.STAY}
    assert (
        "Its pool has more than the group's share: 4 of 4 instances of workload grouped run there; "
        "at most 2 may share a pool (50 %). It is not moved for that alone." in spread.reason(0)
    )
    within = run([instance(0, "m6i.large@a"), instance(1, "m6i.large@b")], 0.5)
    assert "share" not in within.reason(0)
    assert set(within.experiments["i-0000"].unavailable) == {"us-east-1:us-east-1b:m6i.large:Linux"}


def test_a_place_is_free_once_the_instance_has_left() -> None:
    leaving, joining = instance(0, "m6i.large@b"), instance(1, "m5.large@a")
    prices = PRICES | {("m6i.large", "us-east-1a"): 0.02}
    spread = run([leaving, joining], lambda each: 0.5, prices=prices)
    assert spread.pool(1) == "m6i.large in us-east-1a", "it saves more"
    assert spread.decision(0) is Decision.STAY


def test_live_instances_do_not_give_way_to_shadow_decisions() -> None:
    shadow, live = instance(0, shadow=True), instance(1, shadow=False)
    spread = run([shadow, live], 0.5)
    assert spread.pool(1) == "m6i.large in us-east-1a"
    assert spread.pool(0) == "m6i.large in us-east-1b"


def test_without_zones_a_pool_is_the_type_in_its_region() -> None:
    prices: dict[tuple[str, str | None], float] = {
        ("m5.large", None): 0.05,
        ("m6i.large", None): 0.03,
        ("m6a.large", None): 0.035,
    }
    rest = [instance(10, "m6i.large@a"), instance(11, "m6i.large@b")]
    spread = run([instance(0), instance(1)], 0.5, rest=rest, prices=prices)
    assert spread.pools() == {"m6a.large in us-east-1": 2}


def test_many_moves_are_decided_again_rather_than_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "MAX_HELD", 2)
    few = run([instance(n) for n in range(12)], 0.5)
    assert few.pools() == {"m6i.large in us-east-1a": 6, "m6i.large in us-east-1b": 6}
    assert few.evaluated == 12 + 4 + 6


def test_the_order_of_the_instances_does_not_matter() -> None:
    fleet = [instance(n, f"m5.large@{'abcd'[n % 4]}") for n in range(11)]
    expected = run(fleet, 0.34).experiments
    for seed in range(3):
        shuffled = random.Random(seed).sample(fleet, len(fleet))
        found = run(shuffled, 0.34).experiments
        assert {k: e.verdict for k, e in found.items()} == {
            k: e.verdict for k, e in expected.items()
        }


@settings(max_examples=25)
@given(
    places=st.lists(
        st.tuples(
            st.sampled_from(["m5.large@a", "m5.large@b", "m6i.large@a", "m6a.large@a"]),
            st.booleans(),
            st.sampled_from(["acme", "zeta"]),
        ),
        min_size=1,
        max_size=9,
    ),
    share=st.sampled_from([0.2, 0.34, 0.5, 0.75, 1.0]),
    arrivals=st.sampled_from([0.1, 0.25, 1.0]),
    buckets=st.sampled_from([SAFE, M5_RISKY]),
)
def test_no_group_exceeds_its_limit_unless_it_did_before(
    places: list[tuple[str, bool, str]],
    share: float,
    arrivals: float,
    buckets: Mapping[str, int],
) -> None:
    fleet = [
        instance(n, pool, shadow=shadow, account=account)
        for n, (pool, shadow, account) in enumerate(places)
    ]
    result = run(
        fleet[: max(1, len(fleet) - 2)],
        share,
        rest=fleet[max(1, len(fleet) - 2) :],
        buckets=buckets,
        policy=PolicyParams(max_arrivals_share=arrivals),
    )
    before, after, sizes = Counter(), Counter(), Counter(each.account for each in fleet)
    for each in fleet:
        before[each.account, each.pool.label] += 1
        experiment = result.experiments.get(each.instance_id)
        assert experiment is None or experiment.verdict is not None
        if experiment is None or experiment.verdict.decision is Decision.STAY:
            after[each.account, each.pool.label] += 1
        elif experiment.verdict.chosen is not None:
            after[each.account, experiment.verdict.chosen.pool.label] += 1
    for (account, pool), count in after.items():
        assert count <= max(share_limit(share, sizes[account]), before[account, pool])


@pytest.mark.shared_data
def test_what_the_spread_costs_on_the_recorded_market(shared_data: Path) -> None:
    at = datetime(2025, 6, 28, tzinfo=UTC)
    origin, archive = Provenance("recorded feed", at, at), MemoryArchive()
    advisor = (shared_data / "advisor" / "2025-06-28.json.gz").read_bytes()
    for snapshot in parse_advisor(advisor, origin, MarketName.RECORDED):
        archive.save(snapshot)
    prices = (shared_data / "spot-prices" / "2025-06-15.json.gz").read_bytes()
    archive.save(parse_spot_prices(prices, origin, MarketName.RECORDED))
    data = offline.read_market(archive, MarketName.RECORDED, at)
    assert FeedKind.ADVISOR in data.origins
    fleet = [instance(n, "m6i.2xlarge@a", lifecycle=Lifecycle.ON_DEMAND) for n in range(24)]

    together = run(fleet, data=data)
    spread = run(fleet, data=data, policy=PolicyParams())

    assert set(together.pools().values()) == {24}
    assert max(spread.pools().values()) == 6
    assert spread.pools().total() == 24
    more = spread.usd_per_hour() - together.usd_per_hour()
    assert 0.0 < more < 0.2 * together.usd_per_hour()
