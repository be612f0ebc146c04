"""The switches as a headline, rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd

from spotlab.domain.switch_timeline import STATE_LABELS, totals
from spotlab.domain.switches import Switch, SwitchState
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

MAX_ROWS: Final = 200
NOT_KNOWN: Final = "not known yet"
_MARKS: Final = {
    SwitchState.REQUESTED: "◆",
    SwitchState.APPROVED: "▶",
    SwitchState.RUNNING: "▶",
    SwitchState.PAUSED: "▲",
    SwitchState.ROLLING_BACK: "◀",
    SwitchState.DONE: "●",
    SwitchState.NEEDS_ATTENTION: "■",
}
MARKS: Final = {state: f"{_MARKS.get(state, '○')} {STATE_LABELS[state]}" for state in SwitchState}
"""A state as a shape and words, readable without colour."""
COLUMN_NAMES: Final = (
    "instance",
    "state",
    "step",
    "from",
    "requested",
    "got",
    "requested_at",
    "by",
    "saved",
)


def headline(switches: Sequence[Switch]) -> str:
    """How many run, wait and need attention, and what was really saved."""
    found = totals(switches)
    need = "needs" if found.attention == 1 else "need"
    wait = "waits" if found.waiting == 1 else "wait"
    head = (
        f"{formatting.count(found.running, 'switch', 'switches')} in progress, {found.waiting} "
        f"{wait} for approval, {found.attention} {need} attention"
    )
    if not found.known:
        return f"{head}; saving {NOT_KNOWN}" if found.unknown else f"{head}; nothing saved so far"
    verb = "saved" if found.saved_usd >= 0 else "cost"
    digits = 2 if abs(found.saved_usd) >= 0.005 else 4
    return f"{head}; {verb} {abs(found.saved_usd):,.{digits}f} USD so far"


def small_print(switches: Sequence[Switch]) -> str:
    """What the saving counts."""
    found = totals(switches)
    counted = formatting.count(found.known, "finished switch", "finished switches")
    text = f"Savings are from billed hours and prices of {counted}, not estimates"
    return f"{text}; {NOT_KNOWN} for {found.unknown} more." if found.unknown else f"{text}."


def saved(switch: Switch) -> str:
    """What a switch has really saved, with the sign; `not known yet` until it is known."""
    if switch.dry_run or switch.state is not SwitchState.DONE:
        return formatting.UNKNOWN
    if switch.realised is None:
        return NOT_KNOWN
    value = switch.realised.saving_usd
    return f"{value:+,.4f} USD".replace("-", formatting.MINUS)


def rows(switches: Sequence[Switch]) -> pd.DataFrame:
    """One row per switch, in the order given."""
    return pd.DataFrame([_row(each) for each in switches], columns=COLUMN_NAMES)


def _row(switch: Switch) -> dict[str, object]:
    got = switch.got
    return {
        "instance": switch.name or switch.instance_id,
        "state": MARKS[switch.state] + (" (dry run)" if switch.dry_run else ""),
        "step": switch.step.value.replace("_", " ") if switch.step and switch.open else None,
        "from": formatting.place(switch.pool, switch.lifecycle),
        "requested": formatting.place(switch.requested.pool, switch.requested.lifecycle),
        "got": formatting.place(got.pool, got.lifecycle) if got else None,
        "requested_at": switch.requested_at,
        "by": switch.requested_by,
        "saved": saved(switch),
    }


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """The columns of the table of switches."""
    colours = {MARKS[state]: colour(state, palette) for state in SwitchState}
    return {
        "instance": Column("instance", help="Name tag, or the instance id.", width=150),
        "state": Column(
            "state",
            colour=lambda text: colours.get(text.removesuffix(" (dry run)"), palette.quiet),
            width=165,
        ),
        "step": Column("step", help="Of a switch that is not finished."),
        "requested_at": Column("requested", at(now, formatting.ago)),
        "from": Column("from"),
        "requested": Column("to, as requested"),
        "got": Column("got", help="What was launched. “—”: nothing yet."),
        "by": Column("by"),
        "saved": Column(
            "saved",
            help="From billed hours and prices. “—”: not finished, or a dry run.",
            number=True,
        ),
    }


def colour(state: SwitchState, palette: Palette) -> str:
    """The colour of a state."""
    return {
        SwitchState.DONE: palette.good,
        SwitchState.APPROVED: palette.move,
        SwitchState.RUNNING: palette.move,
        SwitchState.REQUESTED: palette.warn,
        SwitchState.PAUSED: palette.warn,
        SwitchState.ROLLING_BACK: palette.warn,
        SwitchState.NEEDS_ATTENTION: palette.bad,
    }.get(state, palette.quiet)
