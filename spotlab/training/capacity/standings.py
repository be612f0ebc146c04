"""Weights and running losses of the experts of online forecasts, and whether the champion lags."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.online_weights import COMBINATION, ONLINE, ExpertStanding, Lag, Standing
from spotlab.inference.online.nodes import ASLEEP, LEVELS, TASK, IntArray
from spotlab.training.capacity.online import OnlineRows
from spotlab.training.evaluation_report import MODEL

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

BLOCK_H: Final = 48.0
"""Labels reach up to a day ahead, so that neighbouring days share outcomes."""
MIN_BLOCKS: Final = 5
LEVEL: Final = 0.05
"""Chance that some rule seems better although none is, if blocks are independent."""


def standings(rows: OnlineRows, pools: Sequence[str], started_at: datetime) -> tuple[Standing, ...]:
    """The experts for the task, at all horizons and each, and for each pool at all horizons.

    Args:
        rows: judged forecasts.
        pools: key of each column of the panel.
        started_at: time of the panel's first tick, aware UTC.
    """
    losses = (np.column_stack([rows.experts, rows.probability]) - rows.outcome[:, None]) ** 2
    tree = rows.forecaster.tree
    of_task = np.full(len(LEVELS), ASLEEP)
    of_task[0] = tree.names.index(TASK)
    asleep = np.full(len(LEVELS), ASLEEP)
    judged: Mask = np.isfinite(losses.sum(axis=1))

    def standing(pool: str, horizon_h: float | None, mask: Mask, nodes: IntArray) -> Standing:
        chosen = mask & judged
        count = int(chosen.sum())
        at = [started_at + timedelta(hours=float(h)) for h in rows.at_h[chosen]] if count else []
        return Standing(
            pool,
            horizon_h,
            count,
            min(at, default=None),
            max(at, default=None),
            float(rows.outcome[chosen].mean()) if count else None,
            _experts(rows, losses[chosen], nodes),
        )

    found = [standing("", None, np.ones_like(judged), np.r_[of_task, asleep])]
    for number, horizon_h in enumerate(tree.horizons_h):
        own = np.where(of_task == ASLEEP, ASLEEP, of_task + (1 + number) * len(tree.names))
        mask = rows.horizon_h == horizon_h
        found.append(standing("", horizon_h, mask, np.r_[of_task, own]))
    for column, pool in enumerate(pools):
        nodes = np.r_[tree.of_pool[column], asleep]
        found.append(standing(pool, None, rows.pool == column, nodes))
    return tuple(found)


def _experts(rows: OnlineRows, losses: FloatArray, nodes: IntArray) -> tuple[ExpertStanding, ...]:
    weights = rows.forecaster.aggregation.weights(nodes[None, :])[0]
    mean = losses.mean(axis=0) if len(losses) else np.full(losses.shape[1], math.nan)
    found = []
    for name, loss in zip(rows.names, mean, strict=False):
        weight = _weight(rows, weights, name)
        found.append(ExpertStanding(name, weight, _known(loss)))
    found.append(ExpertStanding(COMBINATION, _weight(rows, weights, COMBINATION), None))
    return (*found, ExpertStanding(ONLINE, None, _known(mean[-1])))


def _weight(rows: OnlineRows, weights: FloatArray, name: str) -> float:
    """The weight of an expert and of its recalibrations, or of the combinations of all."""
    of_name = [
        each == name or each.startswith((f"{name}, ", f"{name} by "))
        for each in rows.forecaster.experts
    ]
    return float(weights[of_name].sum())


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def lag(rows: OnlineRows, started_at: datetime) -> Lag:
    """Whether the champion's running loss is behind that of a simple rule by more than chance.

    Losses are compared on the same rows, whatever their horizon. Blocks of two days count as
    independent; the limit is that of Student's t at LEVEL, divided by the number of rules, because
    the best of them is chosen afterwards.

    Args:
        rows: judged forecasts, in any order.
        started_at: time of the panel's first tick, aware UTC.
    """
    since_epoch_h = started_at.timestamp() / 3600.0
    block = ((rows.at_h + since_epoch_h) // BLOCK_H).astype(np.int64)
    losses = (rows.experts - rows.outcome[:, None]) ** 2
    judged = np.isfinite(losses.sum(axis=1))
    rules = [name for name in rows.names if name != MODEL]
    if not rules or not judged.any():
        return Lag("", None, None, None, 0, None, None)
    losses, block = losses[judged], block[judged]
    known_h = (rows.at_h + rows.horizon_h)[judged]
    champion = rows.names.index(MODEL)
    best = min(rules, key=lambda name: float(losses[:, rows.names.index(name)].mean()))
    excess = losses[:, champion] - losses[:, rows.names.index(best)]
    blocks = np.unique(block)
    least = _least(excess, block, len(rules))
    since_h = None
    for end_h in (blocks[::-1] + 1) * BLOCK_H - since_epoch_h:
        until = known_h <= end_h
        earlier = _least(excess[until], block[until], len(rules))
        if earlier is None or earlier <= 0.0:
            break
        since_h = min(float(end_h), float(known_h.max()))
    behind = None if least is None else least > 0.0
    return Lag(
        rule=best,
        champion_loss=float(losses[:, champion].mean()),
        rule_loss=float(losses[:, rows.names.index(best)].mean()),
        least=least,
        blocks=len(blocks),
        behind=behind,
        since=started_at + timedelta(hours=since_h) if behind and since_h is not None else None,
    )


def _least(excess: FloatArray, block: NDArray[np.int64], rules: int) -> float | None:
    """Lower end of the interval of the mean; None: there are too few blocks."""
    from scipy.special import stdtrit  # imported here: takes 0.1 s, not needed at start-up

    _, number = np.unique(block, return_inverse=True)
    count = np.bincount(number).astype(np.float64)
    if len(count) < MIN_BLOCKS:
        return None
    mean = float(excess.mean())
    residual = np.bincount(number, excess) - mean * count
    variance = float((residual**2).sum()) * len(count) / (len(count) - 1)
    limit = float(stdtrit(len(count) - 1, 1.0 - LEVEL / rules))
    return mean - limit * math.sqrt(variance) / len(excess)
