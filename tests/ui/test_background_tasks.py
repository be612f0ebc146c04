"""Long work beside the page: progress, an end, a way out."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from spotlab.errors import Cancelled
from spotlab.ui.common import background_tasks

SOON_S = 10.0


def test_a_run_tells_its_progress_and_keeps_its_result() -> None:
    go_on = threading.Event()
    told = threading.Event()

    def work(tell: background_tasks.Progress, _stopped: Callable[[], bool]) -> int:
        tell("reading prices", 0.25)
        told.set()
        go_on.wait(SOON_S)
        return 42

    run = background_tasks.start("Collecting", work)
    assert told.wait(SOON_S)
    assert (run.text, run.share, run.finished) == ("reading prices", 0.25, False)
    go_on.set()
    assert run.wait(SOON_S)
    assert (run.result, run.error) == (42, None)


def test_a_run_stops_when_asked() -> None:
    def work(_tell: background_tasks.Progress, stopped: Callable[[], bool]) -> None:
        if run_may_look.wait(SOON_S) and stopped():
            raise Cancelled("Stopped after 1 of 4 instances.")

    run_may_look = threading.Event()
    run = background_tasks.start("Evaluating", work)
    run.stop()
    run_may_look.set()
    assert run.wait(SOON_S)
    assert run.stopping
    assert isinstance(run.error, Cancelled)


def test_a_run_that_fails_ends_with_its_error() -> None:
    def work(_tell: background_tasks.Progress, _stopped: Callable[[], bool]) -> None:
        raise ValueError("no")

    run = background_tasks.start("Evaluating", work)
    assert run.wait(SOON_S)
    assert isinstance(run.error, ValueError)
    assert run.result is None


@pytest.mark.parametrize(("share", "kept"), [(-0.1, 0.0), (0.5, 0.5), (1.7, 1.0)])
def test_progress_stays_within_the_bar(share: float, kept: float) -> None:
    run: background_tasks.Run[None] = background_tasks.Run("Evaluating")
    run.tell("deciding", share)
    assert run.share == kept
