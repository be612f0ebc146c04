"""The controls of the What-if page: one for each setting, with today's value marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from spotlab.domain.policy_parameters import Unit
from spotlab.domain.what_if import KNOBS, Changes, Knob, Part
from spotlab.errors import InvalidInput

Values = Mapping[str, tuple[float, ...]]
TODAY: Final = "today"
EACH_WORKLOADS: Final = "as each workload says"
CURVE: Final = "curve"
"""Query parameter with the setting that the curve is drawn over."""
_ONE_TWO_FIVE: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
_FACTORS: Final = (1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 50, 100)
_HALF_LIVES: Final = (0.1, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12)
_CAUSES: Final = (
    *("rebalance", "capacity", "sibling", "placement"),
    *("family", "price", "spread", "advisor"),
)
STEPS: Final[Mapping[str, tuple[float, ...]]] = {
    "risk_ceiling": (
        *(0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.0075, 0.008, 0.0085, 0.009),
        *(0.01, 0.012, 0.015, 0.02, 0.05, 0.1, 1),
    ),
    "min_saving_fraction": (0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1),
    "interruption_usd": (0, *_ONE_TWO_FIVE),
    "horizon_h": (1, 3, 6, 12, 24, 48, 72, 168, 336, 730),
    "memory_tolerance": (0, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5),
    "min_saving_usd_per_hour": (0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    "cooldown_h": (0, 1, 2, 3, 6, 12, 24, 48, 72, 168),
    "hysteresis_fraction": (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5),
    "max_avoided_interruption_usd": (0, 10, 25, 50, 100, 250, 500, 1000, 2500, 10_000, 1e9),
    "ceiling_hysteresis_fraction": (0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1),
    "max_arrivals_share": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1),
    "max_spread_cost_fraction": (0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1),
    "switch_downtime_h": (0, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
    "expected_stay_h": (1, 6, 12, 24, 48, 72, 168, 336, 730),
    "max_price_age_h": (1, 3, 6, 12, 24, 48, 72, 168),
    "capacity_forecast_share": (0, 0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 0.75, 1),
    "signal_exclusion_min": (0, 5, 15, 30, 60, 120, 360, 1440),
    **{
        f"{cause}_{value}": steps
        for cause in _CAUSES
        for value, steps in (("factor", _FACTORS), ("half_life_h", _HALF_LIVES))
    },
    "joint_loss_share": (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.92, 0.95, 0.99),
    "joint_loss_half_life_min": (1, 2, 3, 5, 10, 15, 30, 60),
    "advisor_half_life_h": (6, 12, 24, 48, 72, 168, 336, 720),
}
"""Values that a slider offers, beside today's and the one in the URL."""
_UNDO_PX: Final = 16
_FIRST: Final = ("risk_ceiling", "min_saving_fraction")
_YES_NO: Final = {"allow": ("allowed", "not allowed"), "": ("required", "not required")}


def show(today: Values, subject: str) -> Changes:
    """The controls, in the URL.

    Args:
        today: the different values of each setting, see WhatIfService.today.
        subject: the instance's id, or "" for the fleet; part of the widgets' keys.
    Returns:
        What differs from today's settings.
    """
    changes = changes_in_url(today)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(_how_many(changes), width="stretch")
        st.button(
            "Reset",
            icon=":material/restart_alt:",
            on_click=_reset,
            args=tuple(changes.as_dict()),
            disabled=not changes.as_dict(),
            key="what-if reset",
        )
    st.markdown("**Policy**")
    _show_controls(_FIRST, today, changes, subject)
    st.markdown("**Workload**")
    _show_controls(_of(Part.WORKLOAD), today, changes, subject)
    st.markdown("**Equal hardware**")
    hardware = _of(Part.HARDWARE)
    _show_controls(hardware[:4], today, changes, subject)
    with st.expander("More settings"):
        others = [name for name in _of(Part.POLICY) if name not in _FIRST]
        _show_controls([*others, *hardware[4:]], today, changes, subject)
    return changes


def changes_in_url(today: Values) -> Changes:
    """The changes that the URL names; parameters that are not valid are removed from it."""
    found: dict[str, Any] = {}
    for name, knob in KNOBS.items():
        text = st.query_params.get(name)
        value = None if text is None else _parsed(name, knob, text)
        if value is None or (value,) == today.get(name):
            st.query_params.pop(name, None)
        else:
            found[name] = bool(value) if knob.unit is Unit.YES_NO else value
    return Changes(**found)


def numeric() -> dict[str, str]:
    """Labels of the settings that a curve can be drawn over, by name."""
    return {name: KNOBS[name].label for name in STEPS}


def curve_values(name: str, today: Values, changes: Changes) -> list[float]:
    """The values at which the curve over a setting is computed, lowest first."""
    chosen = changes.as_dict().get(name)
    own = today.get(name, ())
    return sorted({*STEPS[name], *(own if len(own) == 1 else ()), *([chosen] if chosen else [])})


def _of(part: Part) -> list[str]:
    return [name for name, knob in KNOBS.items() if knob.part is part]


def _parsed(name: str, knob: Knob, text: str) -> float | None:
    if knob.unit is Unit.YES_NO:
        return {"yes": 1.0, "no": 0.0}.get(text)
    try:
        value = float(text)
        changed: dict[str, Any] = {name: value}
        Changes(**changed)
    except (ValueError, InvalidInput):
        return None
    return value


def _show_controls(
    names: list[str] | tuple[str, ...], today: Values, changes: Changes, subject: str
) -> None:
    for name in names:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _show_control(name, today.get(name, ()), changes.as_dict().get(name), subject)
            if name in changes.as_dict():
                st.button(
                    ":material/undo:",
                    type="tertiary",
                    help=f"{KNOBS[name].label}: back to today's value",
                    on_click=_reset,
                    args=(name,),
                    key=f"what-if undo {name}",
                )
            else:
                st.space(_UNDO_PX)  # the slider keeps its width when the button appears


def _show_control(name: str, today: tuple[float, ...], chosen: float | None, subject: str) -> None:
    knob, widget = KNOBS[name], f"what-if {name} {subject}"
    choice = TODAY if chosen is None else _choice_of(knob, chosen)
    if st.session_state.get(widget) != choice:
        st.session_state[widget] = choice
    options = _options(name, today, chosen)

    def label(option: str) -> str:
        return _label(name, today, option)

    if knob.unit is Unit.YES_NO:
        st.segmented_control(
            knob.label,
            options,
            format_func=label,
            required=True,
            help=knob.meaning,
            key=widget,
            on_change=_write_to_url,
            args=(name, widget),
        )
    else:
        st.select_slider(
            knob.label,
            options,
            format_func=label,
            help=knob.meaning,
            key=widget,
            on_change=_write_to_url,
            args=(name, widget),
        )


def _options(name: str, today: tuple[float, ...], chosen: float | None) -> list[str]:
    """The choices in the order of their values; today's value is the choice TODAY."""
    knob = KNOBS[name]
    steps = (1.0, 0.0) if knob.unit is Unit.YES_NO else STEPS[name]
    values = {*steps, *([chosen] if chosen is not None else [])}
    ordered = sorted(values | {*today} if len(today) == 1 else values)
    if knob.unit is Unit.YES_NO:
        ordered.reverse()
    if len(today) == 1:
        return [TODAY if value == today[0] else _choice_of(knob, value) for value in ordered]
    return [TODAY, *(_choice_of(knob, value) for value in ordered)]


def _choice_of(knob: Knob, value: float) -> str:
    if knob.unit is Unit.YES_NO:
        return "yes" if value else "no"
    return f"{value:.10g}"


def _label(name: str, today: tuple[float, ...], choice: str) -> str:
    knob = KNOBS[name]
    if choice == TODAY and len(today) != 1:
        return EACH_WORKLOADS
    if knob.unit is Unit.YES_NO:
        value = today[0] if choice == TODAY else float(choice == "yes")
        text = _YES_NO["allow" if name.startswith("allow") else ""][0 if value else 1]
    else:
        text = knob.text(today[0] if choice == TODAY else float(choice))
    return f"{text} (today)" if choice == TODAY else text


def _how_many(changes: Changes) -> str:
    count = len(changes.as_dict())
    if not count:
        return "Today's settings. Move a slider to see what would be decided."
    return f"{count} setting{'s' * (count > 1)} changed."


def _write_to_url(name: str, widget: str) -> None:
    choice = st.session_state[widget]
    if choice == TODAY:
        st.query_params.pop(name, None)
    else:
        st.query_params[name] = choice
    if name in STEPS:
        st.query_params[CURVE] = name


def _reset(*names: str) -> None:
    for name in names:
        st.query_params.pop(name, None)
