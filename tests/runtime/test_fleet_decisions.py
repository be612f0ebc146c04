"""A run decides with the whole fleet in view, and records each decision once it is final."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from spotlab.domain.decision import Decision, Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.workload import AssignmentScope
from spotlab.errors import Cancelled
from spotlab.runtime import evaluation
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.lab import save_toy_model, small_lab
from tests.support.people import ANA

A, B = (Pool("us-east-1", f"us-east-1{letter}", "m6i.large") for letter in "ab")
RISKY = Pool("us-east-1", "us-east-1a", "m5.large")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        Services(opened, ANA).workloads.assign(
            AssignmentScope.ACCOUNT, "acme", "stateless-service", "for a test"
        )
        yield opened


def fleet(lab: Lab, pools: Sequence[Pool]) -> list[str]:
    """Replace the fleet by an instance on each of these pools; returns their ids."""
    ids = [f"i-{number:017x}" for number in range(len(pools))]
    lab.store.fleet.sync(
        "acme",
        [
            Instance(instance_id, "acme", pool, Lifecycle.SPOT)
            for instance_id, pool in zip(ids, pools, strict=True)
        ],
    )
    return ids


def targets(experiments: Sequence[Experiment]) -> Counter[str]:
    return Counter(
        each.verdict.chosen.pool.label
        for each in experiments
        if each.verdict is not None and each.verdict.chosen is not None
    )


def test_twelve_replicas_do_not_all_move_to_one_pool(lab: Lab) -> None:
    ids = fleet(lab, [RISKY] * 12)
    experiments = evaluate_instances(lab)
    assert [each.instance.instance_id for each in experiments] == ids
    assert targets(experiments) == {A.label: 6, B.label: 6}
    recorded = lab.store.ledger.latest_per_instance()
    for each in experiments:
        assert each.verdict is not None
        assert recorded[each.instance.instance_id].reason == each.verdict.reason
    said = [each.reason for each in recorded.values() if "Not its first choice" in each.reason]
    assert said
    assert any("of workload stateless-service run there" in reason for reason in said)


def test_one_instance_alone_finds_the_places_of_the_others_taken(lab: Lab) -> None:
    ids = fleet(lab, [A, A, RISKY, RISKY])
    (experiment,) = evaluate_instances(lab, ids[2:3])
    assert targets([experiment]) == {B.label: 1}
    assert A.key in experiment.unavailable
    free = fleet(lab, [A, RISKY, RISKY, RISKY])
    assert targets(evaluate_instances(lab, free[2:3])) == {A.label: 1}


def test_candidates_show_the_places_that_a_group_has_left(lab: Lab) -> None:
    ids = fleet(lab, [A, A, RISKY, RISKY])
    market = Services(lab, ANA).market
    instance = lab.store.fleet.instance(ids[2])
    ranking = market.rank(market.requirements_of(instance), instance=instance)
    assert ranking.candidate(0).pool == B
    taken = ranking.position_of(A)
    assert taken is not None
    assert ranking.candidate(taken).reasons[0] == (
        "Filtered out: left to other instances, to spread the fleet: 2 of 4 instances of workload "
        "stateless-service run there; at most 2 may share a pool (50 %)."
    )
    (experiment,) = evaluate_instances(lab, ids[2:3])
    assert experiment.dropped == ranking.dropped


@pytest.mark.parametrize("final", [1, 2, 3])
def test_a_stopped_run_keeps_what_is_final(
    lab: Lab, final: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "BATCH", 1)
    ids = fleet(lab, [RISKY, RISKY, A, RISKY])

    with pytest.raises(Cancelled, match=f"Stopped after {final} of 4 instances"):
        evaluate_instances(lab, None, None, lambda: lab.store.ledger.count() >= final)
    recorded = lab.store.ledger.latest_per_instance()
    assert len(recorded) == final
    assert recorded[ids[2]].decision is Decision.STAY, "moves are final after all others"


@pytest.mark.parametrize("batch", [2, 100])
def test_whenever_a_run_is_stopped_it_has_recorded_what_it_says(
    lab: Lab, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "BATCH", batch)
    fleet(lab, [RISKY, RISKY, A, RISKY])
    counts = []
    for moment in (0, 2, 5, 7):
        before, checks = lab.store.ledger.count(), count()
        with pytest.raises(Cancelled) as stopped:
            evaluate_instances(lab, None, None, lambda c=checks, m=moment: next(c) >= m)
        counts.append(lab.store.ledger.count() - before)
        assert f"Stopped after {counts[-1]} of 4 instances" in str(stopped.value)
    assert counts == sorted(counts)
    assert 0 == counts[0] < counts[-1]


def test_progress_only_grows(lab: Lab) -> None:
    fleet(lab, [A, RISKY, RISKY, RISKY])
    shares: list[float] = []
    evaluate_instances(lab, None, lambda _text, share: shares.append(share))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_losses_are_those_of_the_accounts_that_a_user_sees(lab: Lab) -> None:
    fleet(lab, [RISKY] * 6)
    evaluate_instances(lab)
    losses = Services(lab, ANA).instances.losses()
    assert (losses.fleet.before.largest, losses.fleet.after.largest) == (6, 3)
    assert set(losses.groups) == {"acme: workload stateless-service"}
    nobody = replace(ANA, accounts=frozenset({"zeta"}))
    assert Services(lab, nobody).instances.losses().fleet.before.instances == 0
