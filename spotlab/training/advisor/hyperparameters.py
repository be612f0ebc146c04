"""Looking for better settings within a budget, with Optuna.

What is searched is judged by a validation score that the caller passes in: grouped or purged, never
on rows that test. The settings there are already are the first trial, so a search cannot end worse
on that score; whether it is better on rows that nothing was chosen on is for the caller to measure.

Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) is seeded and trials run
one after the other: a search that trials bound is the same every time. One that minutes bound
stops where the machine had got to, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from spotlab.errors import InvalidInput

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Settings = Mapping[str, float]
DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a setting may take.

    Args:
        low, high: both included.
        log: equal factors are equally far apart, as for a learning rate.
        whole: whole numbers only.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a search may go on.

    Args:
        trials: at most so many, at least 1.
        minutes: no trial is begun after so many; None: as long as the trials take.
    """

    trials: int
    minutes: float | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One set of settings and its validation score; lower is better."""

    number: int
    settings: Settings
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Args:
        best: the trial with the lowest score; of equals the earlier.
        trials: in the order they were made.
        ended_by: "trials", or "minutes" where the clock stopped it: then a second run may differ.
    """

    best: Trial
    trials: tuple[Trial, ...]
    ended_by: Literal["trials", "minutes"]

    def as_document(self) -> dict[str, Any]:
        """For a model card."""
        return {
            "trials": len(self.trials),
            "ended_by": self.ended_by,
            "best": self.best.number,
            "table": [
                {"settings": dict(trial.settings), "score": round(trial.score, DIGITS)}
                for trial in self.trials
            ],
        }


def search(
    space: Mapping[str, Range],
    initial: Settings,
    score: Callable[[Settings], float],
    budget: Budget,
    *,
    seed: int,
    step: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Try settings, the given ones first, until the budget is used up.

    Args:
        space: what each setting may be.
        first: settings to begin with, one a name of `space`.
        score: of settings, on validation rows; lower is better; the same for the same settings.
        budget: when to stop.
        seed: of the sampler.
        step: told before each trial; may raise Cancelled.
        clock: seconds, for the minutes.
    Raises:
        InvalidInput: no trial is allowed, or `first` lacks a setting or is outside of its range.
    """
    _validate(space, initial, budget)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict(initial))
    distributions = {name: _distribution(span) for name, span in space.items()}
    deadline_s = None if budget.minutes is None else clock() + 60.0 * budget.minutes
    trials: list[Trial] = []
    while len(trials) < budget.trials and not (trials and deadline_s is not None and clock() >= deadline_s):
        step(_progress_text(trials, budget))
        suggestion = study.ask(distributions)
        settings = {name: suggestion.params[name] for name in space}
        value = float(score(settings))
        study.tell(suggestion, value)
        trials.append(Trial(len(trials), settings, value))
    best = min(trials, key=lambda trial: (trial.score, trial.number))
    return SearchResult(best, tuple(trials), "trials" if len(trials) == budget.trials else "minutes")


def _progress_text(trials: list[Trial], budget: Budget) -> str:
    so_far = f", best {min(trial.score for trial in trials):.4f}" if trials else ""
    return f"Searching settings: trial {len(trials) + 1} of {budget.trials}{so_far}"


def _distribution(span: Range) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if span.integer:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(span.low, span.high, log=span.log)


def _validate(space: Mapping[str, Range], initial: Settings, budget: Budget) -> None:
    if budget.trials < 1:
        raise InvalidInput(f"A search of {budget.trials} trials.", remedy="Allow at least one.")
    for name, span in space.items():
        if name not in initial or not span.low <= initial[name] <= span.high:
            raise InvalidInput(
                f"A search begins with {name} = {initial.get(name)}.",
                remedy=f"Begin within {span.low} to {span.high}.",
            )
