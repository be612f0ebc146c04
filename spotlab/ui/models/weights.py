"""Weights and running losses of the forecasters that live capacity forecasts combine."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.online_weights import COMBINATION, ONLINE, OnlineWeights, Standing, pool_label
from spotlab.services import card_facts
from spotlab.training.evaluation_report import MODEL
from spotlab.ui.common import export, formatting, tables, widgets
from spotlab.ui.common.tables import Column

ALL: Final = "all"
LEAST_SHOWN: Final = 0.001
"""A smaller weight says nothing to a person."""
PART_WORDS: Final = {
    "base_rate": "base rate (climatology)",
    COMBINATION: "regression of all",
    ONLINE: "▸ combined online (used)",
}


def show(weights: OnlineWeights | None, now: datetime) -> None:
    """Shows how much each forecaster counts in the task and in each pool, and how good it was.

    Args:
        weights: of the live market; None: nothing was learnt yet.
        now: aware UTC.
    """
    st.header("Live capacity forecasts", anchor=False)
    if weights is None:
        widgets.empty(
            "No live forecast of capacity has been judged in this market yet.",
            "turn on launch probes (SPOTLAB_LAUNCH_PROBES_A_DAY), or wait if they are on: a pool's "
            "first day is its history, and weights are learnt every hour after it.",
        )
        return
    _show_lag(weights)
    by_horizon = {_key(each): each for each in weights.standings if not each.pool}
    names = {key: _horizon(each.horizon_h) for key, each in by_horizon.items()}
    with st.columns(2)[0]:
        key = widgets.pick_one("Horizon", names, "horizon") or ALL
    chosen = by_horizon[key]
    st.caption(
        f"{_judged(chosen)} Learnt {formatting.ago(weights.at, now)}. A weight includes the "
        "forecaster's recalibrations; its loss is that of the forecaster as it is."
    )
    tables.show(
        expert_rows(weights, chosen), _expert_columns(), name="Weights", key=f"weights-{key}"
    )
    if weights.pools:
        st.caption(
            f"{formatting.count(len(weights.pools), 'pool')} with launches or probes, at all "
            "horizons together. A pool without any follows its family, region and the task."
        )
        tables.show(
            pool_rows(weights), _pool_columns(), name="Weights by pool", key="weights-pools"
        )
    export.offer(lambda: exported(weights), "online-weights", "weights-file")


def _show_lag(weights: OnlineWeights) -> None:
    words = formatting.plain(weights.lag.words(weights.model))
    if weights.lag.behind is None:
        st.info(words, icon=":material/hourglass_empty:")
    elif weights.lag.behind:
        st.warning(words, icon=":material/warning:")
    else:
        st.success(words, icon=":material/check_circle:")


def _key(standing: Standing) -> str:
    return ALL if standing.horizon_h is None else f"{standing.horizon_h:g}"


def _horizon(horizon_h: float | None) -> str:
    if horizon_h is None:
        return "all horizons"
    return f"{horizon_h * 60:g} min" if horizon_h < 1.0 else f"{horizon_h:g} h"


def _judged(standing: Standing) -> str:
    if not standing.rows:
        return "No forecast of this horizon has been judged: probes are too far apart for it."
    return (
        f"{formatting.count(standing.rows, 'judged forecast')}, "
        f"{formatting.moment(standing.first_at)} to {formatting.moment(standing.last_at)}; "
        f"capacity was lost in {formatting.percent(standing.base_rate)} of them."
    )


def expert_rows(weights: OnlineWeights, standing: Standing) -> pd.DataFrame:
    """One row per forecaster of a standing, in the order of its weight; the forecast first."""
    experts = sorted(
        standing.experts, key=lambda each: 2.0 if each.weight is None else each.weight, reverse=True
    )
    return pd.DataFrame(
        {
            "expert": [_name(each.name, weights.model) for each in experts],
            "weight": [each.weight for each in experts],
            "loss": [each.loss for each in experts],
        }
    ).astype({"weight": "float64", "loss": "float64"})


def _name(expert: str, model: str) -> str:
    return model if expert == MODEL else PART_WORDS.get(expert, card_facts.readable(expert))


def _share(weight: float) -> str:
    below = "< " if weight < LEAST_SHOWN else ""
    return below + formatting.percent(max(weight, LEAST_SHOWN))


def pool_rows(weights: OnlineWeights) -> pd.DataFrame:
    """One row per pool: its losses, and the forecaster that counts most there."""
    rows = []
    for each in weights.pools:
        counted = [expert for expert in each.experts if expert.weight is not None]
        first = max(counted, key=lambda expert: expert.weight or 0.0)
        rows.append(
            {
                "pool": pool_label(each.pool),
                "rows": each.rows,
                "first": _name(first.name, weights.model),
                "weight": first.weight,
                "online": each.of(ONLINE).loss,
                "model": each.of(MODEL).loss,
                "base_rate": each.of("base_rate").loss if "base_rate" in weights.experts else None,
            }
        )
    losses = dict.fromkeys(("weight", "online", "model", "base_rate"), "float64")
    return pd.DataFrame(rows).astype(losses)


def _expert_columns() -> dict[str, Column]:
    return {
        "expert": Column("forecaster", width="medium"),
        "weight": Column(
            "weight",
            _share,
            "Its share in a new forecast, its recalibrations included. “—”: it is the forecast.",
            number=True,
        ),
        "loss": Column(
            "running loss",
            card_facts.number,
            "Mean squared error of its forecasts so far: 0 is perfect. “—”: none was judged.",
            number=True,
        ),
    }


def _pool_columns() -> dict[str, Column]:
    def loss(label: str) -> Column:
        about = "Mean squared error so far. “—”: none was judged."
        return Column(label, card_facts.number, about, number=True)

    return {
        "pool": Column("pool", width="medium"),
        "rows": Column("judged", "{:,}".format, number=True),
        "first": Column("counts most"),
        "weight": Column("its weight", _share, number=True),
        "online": loss("loss, combined"),
        "model": loss("loss, champion"),
        "base_rate": loss("loss, base rate"),
    }


def exported(weights: OnlineWeights) -> export.Table:
    """Every weight and loss as a file: one row per standing and forecaster."""
    headers = {
        "pool": "Pool",
        "horizon_h": "Horizon, h",
        "rows": "Judged forecasts",
        "first_at": "From",
        "last_at": "To",
        "base_rate": "Base rate",
        "expert": "Forecaster",
        "weight": "Weight",
        "loss": "Running loss",
    }
    frame = pd.DataFrame(_long(weights.standings), columns=list(headers))
    frame["expert"] = [weights.model if each == MODEL else each for each in frame["expert"]]
    return export.Table(
        frame=frame,
        caption=f"Live capacity forecasts in the {weights.market} market, {weights.at:%Y-%m-%d}",
        headers=headers,
        digits={"base_rate": 3, "weight": 3, "loss": 4},
        notes=(
            weights.lag.words(weights.model),
            "An empty pool is the whole task, an empty horizon all of them.",
        ),
    )


def _long(standings: Sequence[Standing]) -> list[tuple[object, ...]]:
    return [
        (
            each.pool,
            each.horizon_h,
            each.rows,
            each.first_at,
            each.last_at,
            each.base_rate,
            expert.name,
            expert.weight,
            expert.loss,
        )
        for each in standings
        for expert in each.experts
    ]
