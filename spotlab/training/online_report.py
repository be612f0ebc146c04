"""The part of an evaluation about online forecasts: figures, weights, running losses and regret."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from spotlab.inference.online.aggregation import MAX_ROW_RATE, RATE
from spotlab.inference.online.forecaster import OnlineForecaster
from spotlab.inference.online.nodes import LEVELS
from spotlab.training.evaluation_report import MODEL, assess
from spotlab.training.scores import brier

FloatArray = NDArray[np.float64]
Document = dict[str, Any]

ONLINE: Final = "online"
_FROZEN: Final = "frozen"
"""Name of the frozen model where MODEL is the forecast that is assessed."""
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class OnlineRows:
    """Online forecasts of the rows that an evaluation scores.

    Args:
        probability: (n,) the online forecasts.
        experts: (n,) forecasts of each expert by name: MODEL and the rules, without recalibrations.
        outcome: (n,) 0 or 1.
        blocks: (n,) block of each row; intervals draw whole blocks.
        time_order: (n,) a number that rises with the time of the forecast; None: all at one time.
        share: (n,) part of a horizon from one row of the pool to the next.
        groups: (n,) masks by name.
    """

    probability: FloatArray
    experts: Mapping[str, FloatArray]
    outcome: FloatArray
    blocks: NDArray[np.generic]
    time_order: FloatArray | None
    share: FloatArray
    groups: Sequence[tuple[str, NDArray[np.bool_]]]


def online_document(
    rows: OnlineRows, forecasters: Mapping[str, OnlineForecaster], *, seed: int
) -> Document:
    """Document of online forecasts: `{metrics, difference, weights, regret, ...}`.

    Differences are the online forecast's figure minus the other's, paired on the same rows.

    Args:
        rows: the forecasts, with all that they are compared with.
        forecasters: by the name of what each forecast, as they are after the last row.
        seed: of the bootstrap.
    """
    accepted = ~np.isnan(rows.experts[MODEL])
    outcome, probability = rows.outcome[accepted], rows.probability[accepted]
    experts = {name: values[accepted] for name, values in rows.experts.items()}
    assessed = assess(
        outcome,
        probability,
        rows.blocks[accepted],
        {_FROZEN if name == MODEL else name: values for name, values in experts.items()},
        [(name, mask[accepted]) for name, mask in rows.groups],
        seed=seed,
    )
    return {
        "metrics": assessed["metrics"],
        "reliability": assessed["reliability"],
        "difference": {
            MODEL if name == _FROZEN else name: row["model_minus_baseline"]
            for name, row in assessed["baselines"].items()
        },
        "subgroups": [
            group | {"best_rule": _best_rule(experts, outcome, mask[accepted])}
            for group, (_, mask) in zip(
                assessed["subgroups"],
                [(n, m) for n, m in rows.groups if m[accepted].any()],
                strict=True,
            )
        ],
        "weights": [
            {"of": name} | _weights(forecaster) for name, forecaster in forecasters.items()
        ],
        "losses": {
            name: _rounded(brier(outcome, values))
            for name, values in {**experts, ONLINE: probability}.items()
        },
        "running_losses": _running_losses(rows, experts, accepted),
        "regret": _regret(
            rows,
            experts,
            accepted,
            assessed["baselines"],
            sum(each.regret_bound for each in forecasters.values()),
        ),
    }


def _best_rule(
    experts: Mapping[str, FloatArray], outcome: FloatArray, mask: NDArray[np.bool_]
) -> Document | None:
    rules = {
        name: brier(outcome[mask], values[mask])
        for name, values in experts.items()
        if name != MODEL
    }
    if not rules:
        return None
    best = min(rules, key=lambda name: rules[name])
    return {"name": best, "brier": _rounded(rules[best])}


def _weights(forecaster: OnlineForecaster) -> Document:
    """Weight of each expert, with and without its recalibrations, at the end.

    `pools` has each pool's weights; a pool follows its family, region and task until its own rows
    say otherwise.
    """
    tree = forecaster.tree
    longest = np.full(len(tree.of_pool), tree.horizons_h[-1])
    nodes = tree.rows(np.arange(len(tree.of_pool)), longest)
    weights = forecaster.aggregation.weights(nodes)
    names = [tree.names[node] for node in tree.of_pool[:, LEVELS.index("pool")]]
    return {
        "horizon_h": tree.horizons_h[-1],
        "experts": _named(forecaster.experts, weights.mean(axis=0)),
        "pools": {
            name: _named(forecaster.experts, row) for name, row in zip(names, weights, strict=True)
        },
    }


def _named(names: Sequence[str], weights: FloatArray) -> Document:
    return {name: _rounded(weight) for name, weight in zip(names, weights, strict=True)}


def _running_losses(
    rows: OnlineRows, experts: Mapping[str, FloatArray], accepted: NDArray[np.bool_]
) -> Document | None:
    """Mean squared error of each expert from the first row up to the end of each block."""
    if rows.time_order is None:
        return None
    order = np.argsort(rows.time_order[accepted], kind="stable")
    blocks, outcome = rows.blocks[accepted][order], rows.outcome[accepted][order]
    last = np.r_[np.flatnonzero(blocks[1:] != blocks[:-1]), len(blocks) - 1]
    every = {**experts, ONLINE: rows.probability[accepted]}
    return {"rows": (last + 1).tolist()} | {
        name: [
            _rounded(value)
            for value in (np.cumsum((values[order] - outcome) ** 2)[last] / (last + 1))
        ]
        for name, values in every.items()
    }


def _regret(
    rows: OnlineRows,
    experts: Mapping[str, FloatArray],
    accepted: NDArray[np.bool_],
    differences: Mapping[str, Any],
    bound: float,
) -> Document:
    """Regret against the rule with the lowest Brier score on these rows, and what bounds it.

    `weighted` is the sum over rows of rate * (loss of the forecast - loss of the rule); `bound` is
    its upper bound if every outcome were known before the next forecast.
    """
    best = _best_rule(experts, rows.outcome[accepted], np.ones(int(accepted.sum()), dtype=bool))
    if best is None:
        return {"best_rule": None, "reason": "the model's card has no simple rules"}
    outcome = rows.outcome[accepted]
    excess = (rows.probability[accepted] - outcome) ** 2 - (experts[best["name"]] - outcome) ** 2
    rate = np.minimum(RATE * rows.share[accepted], MAX_ROW_RATE)
    return {
        "best_rule": best["name"],
        "best_rule_brier": best["brier"],
        "brier": differences[best["name"]]["model_minus_baseline"]["brier"],
        "weighted": _rounded(float((rate * excess).sum())),
        "bound": _rounded(bound),
        "bound_assumes": "every outcome is known before the next forecast; delays add to it",
    }


def _rounded(value: float) -> float | None:
    return round(float(value), _DIGITS) if math.isfinite(value) else None
