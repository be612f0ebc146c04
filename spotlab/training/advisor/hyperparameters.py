"""Hyperparameter search within a budget, with Optuna.

The caller provides the validation score: grouped or purged, never on test rows. The present
settings are the first trial, so the best score is never worse than theirs. Whether the result is
better on rows that were not used for the choice is for the caller to measure.

Optuna's tree-structured Parzen estimator (Bergstra et al., NeurIPS 2011) is seeded and trials run
one after the other, so a search limited by trials is reproducible. The result of a search limited
by minutes depends on the speed of the machine; `SearchResult.ended_by` tells which limit applied.
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
    """Range of a setting.

    Args:
        low, high: both included.
        log: sample on a logarithmic scale, as for a learning rate.
        integer: integers only.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a search.

    Args:
        trials: largest number of trials, at least 1.
        minutes: time after which no trial is started; None: no limit.
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
    """Result of a search.

    Args:
        best: trial with the lowest score; the earlier one if scores are equal.
        trials: in order.
        ended_by: limit that ended the search; after "minutes", a second run may differ.
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
    """Try settings until the budget is used up.

    Args:
        space: range of each setting.
        initial: settings of the first trial, one for each name in `space`.
        score: of settings, on validation rows; lower is better; deterministic.
        budget: limits of the search.
        seed: of the sampler.
        step: called before each trial; may raise Cancelled.
        clock: time in seconds, for the limit in minutes.
    Raises:
        InvalidInput: no trial is allowed, or a setting of `initial` is missing or out of range.
    """
    _validate(space, initial, budget)
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial(dict(initial))
    distributions = {name: _distribution(span) for name, span in space.items()}
    deadline_s = None if budget.minutes is None else clock() + 60.0 * budget.minutes
    trials: list[Trial] = []
    while len(trials) < budget.trials and not (
        trials and deadline_s is not None and clock() >= deadline_s
    ):
        step(_progress_text(trials, budget))
        suggestion = study.ask(distributions)
        settings = {name: suggestion.params[name] for name in space}
        value = float(score(settings))
        study.tell(suggestion, value)
        trials.append(Trial(len(trials), settings, value))
    best = min(trials, key=lambda trial: (trial.score, trial.number))
    return SearchResult(
        best, tuple(trials), "trials" if len(trials) == budget.trials else "minutes"
    )


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
        raise InvalidInput(
            f"A search of {budget.trials} trials is not possible.", remedy="Allow at least one."
        )
    for name, span in space.items():
        if name not in initial or not span.low <= initial[name] <= span.high:
            raise InvalidInput(
                f"The initial value of {name} is {initial.get(name)}.",
                remedy=f"Start with a value from {span.low} to {span.high}.",
            )
