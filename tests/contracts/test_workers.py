"""The workers' contract, on processes of this machine and on a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from distributed import Future
from distributed.scheduler import KilledWorker

from spotlab.errors import Cancelled, InvalidSetting, NotAvailable
from spotlab.processes.dask_pool import DaskWorkers, reply_of
from spotlab.processes.process_pool import FailedItem, ProcessWorkers, Workers, core_count
from tests.support import toys
from tests.support.dask_cluster import dask_cluster

NOTHING_LISTENS = "tcp://127.0.0.1:1"


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_cluster(tmp_path_factory.mktemp("dask")) as cluster:
        yield cluster.address


@pytest.fixture(params=["processes", "dask"])
def workers(request: pytest.FixtureRequest) -> Workers:
    if request.param == "processes":
        return ProcessWorkers(2)
    return DaskWorkers(request.getfixturevalue("scheduler"))


def never() -> bool:
    return False


def test_every_item_is_done_once(workers: Workers) -> None:
    done: list[tuple[str, float]] = []
    items = {f"e{exponent}": exponent for exponent in range(-20, 20)}

    failed = workers.run(toys.power, 1.1, items, lambda *pair: done.append(pair), never)

    assert failed == []
    assert len(done) == len(items)
    assert dict(done) == {name: 1.1**exponent for name, exponent in items.items()}


def test_no_items_are_no_work(workers: Workers) -> None:
    assert workers.run(toys.power, 1.1, {}, lambda *_: pytest.fail("no item"), never) == []


def test_what_an_item_raises_is_its_answer(workers: Workers) -> None:
    done: dict[str, int] = {}
    items = {str(number): number for number in range(5)}

    failed = workers.run(toys.refuse_odd, None, items, done.__setitem__, never)

    assert done == {"0": 0, "2": 2, "4": 4}
    assert failed == [
        FailedItem("1", "1 is odd. Use 2."),
        FailedItem("3", "ZeroDivisionError: 3 is odd"),
    ]


def test_a_worker_that_is_killed_loses_only_its_item(workers: Workers, tmp_path: Path) -> None:
    done: dict[str, int] = {}
    items = {str(number): number for number in range(6)}

    failed = workers.run(toys.die_once, tmp_path, items, done.__setitem__, never)

    assert failed == []
    assert done == {name: number * 10 for name, number in items.items()}
    assert len(list(tmp_path.glob("2.*"))) == 2, "it was tried again"


def test_an_item_that_kills_its_worker_every_time_is_given_up(workers: Workers) -> None:
    done: dict[str, int] = {}
    items = {str(number): number for number in range(4)}

    (failed,) = workers.run(toys.always_die_at_2, None, items, done.__setitem__, never)

    assert failed.name == "2"
    assert "died" in failed.reason
    assert done == {"0": 0, "1": 10, "3": 30}


def test_a_result_that_was_lost_with_its_worker_is_asked_for_again() -> None:
    class Lost:
        status = "finished"

        def result(self) -> bytes:
            raise KilledWorker("spotlab-1", None, 0)  # type: ignore[arg-type]

    assert reply_of(cast("Future[Any]", Lost())) is None


def test_a_wish_to_stop_keeps_what_was_delivered(workers: Workers) -> None:
    done: dict[str, float] = {}
    items = {str(number): number for number in range(500)}
    with pytest.raises(Cancelled):
        workers.run(toys.power, 2.0, items, done.__setitem__, lambda: len(done) >= 3)
    assert 3 <= len(done) < len(items)
    assert all(done[name] == 2.0 ** items[name] for name in done)


def test_what_the_caller_raises_ends_the_run(workers: Workers) -> None:
    def full(_name: str, _result: float) -> None:
        raise NotAvailable("The disk is full.")

    with pytest.raises(NotAvailable, match="disk is full"):
        workers.run(toys.power, 2.0, {"a": 1, "b": 2}, full, never)


def test_workers_that_cannot_read_what_items_share_are_reported(workers: Workers) -> None:
    with pytest.raises(NotAvailable, match="cannot be prepared: Only process"):
        workers.run(toys.power, toys.Unloadable(), {"a": 1}, lambda *_: None, never)


def test_processes_use_one_thread_each() -> None:
    done: dict[str, tuple[int, str]] = {}
    items = {str(number): number for number in range(20)}
    ProcessWorkers(2).run(toys.where, None, items, done.__setitem__, never)
    assert {threads for _, threads in done.values()} == {"1"}
    assert len({pid for pid, _ in done.values()}) <= 2
    assert core_count() >= 1


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    nobody = DaskWorkers(NOTHING_LISTENS, connect_timeout_s=0.2)
    with pytest.raises(NotAvailable, match=NOTHING_LISTENS) as caught:
        nobody.run(toys.power, 2.0, {"a": 1}, lambda *_: None, never)
    assert "dask scheduler" in caught.value.remedy


@pytest.mark.parametrize("address", ["127.0.0.1:8786", "tcp://here", "http://127.0.0.1:8786"])
def test_an_address_of_no_scheduler_is_refused(address: str) -> None:
    with pytest.raises(InvalidSetting, match="SPOTLAB_DASK_SCHEDULER"):
        DaskWorkers(address)


def test_a_cluster_that_cannot_go_on_says_why(tmp_path: Path) -> None:
    def run(workers: DaskWorkers, asked: Callable[[], bool] = never) -> None:
        workers.run(toys.power, 2.0, {"a": 1}, lambda *_: None, asked)

    with dask_cluster(tmp_path, workers=0) as cluster:
        with pytest.raises(NotAvailable, match="has no worker") as caught:
            run(DaskWorkers(cluster.address, worker_timeout_s=0.1))
        assert f"dask worker {cluster.address}" in caught.value.remedy

        def kill_it() -> bool:
            cluster.process.kill()
            return False

        with pytest.raises(NotAvailable, match="was lost"):
            run(DaskWorkers(cluster.address), kill_it)
