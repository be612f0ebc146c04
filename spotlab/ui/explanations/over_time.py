"""The risk of a pool over time: the curve with its interval, what moved it, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np
import streamlit as st

from spotlab.domain.decision import Candidate
from spotlab.domain.hazard_curve import SHOWN_HORIZONS_H
from spotlab.domain.risk_curve import CurvePoint, RiskCurve, risk_curve
from spotlab.ui import charts
from spotlab.ui.charts.risk_curve import LEAST_SHOWN
from spotlab.ui.common.formatting import percent, plain
from spotlab.ui.common.theme import palette

_DRAWN_H: Final = tuple(float(each) for each in np.geomspace(0.5, 720.0, 40))
_NAMES: Final = dict(zip(SHOWN_HORIZONS_H, ("1 h", "6 h", "24 h", "30 d"), strict=True))


def headline(candidate: Candidate | None, model_headline: str) -> str:
    """The risk with the evidence, if that moves it; else what the model says."""
    if candidate is None or candidate.evidence is None or not candidate.evidence.moves:
        return model_headline
    curve = risk_curve(candidate, [720.0])
    month = percent(curve.points[0].risk) if curve is not None else "an unknown risk"
    return (
        f"{candidate.pool.label}: {percent(candidate.risk)} risk of interruption within "
        f"{candidate.horizon_h:g} h after recent evidence, {month} a month"
    )


def show(candidate: Candidate, decided_at: datetime) -> None:
    """The curve of a candidate as it was decided about."""
    shown, drawn = risk_curve(candidate), risk_curve(candidate, _DRAWN_H)
    if shown is None or drawn is None:
        return
    st.header(plain(f"Risk of {candidate.pool.label} over time"), anchor=False)
    st.markdown("\n".join(f"- {plain(each)}" for each in sentences(shown, decided_at)))
    st.plotly_chart(
        charts.risk_over_time(drawn, palette(), horizon_h=candidate.horizon_h),
        config=charts.CONFIG,
        key="risk-over-time",
        alt=" ".join(_point(each) for each in shown.points),
    )
    st.caption("Both axes are logarithmic. The band is the 95 % interval.")


def sentences(curve: RiskCurve, decided_at: datetime) -> list[str]:
    """The risks, and what moved them since when."""
    risks = ", ".join(_point(each) for each in curve.points)
    found = [f"Risk within {risks}."]
    for part in curve.parts:
        since = decided_at - timedelta(hours=part.age_h)
        what = part.detail or f"{part.cause}"
        found.append(
            f"Moved by {what} at {since:%Y-%m-%d %H:%M} UTC: at the decision, {part.effect}."
        )
    if not curve.parts:
        found.append("No recent evidence moves it: the hazard is the long-run one.")
    return found


def _point(point: CurvePoint) -> str:
    name = _NAMES.get(point.horizon_h, f"{point.horizon_h:g} h")
    low = "under 0.001 %" if point.low < LEAST_SHOWN else percent(point.low)
    return f"{name}: {percent(point.risk)} ({low} to {percent(point.high)})"
