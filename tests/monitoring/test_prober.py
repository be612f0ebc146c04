"""Probes run in parallel with a time limit; unrecorded ones wait for the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import event

from spotlab.domain.components import COMPONENTS, DATABASE, ML_INFERENCE, REDIS_CACHE
from spotlab.domain.ports import ComponentState
from spotlab.monitoring.health.concurrent_probes import ConcurrentCalls
from spotlab.monitoring.health.database_watch import check_database
from spotlab.monitoring.health.prober import Prober, probe_all, prober_of
from spotlab.monitoring.health.readiness import ReadinessCheck
from spotlab.monitoring.health.report import read, read_day
from spotlab.runtime.lab import Lab
from tests.support.lab import DictStore, save_toy_model, small_lab
from tests.support.market import StillClock


class HungStore(DictStore):
    """An online store that does not answer before it is let go."""

    __slots__ = ("let_go",)

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def ping(self) -> float:
        self.let_go.wait(30)
        return 0.0


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture
def lab(tmp_path: Path, models: Path) -> Iterator[Lab]:
    made = small_lab(tmp_path, models)
    yield made
    made.close()


def break_database(lab: Lab) -> threading.Event:
    """Set: the database refuses."""
    broken = threading.Event()

    def refuse(*_: object) -> None:
        if broken.is_set():
            raise OSError("the test's database is stopped")

    event.listen(lab.store.engine, "begin", refuse)
    return broken


def test_every_part_has_a_state_and_a_reason(lab: Lab) -> None:
    states = probe_all(lab)
    assert tuple(state.name for state in states) == COMPONENTS
    assert all(state.reason for state in states)


def test_a_hung_part_keeps_no_other_waiting(tmp_path: Path, models: Path) -> None:
    online = HungStore()
    made = small_lab(tmp_path, models, online)
    made._process_state[Prober] = Prober(limit_s=0.3)
    threads = threading.active_count()
    began = monotonic()
    for _ in range(3):
        states = {state.name: state for state in probe_all(made)}
        assert states[REDIS_CACHE].state == "down"
        assert "No response within 0.3 s" in states[REDIS_CACHE].reason
        assert states[DATABASE].state == "healthy"
    assert monotonic() - began < 10
    assert threading.active_count() <= threads + 1
    online.let_go.set()
    made.close()


def test_a_model_that_loads_for_long_at_first_is_not_down(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state(prober: Prober, answer: ComponentState | None) -> tuple[str, str]:
        found = prober._state(lab, ML_INFERENCE, answer)
        return found.state, found.reason

    prober, broken, endless = Prober(), Prober(), Prober()
    loading = ("unknown", "Not probed yet: it is being loaded for the first time.")
    assert state(prober, None) == state(broken, None) == loading
    now = lab.clock.now()
    assert state(prober, ComponentState(ML_INFERENCE, "healthy", "", now, 1.0, now))[0] == "healthy"
    assert state(broken, ComponentState(ML_INFERENCE, "down", "", None, None, now))[0] == "down"
    assert state(prober, None) == state(broken, None) == ("down", "No response within 5 s.")
    assert state(endless, None) == loading
    monkeypatch.setattr("spotlab.monitoring.health.prober.LOADS_WITHIN_S", 0.0)
    assert state(endless, None) == ("down", "No response within 5 s.")


def test_probes_of_an_outage_of_the_database_are_recorded_afterwards(lab: Lab) -> None:
    clock, broken = lab.clock, break_database(lab)
    assert isinstance(clock, StillClock)
    assert check_database(lab)
    prober_of(lab).round(lab)
    broken.set()
    for _ in range(3):
        clock.forward(seconds=30)
        assert not check_database(lab)
    assert prober_of(lab).unrecorded == 3 * len(COMPONENTS)
    broken.clear()
    clock.forward(seconds=30)
    assert check_database(lab)
    prober_of(lab).round(lab)
    assert prober_of(lab).unrecorded == 0
    day = read_day(lab, DATABASE)
    assert [probe.state for probe in day.probes] == ["healthy", "down", "down", "down", "healthy"]
    assert len(day.failures) == 1
    assert "cannot be opened" in day.failures[0].reason
    assert read(lab).component(DATABASE).uptime.down_s == 90


def test_health_is_read_as_far_as_it_can_be_while_the_database_is_down(lab: Lab) -> None:
    break_database(lab).set()
    health = read(lab)
    assert health.component(DATABASE).state.state == "down"
    assert health.unread
    assert health.component(DATABASE).uptime.up is None


def test_an_unforeseen_error_of_a_probe_is_unknown(lab: Lab) -> None:
    asking: ConcurrentCalls[int] = ConcurrentCalls(5)
    answers = asking.ask({"a": lambda: 1, "b": lambda: 1 // 0})
    assert answers["a"] == 1
    assert isinstance(answers["b"], ZeroDivisionError)


def test_ready_while_database_and_model_answer(lab: Lab, models: Path) -> None:
    check = ReadinessCheck(lambda: lab)
    assert check.check().ready
    broken = break_database(lab)
    broken.set()
    found = check.check()
    assert not found.ready
    assert found.reasons[DATABASE] == "It does not respond."
    assert str(lab.settings.home) not in str(found.reasons)
