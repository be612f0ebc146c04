"""The contracts of interruptions, shadow decisions, outcomes and drift, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread

import pytest
from sqlalchemy import text

from spotlab.domain.decision import Decision, Instance, Lifecycle
from spotlab.domain.interruptions import Exposure, InterruptionKind, Record
from spotlab.domain.market import MarketName
from spotlab.domain.outcomes import OutcomeState, Target
from spotlab.store import Store
from spotlab.store.engine import writer
from tests.support import builders as make
from tests.support.online_weights import learnt
from tests.support.outcomes import event, market_sketch, outcome, shadow_decision

SIMULATED, PUBLIC = MarketName.SIMULATED, MarketName.PUBLIC


def at(hours: float) -> datetime:
    return make.NOW + timedelta(hours=hours)


def listed(store: Store, hours: float, last: float | None, *instances: Instance) -> None:
    before = None if last is None else at(last)
    store.interruptions.record_running(instances, at(hours), before, emulated=False)


def hours_of(store: Store, until: float = 1000.0) -> float:
    records = store.interruptions.own_record(PUBLIC, at(until)).pools
    return sum(record.exposure_h for record in records.values())


def test_empty_repositories_return_nothing(store: Store) -> None:
    assert (store.interruptions.events(), store.shadow_decisions.list(), store.outcomes.list()) == (
        [],
        [],
        [],
    )
    assert store.drift.list(PUBLIC, "toy@1") == []
    assert store.online_weights.read(PUBLIC) is None
    assert store.online_weights.read_with_state(PUBLIC) is None


def test_the_newest_weights_of_a_market_replace_the_former(store: Store) -> None:
    for hours, behind in ((0.0, True), (1.0, False)):
        store.online_weights.save(learnt(PUBLIC, at(hours), behind=behind), b"state %d" % hours)
    store.online_weights.save(learnt(SIMULATED, at(2.0)), b"another")
    newest = learnt(PUBLIC, at(1.0), behind=False)
    assert store.online_weights.read(PUBLIC) == newest
    assert store.online_weights.read_with_state(PUBLIC) == (newest, b"state 1")


def test_weights_of_another_format_count_as_none(store: Store) -> None:
    store.online_weights.save(learnt(PUBLIC, at(0.0)), b"state")
    with writer(store.engine).begin() as connection:
        connection.execute(text("UPDATE online_weights SET document = '{\"at\": 1}'"))
    assert store.online_weights.read(PUBLIC) is None
    assert store.online_weights.read_with_state(PUBLIC) is None


def test_events_come_back_newest_first_and_once(store: Store) -> None:
    first, second = event(), event("i-2", at=at(2), kind=InterruptionKind.REBALANCE)
    assert store.interruptions.add([first, second]) == 2
    assert store.interruptions.add([first, replace(second, source="another")]) == 0
    found = store.interruptions.events()
    assert [replace(each, event_id=0) for each in found] == [second, first]
    assert len({each.event_id for each in found}) == 2
    assert store.interruptions.events(since=at(1)) == found[:1]


def test_an_instance_seen_reclaimed_twice_is_one_event(store: Store) -> None:
    gone = event(kind=InterruptionKind.RECLAIMED)
    assert store.interruptions.add([gone, replace(gone, at=at(0.5))]) == 1


def test_an_instance_is_exposed_from_one_look_to_the_next(store: Store) -> None:
    running = make.instance()
    listed(store, 0.0, None, running)
    assert hours_of(store) == 0.0, "what was before the first look is not known of the others"
    listed(store, 0.5, 0.0, running)
    listed(store, 1.25, 0.5, running)
    assert hours_of(store) == 1.25


def test_a_gap_between_looks_is_no_exposure(store: Store) -> None:
    running = make.instance()
    for now, before in ((0.0, None), (0.5, 0.0), (12.0, 0.5), (12.5, 12.0)):
        listed(store, now, before, running)
    assert hours_of(store) == 1.0


def test_one_launched_between_two_looks_counts_from_its_launch(store: Store) -> None:
    listed(store, 0.5, 0.0, make.instance(launched_at=at(0.25)))
    assert hours_of(store) == 0.25


def test_one_that_was_stopped_and_started_did_not_run_in_between(store: Store) -> None:
    listed(store, 0.0, None, make.instance())
    listed(store, 0.5, 0.0, make.instance(launched_at=at(0.4)))
    assert hours_of(store) == pytest.approx(0.1)


def test_a_listing_told_twice_or_late_adds_nothing(store: Store) -> None:
    running = make.instance()
    for now in (0.0, 0.5, 0.5, 0.25):
        listed(store, now, 0.0, running)
    assert hours_of(store) == 0.5


def test_on_demand_and_stopped_instances_are_not_exposed(store: Store) -> None:
    for hours in (0.0, 0.5):
        listed(
            store,
            hours,
            0.0,
            make.instance("i-1", lifecycle=Lifecycle.ON_DEMAND),
            make.instance("i-2", state="stopped"),
        )
    assert hours_of(store) == 0.0


def test_each_market_learns_from_its_own_aws_alone(store: Store) -> None:
    store.interruptions.add([event("i-real"), event("i-emulated", emulated=True)])
    running = make.instance()
    for hours in (0.0, 1.0):
        store.interruptions.record_running([running], at(hours), at(0), emulated=True)
    of = store.interruptions.own_record
    assert of(SIMULATED, at(1)).pools == {make.pool(): Record(1, 1.0)}
    assert of(PUBLIC, at(1)).pools == {make.pool(): Record(1, 0.0)}
    assert of(MarketName.RECORDED, at(1)).pools == {}


def test_old_evidence_is_left_out(store: Store) -> None:
    store.interruptions.add([event()])
    assert store.interruptions.own_record(PUBLIC, at(24 * 91)).pools == {}


def test_exposures_are_intervals(store: Store) -> None:
    listed(store, 0.0, None, make.instance())
    listed(store, 1.0, 0.0, make.instance())
    since = at(-1)
    assert store.interruptions.exposures(emulated=False, since=since) == [
        Exposure("i-0a1", make.pool(), at(0), at(1))
    ]


def test_two_that_list_at_once_count_an_hour_once(store: Store) -> None:
    listed(store, 0.0, None, make.instance())
    threads = [Thread(target=listed, args=(store, 1.0, 0.0, make.instance())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hours_of(store) == 1.0


def test_shadow_decisions_come_back_equal_and_once(store: Store) -> None:
    first = shadow_decision()
    failed = shadow_decision(
        2,
        created_at=at(1),
        decision=None,
        champion_decision=None,
        chosen_pool=None,
        current_risk=None,
        saving_usd_per_hour=None,
        error="no features",
    )
    store.shadow_decisions.record([first, failed])
    store.shadow_decisions.record([replace(first, agrees=True)])
    assert store.shadow_decisions.list() == [failed, first]
    assert store.shadow_decisions.list(since=at(0.5)) == [failed]
    assert store.shadow_decisions.list(model="another@1") == []
    assert store.shadow_decisions.of([1]) == [first]


def test_a_policy_in_shadow_has_decisions_of_its_own(store: Store) -> None:
    of_model = shadow_decision()
    of_policy = replace(of_model, policy="cautious@1", decision=Decision.STAY)
    another = replace(of_policy, policy="bold@1")
    store.shadow_decisions.record([of_model, of_policy, another, replace(another, agrees=True)])
    assert store.shadow_decisions.list() == [of_model]
    assert store.shadow_decisions.list(policies=True) == [another, of_policy]
    assert store.shadow_decisions.of([1]) == [of_model, another, of_policy]


def test_outcomes_come_back_equal_and_once(store: Store) -> None:
    first = outcome(predicted=1 / 3)
    censored = outcome(
        2,
        target=Target.PRICE,
        model="last-price@1",
        market=PUBLIC,
        realised=None,
        state=OutcomeState.CENSORED,
    )
    assert store.outcomes.record([first, censored]) == 2
    assert store.outcomes.record([replace(first, realised=1.0)]) == 0
    assert store.outcomes.list() == [first, censored]
    assert store.outcomes.list(target=Target.PRICE, market=PUBLIC) == [censored]
    assert store.outcomes.settled(Target.INTERRUPTION) == {(1, "advisor-lgbm@1.0.0")}


def test_sketches_come_back_equal_and_once(store: Store) -> None:
    later, sooner = market_sketch(2), market_sketch(1)
    assert store.drift.last_at(SIMULATED, "toy@1") is None
    assert [store.drift.record(each) for each in (later, sooner, later)] == [True, True, False]
    assert store.drift.list(SIMULATED, "toy@1") == [sooner, later]
    assert store.drift.last_at(SIMULATED, "toy@1") == later.at
    assert store.drift.list(PUBLIC, "toy@1") == []
