"""A fleet that is decided in parts by workers gets the same decisions, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain.decision import Experiment, Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.errors import Cancelled, NotAvailable
from spotlab.processes.dask_pool import DaskWorkers
from spotlab.processes.process_pool import ProcessWorkers, Workers
from spotlab.runtime import fleet_parts
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.fleet_parts import workers_for
from spotlab.runtime.lab import Lab
from spotlab.runtime.replay import open_experiment
from tests.support.dask_cluster import dask_cluster
from tests.support.lab import save_toy_model, small_lab

POOLS = [
    Pool("us-east-1", f"us-east-1{letter}", f"{family}.large")
    for letter in "ab"
    for family in ("m5", "m6i")
]


class Recording(ProcessWorkers):
    """Workers that note the parts."""

    def __init__(self) -> None:
        super().__init__(2)
        self.parts: dict[str, int] = {}

    def run(self, function: Any, shared: Any, items: Any, *rest: Any) -> Any:
        self.parts = {name: len(item) for name, item in items.items()}
        return super().run(function, shared, items, *rest)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    save_toy_model(tmp_path / "models")
    with small_lab(tmp_path / "home", tmp_path / "models") as opened:
        opened.store.fleet.sync(
            "acme",
            [
                Instance(
                    f"i-{number:017x}",
                    "acme",
                    POOLS[number % len(POOLS)],
                    Lifecycle.ON_DEMAND if number % 5 == 0 else Lifecycle.SPOT,
                )
                for number in range(30)
            ],
        )
        yield opened


def same(experiments: Sequence[Experiment], stored: Lab) -> list[Experiment]:
    """What does not depend on when and how fast decisions were made, as the ledger has it."""
    found = []
    for each in experiments:
        opened = open_experiment(stored, stored.store.ledger.get(each.experiment_id))
        found.append(
            replace(
                opened,
                experiment_id=0,
                created_at=experiments[0].created_at,
                duration_ms=0.0,
                stages=tuple(replace(stage, duration_ms=0.0) for stage in opened.stages),
                run=replace(opened.run, run_id=0) if opened.run else None,
            )
        )
    return found


def check(lab: Lab, workers: Workers) -> None:
    alone, parts = evaluate_instances(lab), evaluate_instances(lab, workers=workers)
    assert len({each.experiment_id for each in [*alone, *parts]}) == 60
    assert any(each.verdict and each.verdict.chosen for each in alone)
    expected, found = same(alone, lab), same(parts, lab)
    for one, other in zip(expected, found, strict=True):
        assert str(replace(other, created_at=one.created_at)) == str(one)


def test_processes_decide_as_one_process_does(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_parts, "PART", 12)
    workers = Recording()
    check(lab, workers)
    assert workers.parts == {
        "acme/us-east-1/0": 12,
        "acme/us-east-1/1": 12,
        "acme/us-east-1/2": 6,
    }


def test_a_dask_cluster_decides_as_one_process_does(lab: Lab, tmp_path: Path) -> None:
    with dask_cluster(tmp_path) as cluster:
        check(lab, DaskWorkers(cluster.address))


def test_a_large_fleet_goes_to_the_cluster_of_the_settings(lab: Lab) -> None:
    assert workers_for(lab, 10_000) is None
    lab.settings = lab.settings.model_copy(update={"dask_scheduler": "tcp://127.0.0.1:1"})
    assert workers_for(lab, fleet_parts.PARTITION_FROM - 1) is None
    assert isinstance(workers_for(lab, fleet_parts.PARTITION_FROM), DaskWorkers)


class Away(ProcessWorkers):
    """Workers that do not answer."""

    def run(self, *_: Any) -> Any:
        raise NotAvailable("no cluster")


def test_without_its_cluster_it_decides_itself(lab: Lab) -> None:
    assert len(evaluate_instances(lab, workers=Away())) == 30


def test_it_can_be_stopped(lab: Lab) -> None:
    with pytest.raises(Cancelled, match="after 0 of 30"):
        evaluate_instances(lab, cancelled=lambda: True, workers=ProcessWorkers(1))
    assert lab.store.ledger.count() == 0
