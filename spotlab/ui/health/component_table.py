"""The headline, table and export of component states."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.components import DEGRADED, DOWN, HEALTHY, MEANINGS, UNKNOWN, needed_by
from spotlab.domain.uptime import MAX_HOLD, Rate
from spotlab.monitoring.health.report import ComponentHealth, Health, Slot
from spotlab.ui.common import export, formatting
from spotlab.ui.common.theme import Palette

COLOURS: Final = {HEALTHY: "green", DEGRADED: "orange", DOWN: "red"}
WIDTHS: Final = (4.7, 1.1, 1.8, 1.8, 2.2)
SUCCESS_RATE: Final = "success rate"
LATENCY: Final = "p50, p95 · p99"
UPTIME: Final = "uptime"
HEADS: Final = (
    ("component, state and reason", ""),
    (
        SUCCESS_RATE,
        "Share of its work that succeeded in 24 h: collections, listings, evaluations and jobs; "
        "for the app servers, requests with a status below 500, without those of monitoring. For "
        "a component without recorded work: share of probes to which it responded.",
    ),
    (
        LATENCY,
        "Latency of successful work in 24 h: 50, 95 or 99 % of the values are at or below it "
        "(nearest rank). For requests: time until the response begins, at most 5 % too high.",
    ),
    (
        UPTIME,
        "Share of the known time of the last 24 h in which recorded probes found it healthy or "
        "degraded. A probe is valid until the next one, at most "
        f"{MAX_HOLD.total_seconds():.0f} s. Time without a valid probe is unknown, and counts "
        "neither as up nor as down.",
    ),
    ("24 h", "One bar per half hour: colour and height show the worst state; a gap is unknown."),
)
_HEIGHTS: Final = {HEALTHY: 8, DEGRADED: 15, DOWN: 22}
_SLOT_PX, _HEIGHT_PX = 4, 24


def states(health: Health) -> list[str]:
    """The state of each component."""
    return [part.state.state for part in health.components]


def headline(health: Health) -> str:
    """How many components work, and which do not."""
    states = [part.state for part in health.components]
    failing = [s for s in states if s.state in (DOWN, DEGRADED)]
    unknown = [s for s in states if s.state == UNKNOWN]
    total = formatting.count(len(states), "component")
    if not failing and not unknown:
        return f"All {total} are healthy"
    problems = [f"{s.name} is {s.state}" for s in sorted(failing, key=lambda s: s.state != DOWN)]
    if unknown:
        problems.append(f"{formatting.listed([s.name for s in unknown])} unknown")
    healthy = len(states) - len(failing) - len(unknown)
    return f"{healthy} of {total} healthy: {formatting.listed(problems)}"


def small_print(health: Health) -> str:
    """When components were probed, and how many probes are recorded."""
    if health.unread:
        return f"Probed at most 15 s ago. The recorded probes cannot be read: {health.unread}"
    if not health.probes:
        return (
            "Probed at most 15 s ago, and again every 30 s. No probe was recorded in the last "
            "24 h, so uptime is unknown: the scheduler records one every 30 s while it runs."
        )
    return (
        f"Probed at most 15 s ago, and again every 30 s; {health.probes:,} probes recorded in 24 h."
    )


def show(health: Health, palette: Palette) -> None:
    """One row per component."""
    for column, (text, help_text) in zip(st.columns(WIDTHS), HEADS, strict=True):
        column.caption(
            text,
            help=help_text or None,
            text_alignment="right" if text in (SUCCESS_RATE, LATENCY, UPTIME) else "left",
        )
    for part in health.components:
        _show_row(part, health, palette)


def _show_row(part: ComponentHealth, health: Health, palette: Palette) -> None:
    state, done = part.state, part.done
    row = st.columns(WIDTHS, vertical_alignment="center")
    with row[0]:
        badge = f":{COLOURS.get(state.state, 'gray')}-badge[{formatting.state_mark(state.state)}]"
        st.markdown(
            f"{badge} **{state.name}** {formatting.plain(state.reason)}{_consequence(part)}"
        )
        st.caption(
            f"last success: {formatting.ago(part.last_success_at, health.now)}",
            help=formatting.moment(part.last_success_at),
        )
    row[1].markdown(
        f"{formatting.percent(done.rate.success)}{_small(successes(done.rate))}",
        help=None if done.rate.total else "No attempt in 24 h.",
        text_alignment="right",
    )
    p50, p95, p99 = (formatting.milliseconds(value) for value in done.latency_ms)
    row[2].markdown(
        p50 + _small(f"{p95} · {p99}" if done.measured else ""),
        help=None
        if done.measured
        else "No latency was measured: it was not used, or its state is known from its heartbeats.",
        text_alignment="right",
    )
    row[3].markdown(
        f"{share(part.uptime.up)}{_small(f'{share(part.uptime.unknown)} unknown')}",
        help=None if part.uptime.up is not None else "No probe of the last 24 h found its state.",
        text_alignment="right",
    )
    text = f"{state.name}, 24 h: {_hours_by_state(part.slots)}"
    with row[4]:
        st.image(sparkline(text, part.slots, palette), width=len(part.slots) * _SLOT_PX, alt=text)


def share(value: float | None) -> str:
    """A share in percent, with two digits near 0 and 100 %; never rounded to either end.

    >>> share(0.99987), share(0.99999), share(0.00001), share(1.0), share(0.5), share(None)
    ('99.98 %', '99.99 %', '0.01 %', '100 %', '50 %', '—')
    """
    if value is None:
        return formatting.UNKNOWN
    if value in (0, 1) or 0.02 < value < 0.98:
        return f"{100 * value:.0f} %"
    rounded = math.ceil if value < 0.5 else math.floor
    return f"{rounded(round(value * 10_000, 6)) / 100:.2f} %"


def successes(rate: Rate) -> str:
    """`412 of 415`; "" without an attempt."""
    return f"{rate.ok:,} of {rate.total:,}" if rate.total else ""


def sparkline(text: str, slots: Sequence[Slot], palette: Palette) -> str:
    """A day as bars, an SVG: a taller bar is a worse state, no bar is unknown.

    Args:
        text: alternative text for screen readers.
        slots: half hours, oldest first.
        palette: of the theme.
    """
    bars = "".join(
        f'<rect x="{number * _SLOT_PX}" y="{_HEIGHT_PX - _HEIGHTS[slot.state]}" '
        f'width="{_SLOT_PX - 1}" height="{_HEIGHTS[slot.state]}" '
        f'fill="{palette.of_state(slot.state)}"/>'
        for number, slot in enumerate(slots)
        if slot.state in _HEIGHTS
    )
    width = len(slots) * _SLOT_PX
    text = html.escape(text)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{text}" width="{width}" '
        f'height="{_HEIGHT_PX + 1}" viewBox="0 0 {width} {_HEIGHT_PX + 1}"><title>{text}</title>'
        f'<rect x="0" y="{_HEIGHT_PX}" width="{width}" height="1" fill="{palette.line}"/>'
        f"{bars}</svg>"
    )


def exported(health: Health) -> export.Table:
    """The rows as a file."""
    headers = {
        "part": "Component",
        "state": "State",
        "reason": "Reason",
        "last_success": "Last success (UTC)",
        "worked": "Succeeded",
        "failed": "Failed",
        "p50_ms": "p50 (ms)",
        "p95_ms": "p95 (ms)",
        "p99_ms": "p99 (ms)",
        "up_percent": "Up (% of known time)",
        "unknown_percent": "Unknown (% of 24 h)",
    }
    return export.Table(
        frame=pd.DataFrame([_row(part) for part in health.components], columns=list(headers)),
        caption=f"Health of SpotLab's components, 24 h until {formatting.moment(health.now)}",
        headers=headers,
        digits={name: 2 for name in headers if name.endswith(("_ms", "_percent"))},
        notes=(
            "Up: share of the known time in which probes found it healthy or degraded; a probe "
            f"is valid until the next one, at most {MAX_HOLD.total_seconds():.0f} s.",
            "Percentiles of successful work, by nearest rank.",
        ),
    )


def _row(part: ComponentHealth) -> dict[str, object]:
    p50, p95, p99 = part.done.latency_ms
    up_share = part.uptime.up
    return {
        "part": part.state.name,
        "state": part.state.state,
        "reason": part.state.reason,
        "last_success": formatting.moment(part.last_success_at) if part.last_success_at else None,
        "worked": part.done.rate.ok,
        "failed": part.done.rate.failed,
        "p50_ms": p50,
        "p95_ms": p95,
        "p99_ms": p99,
        "up_percent": None if up_share is None else 100 * up_share,
        "unknown_percent": 100 * part.uptime.unknown,
    }


def _consequence(part: ComponentHealth) -> str:
    """What a component that is not healthy is for, and what stops or degrades without it."""
    if part.state.state == HEALTHY:
        return ""
    if part.state.state != DOWN:
        return f" {MEANINGS[part.state.name]}"
    stopped = [need.component for need in needed_by(part.state.name) if need.stops]
    degraded = [need for need in needed_by(part.state.name) if not need.stops]
    sentences = [MEANINGS[part.state.name]]
    if stopped:
        sentences.append(f"Without it, these stop: {', '.join(stopped)}.")
    sentences += [need.without for need in degraded[:1]]
    return " " + " ".join(sentences)


def _small(text: str) -> str:
    """A second, smaller line."""
    return f"  \n:small[:gray[{text}]]" if text else ""


def _hours_by_state(slots: Sequence[Slot]) -> str:
    counts = {state: sum(slot.state == state for slot in slots) for state in (*_HEIGHTS, UNKNOWN)}
    return ", ".join(f"{count / 2:g} h {state}" for state, count in counts.items() if count)
