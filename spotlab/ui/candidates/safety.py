"""The price of safety: three candidates in boxes, compared with the instance's own pool."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import streamlit as st

from spotlab.domain.decision import Candidate, Instance, Lifecycle
from spotlab.pipeline.price_of_safety import Pick, Role, price_of_safety
from spotlab.pipeline.rank import Ranking
from spotlab.ui.common import formatting, links, widgets

EXTRA: Final = {"5": 0.05, "10": 0.1, "25": 0.25, "50": 0.5, "100": 1.0}
DEFAULT_EXTRA: Final = "25"
SHORT: Final = {Role.CHEAPEST: "cheapest", Role.SAFEST: "safest", Role.COMPROMISE: "compromise"}


def show(
    ranking: Ranking, instance: Instance | None, current: Candidate | None
) -> dict[str, Candidate]:
    """Three picks with price, risk and expected cost, and how they compare.

    Args:
        ranking: with at least one candidate.
        instance: that a pick would replace, if any.
        current: its own pool, if it was scored.
    Returns:
        The picks by a short word, for the chart.
    """
    on_demand = (
        ranking.scored.on_demand_usd_per_hour(instance.pool) if instance is not None else None
    )
    head, choice = st.columns([3, 1], vertical_alignment="bottom")
    with head:
        st.header("The price of safety", anchor=False)
    with choice:
        names = {key: f"{key} % more" for key in EXTRA}
        extra = widgets.pick_one("Safest for up to", names, "extra", default=DEFAULT_EXTRA)
    found = price_of_safety(
        ranking.candidates, EXTRA[extra or DEFAULT_EXTRA], below_usd_per_hour=on_demand
    )
    if found is None:
        return {}
    candidates = ranking.take([pick.position for pick in found.picks])
    for column, pick, candidate in zip(st.columns(3), found.picks, candidates, strict=True):
        with column, st.container(border=True, height="stretch"):
            st.caption(_title(pick, extra or DEFAULT_EXTRA))
            st.markdown(_numbers(candidate))
            facts = _facts(pick, candidate, ranking)
            own = _compared(candidate, instance, current, on_demand)
            st.caption("  \n".join(formatting.plain(text) for text in [*facts, own] if text))
            links.to(
                "explanations",
                f"Explain the {SHORT[pick.role]}",
                ":material/waterfall_chart:",
                **_parameters(candidate, instance),
            )
    st.caption(formatting.plain(" ".join(_method(ranking, on_demand))))
    return {
        SHORT[pick.role]: candidate for pick, candidate in zip(found.picks, candidates, strict=True)
    }


def _title(pick: Pick, extra: str) -> str:
    return {
        Role.CHEAPEST: "Cheapest",
        Role.SAFEST: f"Safest for up to {extra} % more",
        Role.COMPROMISE: "Best compromise",
    }[pick.role]


def _numbers(candidate: Candidate) -> str:
    return (
        f"**{formatting.plain(candidate.pool.label)}**  \n"
        f"**{formatting.usd_per_hour(candidate.spot_price_usd_per_hour)}** · risk "
        f"**{formatting.percent(candidate.risk)}** in {candidate.horizon_h:g} h"
    )


def _facts(pick: Pick, candidate: Candidate, ranking: Ranking) -> Iterator[str]:
    yield f"Expected cost {formatting.usd_finer(candidate.expected_cost_usd_per_hour)} USD/h."
    if pick.role is Role.CHEAPEST:
        return
    if pick.pays_off_from_usd is None:
        yield "The same pool as the cheapest."
        return
    yours = float(ranking.table["interruption_usd"].iloc[pick.position])
    yield (
        f"{formatting.percent(pick.more)} more than the cheapest, "
        f"{pick.times_safer:.1f} times safer; pays off if an interruption costs over "
        f"{pick.pays_off_from_usd:,.2f} USD (with this workload: {yours:,.2f})."
    )


def _compared(
    candidate: Candidate,
    instance: Instance | None,
    current: Candidate | None,
    on_demand: float | None,
) -> str:
    """The difference to what the instance costs and risks now."""
    if instance is None:
        return ""
    name = instance.name or "the instance"
    if instance.lifecycle is Lifecycle.ON_DEMAND:
        if on_demand is None:
            return f"The on-demand price of {name} is unknown."
        change = candidate.spot_price_usd_per_hour - on_demand
        return f"Compared with {name} now, on-demand: {formatting.usd(change, sign=True)} USD/h."
    if current is None:
        return f"Price or risk of {name} now is unknown."
    if candidate.pool == current.pool:
        return f"{name} runs here now."
    change = candidate.spot_price_usd_per_hour - current.spot_price_usd_per_hour
    return (
        f"Compared with {name} now: {formatting.usd(change, sign=True)} USD/h, risk "
        f"{formatting.percent(current.risk)} → {formatting.percent(candidate.risk)}."
    )


def _parameters(candidate: Candidate, instance: Instance | None) -> dict[str, str]:
    parameters = {"pool": candidate.pool.key}
    if instance is not None:
        parameters |= {"instance": instance.instance_id, "decision": "now"}
    return parameters


def _method(ranking: Ranking, on_demand: float | None) -> Iterator[str]:
    yield (
        "Best compromise: the lowest price × risk. Compared with it, a safer pool is dearer by a "
        "larger factor, and a cheaper one riskier by a larger factor."
    )
    limits = f"below the risk ceiling of {formatting.percent(ranking.policy.risk_ceiling)} in 24 h"
    if on_demand is not None:
        limits += f" and cost less than on-demand ({formatting.usd_per_hour(on_demand)})"
    yield f"All three are {limits}."
