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
    whole: bool = False


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
class Searched:
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
    first: Settings,
    score: Callable[[Settings], float],
    budget: Budget,
    *,
    seed: int,
    step: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Searched:
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
    _refuse_bad_input(space, first, budget)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict(first))
    distributions = {name: _distribution(span) for name, span in space.items()}
    ends = None if budget.minutes is None else clock() + 60.0 * budget.minutes
    made: list[Trial] = []
    while len(made) < budget.trials and not (made and ends is not None and clock() >= ends):
        step(_told(made, budget))
        asked = study.ask(distributions)
        settings = {name: asked.params[name] for name in space}
        value = float(score(settings))
        study.tell(asked, value)
        made.append(Trial(len(made), settings, value))
    best = min(made, key=lambda trial: (trial.score, trial.number))
    return Searched(best, tuple(made), "trials" if len(made) == budget.trials else "minutes")


def _told(made: list[Trial], budget: Budget) -> str:
    so_far = f", best {min(trial.score for trial in made):.4f}" if made else ""
    return f"Searching settings: trial {len(made) + 1} of {budget.trials}{so_far}"


def _distribution(span: Range) -> BaseDistribution:
    from optuna.distributions import FloatDistribution, IntDistribution

    if span.whole:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(span.low, span.high, log=span.log)


def _refuse_bad_input(space: Mapping[str, Range], first: Settings, budget: Budget) -> None:
    if budget.trials < 1:
        raise InvalidInput(f"A search of {budget.trials} trials.", remedy="Allow at least one.")
    for name, span in space.items():
        if name not in first or not span.low <= first[name] <= span.high:
            raise InvalidInput(
                f"A search begins with {name} = {first.get(name)}.",
                remedy=f"Begin within {span.low} to {span.high}.",
            )
