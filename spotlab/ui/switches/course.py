"""The course of a switch: its steps with the point of no return, and its journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.switch_timeline import StepLine, StepState, facts, sentence, timeline
from spotlab.domain.switches import DRIVEN_STATES, JournalEntry, Phase, Switch
from spotlab.ui.common import formatting, session, tables, widgets
from spotlab.ui.common.tables import Column

_ICONS: Final = {
    StepState.DONE: ":green[:material/check_circle:]",
    StepState.RUNNING: ":blue[:material/play_circle:]",
    StepState.STOPPED: ":orange[:material/pause_circle:]",
    StepState.UNDONE: ":material/undo:",
    StepState.TO_COME: ":material/radio_button_unchecked:",
    StepState.NOT_REACHED: ":material/remove:",
}
_ACTIVE: Final = (StepState.RUNNING, StepState.STOPPED)
FAILED: Final = "✗"
LIVE_S: Final = 2.0
NO_RETURN: Final = "From here on nothing can be undone"


def show_live(switch: Switch) -> None:
    """The steps; while they are driven, their times move without a rerun of the page."""
    every = LIVE_S if switch.state in DRIVEN_STATES else None
    st.fragment(_show_now, run_every=every)(switch.switch_id)


def _show_now(switch_id: str) -> None:
    services = session.services().switches
    show_steps(services.get(switch_id), services.journal(switch_id), session.now())


def show_steps(switch: Switch, journal: Sequence[JournalEntry], now: datetime) -> None:
    """Each step: done, running with its time of the limit, or to come; the point of no return."""
    for line in timeline(switch, journal, now):
        if line.no_return:
            st.markdown(f":red[:material/block: **{NO_RETURN}**]", help="Until here, roll back.")
        st.markdown(f"{_ICONS[line.state]} {text(line)}", help=undo_text(line))
        if line.state in _ACTIVE and line.elapsed_s is not None:
            share = min(1.0, line.elapsed_s / line.rule.time_limit_s)
            st.progress(share, text=formatting.plain(line.rule.summary))


def text(line: StepLine) -> str:
    """`launch: done in 40 s`, `health: running, 12 s of at most 15 min`."""
    time = formatting.age(line.elapsed_s)
    limit = formatting.age(line.rule.time_limit_s)
    if line.state in _ACTIVE and line.elapsed_s is not None:
        return f"**{line.name}**: {line.state}, {time} of at most {limit}"
    if line.elapsed_s is not None:
        word = "in" if line.state is StepState.DONE else "after"
        return f"**{line.name}**: {line.state} {word} {time}"
    return f"**{line.name}**: {line.state}"


def undo_text(line: StepLine) -> str:
    """What the step does, and how it is undone."""
    rule = line.rule
    undo = rule.compensation or (
        "Nothing has to be undone." if rule.can_be_undone else "It cannot be undone."
    )
    return formatting.plain(f"{rule.summary} {undo}")


def show_journal(switch: Switch, journal: Sequence[JournalEntry]) -> None:
    """The journal in words, with the ids that were found, and as files."""
    if not journal:
        st.caption("Nothing has been done yet.")
        return
    columns = {
        "time": Column("time (UTC)", lambda value: f"{value:%H:%M:%S}", width=80),
        "what": Column("what", help=f"{FAILED}: a call failed.", width=330),
        "facts": Column("found", help="Double-click a cell to copy it.", width=330),
    }
    frame = rows(journal)
    tables.show(frame, columns, name="Journal", key="journal", max_rows=12)
    widgets.export(lambda: rows(journal), f"switch-{switch.switch_id}", "journal-file")


def rows(journal: Sequence[JournalEntry]) -> pd.DataFrame:
    """One row per entry, oldest first."""
    return pd.DataFrame(
        [
            {
                "seq": each.seq,
                "time": each.at,
                "step": each.step.value if each.step else None,
                "what": f"{FAILED} " * (each.phase is Phase.FAILED) + sentence(each),
                "facts": facts(each) or None,
                "attempt": each.attempt,
            }
            for each in journal
        ],
        columns=["seq", "time", "step", "what", "facts", "attempt"],
    )
