"""The ledger's contract, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from math import inf
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import event

from spotlab.domain.decision import Decision, DropReason, Experiment, PipelineMode
from spotlab.domain.market import MarketName
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import ExperimentFilter
from spotlab.domain.requirements import Requirements
from spotlab.errors import InvalidInput, NotFound
from spotlab.store import Store
from spotlab.store.retention import SqlRetention
from spotlab.store.retention_rules import RULES
from tests.support import builders as make


def recorded(store: Store, **changes: Any) -> Experiment:
    experiment = make.experiment(**changes)
    return replace(experiment, experiment_id=store.ledger.record(experiment))


def at(minutes: float) -> datetime:
    return make.NOW + timedelta(minutes=minutes)


def unusual() -> Experiment:
    """Every optional part set, and floats that only survive bit for bit."""
    dropped = make.candidate(
        rank=0,
        dropped=DropReason.RISK_CEILING,
        reasons=("risk 7.1 % over the ceiling of 5 %", "Ünïcode \u2028 and \x00 survive"),
        sources=(),
        features={"discount_depth": 5e-324, "not_in_the_names": -0.0},
        on_demand_price_usd_per_hour=None,
        expected_cost_usd_per_hour=0.1 + 0.2,
        pool=make.pool("p4d.24xlarge", None),
    )
    bare = make.candidate(features={}, reasons=(), spot_price_usd_per_hour=1 / 3, risk=1e-17)
    current = make.candidate(rank=0, pool=make.pool("m5.metal", "us-east-1f"))
    return make.experiment(
        created_at=datetime(2026, 11, 3, 10, 0, 0, 1, tzinfo=timezone(timedelta(hours=5.5))),
        instance=make.instance(
            model="advisor-lgbm@1.0.0",
            mode=PipelineMode.OFF,
            launched_at=None,
            last_evaluated_at=make.NOW,
            requirements=Requirements(zones=("us-east-1a",), accelerator=False),
        ),
        policy=PolicyParams(risk_ceiling=1 / 3, expected_stay_h=1e300),
        verdict=make.verdict(
            (dropped, bare),
            decision=Decision.STAY,
            current=current,
            chosen=None,
            saving_usd_per_hour=None,
        ),
        candidates=(dropped, bare),
        degraded=("online store down", "prices 3 h old"),
        shadow=True,
        policy_version="cautious@12",
    )


@pytest.mark.parametrize(
    "experiment", [make.experiment(), unusual(), make.failed_experiment()], ids=lambda e: e.error
)
def test_an_experiment_comes_back_equal(store: Store, experiment: Experiment) -> None:
    number = store.ledger.record(experiment)

    opened = store.ledger.get(number)

    assert opened == replace(experiment, experiment_id=number)
    assert repr(opened.candidates) == repr(experiment.candidates), "-0.0 is not 0.0"
    assert opened.created_at.tzinfo is UTC


def test_an_infinite_cost_comes_back(store: Store) -> None:
    endless = make.candidate(expected_cost_usd_per_hour=inf)
    experiment = make.experiment(candidates=(endless,), verdict=None)
    assert store.ledger.get(store.ledger.record(experiment)).candidates == (endless,)


def test_a_verdict_points_at_its_candidates(store: Store) -> None:
    opened = store.ledger.get(recorded(store).experiment_id)
    assert opened.verdict is not None
    assert opened.verdict.chosen is opened.candidates[0]
    assert opened.verdict.current is opened.candidates[1]


def test_a_mapping_of_any_kind_is_stored(store: Store) -> None:
    features = MappingProxyType({"discount_depth": 0.5})
    dropped = MappingProxyType({"another region": 3})
    scored = (make.candidate(features=features),)
    number = store.ledger.record(make.experiment(candidates=scored, verdict=None, dropped=dropped))
    opened = store.ledger.get(number)
    assert opened.candidates == scored
    assert opened.dropped == dropped


def test_an_unknown_experiment_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="Experiment 4711 is not in the ledger"):
        store.ledger.get(4711)


def test_recording_marks_the_instance_as_evaluated(store: Store) -> None:
    store.fleet.sync("production", [make.instance()])
    recorded(store)
    assert store.fleet.instance("i-0a1").last_evaluated_at == make.NOW

    recorded(store, created_at=at(-60))
    assert store.fleet.instance("i-0a1").last_evaluated_at == make.NOW, "never backwards"


def test_an_instance_outside_the_fleet_can_be_evaluated(store: Store) -> None:
    experiment = recorded(store, instance=make.instance("i-unseen"))
    assert store.ledger.get(experiment.experiment_id).instance.instance_id == "i-unseen"
    assert store.fleet.instances(active_only=False) == []


def test_a_summary_says_what_was_decided(store: Store) -> None:
    experiment = recorded(store, degraded=("prices 3 h old",))
    (summary,) = store.ledger.list()

    assert summary.experiment_id == experiment.experiment_id
    assert summary.created_at == make.NOW
    assert (summary.instance_id, summary.account) == ("i-0a1", "production")
    assert (summary.market, summary.decision) == (MarketName.PUBLIC, Decision.SWITCH)
    assert summary.current_pool == make.pool().key
    assert summary.chosen_pool == experiment.candidates[0].pool.key
    assert (summary.risk, summary.chosen_risk, summary.horizon_h) == (0.0123, 0.0123, 24.0)
    assert (summary.spot_price_usd_per_hour, summary.chosen_price_usd_per_hour) == (0.051, 0.05)
    assert summary.saving_usd_per_hour == 0.001001001001001
    assert (summary.candidates_evaluated, summary.duration_ms) == (3, 41.75)
    assert summary.degraded == ("prices 3 h old",)
    assert (summary.shadow, summary.error, summary.model) == (False, "", "advisor-lgbm@1.0.0")


def test_a_summary_of_a_failure_knows_no_numbers(store: Store) -> None:
    store.ledger.record(make.failed_experiment())
    (summary,) = store.ledger.list()
    assert (summary.decision, summary.chosen_pool, summary.risk) == (None, None, None)
    assert summary.error == "nothing collected yet"


def test_an_unknown_risk_is_no_number_in_a_summary(store: Store) -> None:
    unscored = make.candidate(risk=float("nan"), dropped=DropReason.NO_RISK)
    recorded(store, verdict=make.verdict((unscored, unscored)))
    (summary,) = store.ledger.list()
    assert (summary.risk, summary.chosen_risk) == (None, None)


def test_the_history_is_newest_first_and_pages(store: Store) -> None:
    for minutes in (3, 1, 4, 2, 4):
        recorded(store, created_at=at(minutes))

    whole = store.ledger.list()
    assert [(line.created_at, line.experiment_id) for line in whole] == [
        (at(4), 5),
        (at(4), 3),
        (at(3), 1),
        (at(2), 4),
        (at(1), 2),
    ]
    assert store.ledger.list(limit=2) + store.ledger.list(limit=9, offset=2) == whole
    assert store.ledger.count() == 5


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (ExperimentFilter(), {1, 2, 3, 4}),
        (ExperimentFilter(instance_id="i-0a1"), {1, 3, 4}),
        (ExperimentFilter(instance_id="i-none"), set()),
        (ExperimentFilter(decision=Decision.SWITCH), {1, 3}),
        (ExperimentFilter(decision=Decision.STAY), {2}),
        (ExperimentFilter(model="advisor-lgbm"), {1, 2, 4}),
        (ExperimentFilter(model="advisor-lgbm@1.0.0"), {1, 4}),
        (ExperimentFilter(model="advisor"), set()),
        (ExperimentFilter(model="%"), set()),
        (ExperimentFilter(since=at(2)), {2, 3, 4}),
        (ExperimentFilter(until=at(2)), {1, 2}),
        (ExperimentFilter(since=at(2), until=at(3)), {2, 3}),
        (ExperimentFilter(shadow=True), {3}),
        (ExperimentFilter(shadow=False), {1, 2, 4}),
        (ExperimentFilter(degraded=True), {2}),
        (ExperimentFilter(degraded=False), {1, 3, 4}),
        (ExperimentFilter(failed=True), {4}),
        (ExperimentFilter(failed=False), {1, 2, 3}),
        (ExperimentFilter(instance_id="i-0a1", shadow=False, failed=False), {1}),
    ],
)
def test_the_history_is_filtered(store: Store, where: ExperimentFilter, found: set[int]) -> None:
    stay = make.verdict(make.candidates(2), decision=Decision.STAY, chosen=None)
    recorded(store, created_at=at(1))
    recorded(
        store,
        created_at=at(2),
        instance=make.instance("i-0b2"),
        verdict=stay,
        model="advisor-lgbm@1.1.0",
        degraded=("prices 3 h old",),
    )
    recorded(store, created_at=at(3), model="baseline@1", shadow=True)
    store.ledger.record(make.failed_experiment(created_at=at(4)))

    assert {line.experiment_id for line in store.ledger.list(where)} == found
    assert store.ledger.count(where) == len(found)


def test_kept_counts_are_those_of_the_rows(store: Store) -> None:
    rng, retention = random.Random(5), SqlRetention(store.engine)
    (rule,) = (each for each in RULES if each.what == "decisions")

    def some_filter() -> ExperimentFilter:
        choices = {
            "decision": Decision,
            "model": ("advisor-lgbm", "advisor-lgbm@1.1.0", "baseline@1", "%"),
            "shadow": (True, False),
            "degraded": (True, False),
            "failed": (True, False),
            "accounts": (("production",), ("acme", "production"), ()),
        }
        return ExperimentFilter(
            **{
                name: rng.choice(list(values))
                for name, values in choices.items()
                if rng.random() < 0.4
            }
        )

    for number in range(60):
        account = rng.choice(("production", "acme"))
        experiment = rng.choice((make.experiment, make.experiment, make.failed_experiment))(
            created_at=make.NOW - timedelta(days=rng.uniform(0, 200)),
            instance=make.instance(f"{account}-{rng.randrange(3)}", account=account),
            model=rng.choice(("advisor-lgbm@1.0.0", "advisor-lgbm@1.1.0", "baseline@1")),
            shadow=rng.random() < 0.3,
            degraded=("prices 3 h old",) if rng.random() < 0.3 else (),
        )
        if experiment.verdict is not None and rng.random() < 0.5:
            stay = replace(experiment.verdict, decision=Decision.STAY)
            experiment = replace(experiment, verdict=stay)
        store.ledger.record(experiment)
        if number % 20 == 19:
            oldest = make.NOW - timedelta(days=150 - number)
            assert retention.delete_batch(rule, oldest, make.NOW) > 0
            for _ in range(20):
                where = some_filter()
                assert store.ledger.count(where) == len(store.ledger.list(where, limit=100)), where


def test_the_newest_of_each_instance_takes_one_query(store: Store) -> None:
    for minutes, name in ((1, "i-a"), (5, "i-a"), (2, "i-b"), (3, "i-a"), (5, "i-a")):
        recorded(store, created_at=at(minutes), instance=make.instance(name))
    statements: list[str] = []
    event.listen(
        store.engine,
        "before_cursor_execute",
        lambda *call: statements.append(call[2]) if "FROM" in call[2] else None,
    )

    newest = store.ledger.latest_per_instance()

    assert {name: line.experiment_id for name, line in newest.items()} == {"i-a": 5, "i-b": 3}
    assert len(statements) == 1
    assert newest["i-b"] == store.ledger.list(ExperimentFilter(instance_id="i-b"))[0]


def test_the_last_switch_is_no_shadow_and_no_stay(store: Store) -> None:
    stay = make.verdict(make.candidates(2), decision=Decision.STAY, chosen=None)
    assert store.ledger.last_switch_at("i-0a1") is None

    recorded(store, created_at=at(1))
    recorded(store, created_at=at(2))
    recorded(store, created_at=at(3), verdict=stay)
    recorded(store, created_at=at(4), shadow=True)
    recorded(store, created_at=at(5), instance=make.instance("i-0b2"))

    assert store.ledger.last_switch_at("i-0a1") == at(2)
    names = ("i-0a1", "i-0b2", "i-none", *(f"i-{number}" for number in range(1000)))
    assert store.ledger.last_switches(names) == {"i-0a1": at(2), "i-0b2": at(5)}


def test_several_are_recorded_in_one_transaction_or_not_at_all(store: Store) -> None:
    fleet = [make.instance(f"i-{number}") for number in range(3)]
    store.fleet.sync("acme", fleet)
    made = [
        make.experiment(instance=each, created_at=at(minutes)) for minutes, each in enumerate(fleet)
    ]
    with pytest.raises(InvalidInput):
        store.ledger.record_all([*made, make.experiment(created_at=NAIVE)])
    assert store.ledger.count() == 0

    assert store.ledger.record_all([]) == []
    numbers = store.ledger.record_all(made)
    assert numbers == sorted(set(numbers))
    for number, experiment, instance in zip(numbers, made, fleet, strict=True):
        assert store.ledger.get(number) == replace(experiment, experiment_id=number)
        evaluated = store.fleet.instance(instance.instance_id).last_evaluated_at
        assert evaluated == experiment.created_at


NAIVE = datetime(2026, 11, 3, 9, 30)  # noqa: DTZ001 (what must be refused)


@pytest.mark.parametrize(
    "experiment",
    [
        make.experiment(created_at=NAIVE),
        make.experiment(instance=make.instance(launched_at=NAIVE)),
        make.experiment(candidates=(make.candidate(sources=(make.provenance(event_time=NAIVE),)),)),
    ],
    ids=["created_at", "launched_at", "source"],
)
def test_a_time_without_a_zone_is_refused(store: Store, experiment: Experiment) -> None:
    with pytest.raises(InvalidInput, match="2026-11-03T09:30:00 has no time zone"):
        store.ledger.record(experiment)
    assert store.ledger.count() == 0


def test_a_number_that_json_does_not_know_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="infinite or NaN"):
        store.ledger.record(make.experiment(policy=PolicyParams(cooldown_h=inf)))
    assert store.ledger.count() == 0


def test_a_filter_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="no time zone"):
        store.ledger.list(ExperimentFilter(since=NAIVE))
