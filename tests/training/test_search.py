"""A search keeps to its budget, never ends worse than it began, and repeats itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotlab.errors import Cancelled, InvalidInput
from spotlab.training.advisor.hyperparameters import Budget, Range, SearchResult, Settings, search

SPACE = {"rate": Range(0.001, 1.0, log=True), "leaves": Range(4, 64, integer=True)}
FIRST = {"rate": 0.5, "leaves": 8}


def bowl(settings: Settings) -> float:
    """Lowest at a rate of 0.05 and 30 leaves."""
    return (settings["rate"] - 0.05) ** 2 + (settings["leaves"] - 30) ** 2 / 1000


def run(budget: Budget, seed: int = 3, steps: list[str] | None = None) -> SearchResult:
    steps = [] if steps is None else steps
    return search(SPACE, FIRST, bowl, budget, seed=seed, step=steps.append)


def test_it_starts_with_the_settings_there_are_and_ends_better() -> None:
    found = run(Budget(trials=15))

    assert found.trials[0].settings == FIRST
    assert found.best.score < found.trials[0].score
    assert found.best.score == min(bowl(trial.settings) for trial in found.trials)
    assert all(isinstance(trial.settings["leaves"], int) for trial in found.trials)
    assert found.ended_by == "trials"
    assert len(found.as_document()["table"]) == 15


def test_the_same_seed_makes_the_same_trials() -> None:
    assert run(Budget(trials=8)) == run(Budget(trials=8))
    assert run(Budget(trials=8)).trials != run(Budget(trials=8), seed=4).trials


def test_minutes_end_it_and_it_says_so() -> None:
    def clock() -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += 30.0

    ticks = clock()
    found = search(
        SPACE,
        FIRST,
        bowl,
        Budget(trials=50, minutes=2.0),
        seed=3,
        step=lambda text: None,
        clock=lambda: next(ticks),
    )

    assert found.ended_by == "minutes"
    assert 1 <= len(found.trials) <= 5


def test_one_trial_is_always_made() -> None:
    assert run(Budget(trials=3, minutes=0.0)).trials[0].settings == FIRST


def test_it_tells_what_it_does_and_stops_when_asked() -> None:
    steps: list[str] = []
    run(Budget(trials=2), steps=steps)

    def stop(text: str) -> None:
        raise Cancelled(text)

    assert steps[0] == "Searching settings: trial 1 of 2"
    assert steps[1].startswith("Searching settings: trial 2 of 2, best 0.6")
    with pytest.raises(Cancelled):
        search(SPACE, FIRST, bowl, Budget(trials=2), seed=1, step=stop)


@pytest.mark.parametrize(
    ("first", "trials", "match"),
    [(FIRST, 0, "0 trials"), ({"rate": 0.5}, 1, "leaves"), ({"rate": 2.0, "leaves": 8}, 1, "rate")],
    ids=["no trial", "a setting lacks", "out of range"],
)
def test_what_cannot_be_searched_is_refused(first: Settings, trials: int, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        search(SPACE, first, bowl, Budget(trials), seed=1, step=lambda text: None)
