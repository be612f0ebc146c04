"""Log lines as they come: filters, the tail, one line opened."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec
import pandas as pd
import streamlit as st

from spotlab.domain.access import Principal
from spotlab.services.logs import LEVELS, LogFilter, LogLine
from spotlab.telemetry.text import visible
from spotlab.ui.common import formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

LOOK_EVERY_S: Final = 2.0
KEPT: Final = 2_000
"""Lines that a session holds for its tail; a file has all."""
SHOWN: Final = 200
ERRORS: Final = 5
LATELY: Final = timedelta(minutes=5)
MARKS: Final = {"DEBUG": "·", "INFO": "○", "WARNING": "▲", "ERROR": "✕", "CRITICAL": "✕"}
"""A shape beside the word and the colour."""
_TAIL: Final = "log tail"


@dataclass(slots=True)
class Tail:
    """The newest lines that a filter leaves, oldest first.

    Args:
        where: the filter.
        newest_id: where to follow from.
        lines: at most KEPT.
        cut: whether there are older ones that are not held.
    """

    where: LogFilter
    newest_id: str
    lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=KEPT))
    cut: bool = False

    def lately(self, now: datetime) -> list[LogLine]:
        """Those of the last five minutes."""
        return [line for line in self.lines if now - line.time <= LATELY]


def ask() -> LogFilter:
    """One row of filters, in the URL."""
    row = st.columns([1.5, 2, 3, 2, 2], vertical_alignment="bottom")
    with row[0]:
        level = st.selectbox(
            "Level", LEVELS, index=None, key="level", bind="query-params", placeholder="all"
        )
    with row[1]:
        component = _text("Component", "component", "runtime, ui.errors, …")
    with row[2]:
        text = _text("Search", "q", "message, error, field")
    with row[3]:
        about = _text("Id", "id", "of a decision, request or error")
    with row[4]:
        process = _text("Process", "process", "app, worker, host, …")
    return LogFilter(component=component, level=level or "", text=text, id=about, process=process)


def _text(label: str, key: str, placeholder: str) -> str:
    asked = st.text_input(label, key=key, bind="query-params", placeholder=placeholder)
    return (asked or "").strip()


def follow(where: LogFilter) -> Tail:
    """This reader's tail, with what came since.

    Raises:
        Forbidden, OnlineStoreDown: see `LogsDesk`.
    """
    desk = session.desk().logs
    tail = held(where)
    if tail is None:
        page = desk.query(where, limit=KEPT)
        tail = Tail(where, page.newest_id, cut=page.more)
        tail.lines.extend(reversed(page.lines))
    else:
        came, tail.newest_id = desk.follow(tail.newest_id, where)
        tail.cut = tail.cut or len(tail.lines) + len(came) > KEPT
        tail.lines.extend(came)
    st.session_state[_TAIL] = tail
    return tail


def held(where: LogFilter) -> Tail | None:
    """What was last shown of this filter."""
    tail: Tail | None = st.session_state.get(_TAIL)
    return tail if tail is not None and tail.where == where else None


def headline(tail: Tail, now: datetime) -> str:
    """How many lines of late, and how bad they are."""
    lately = tail.lately(now)
    if not tail.lines or not (lately or tail.where.id):
        return "No line in the last 5 min"
    when = " in the last 5 min"
    if tail.where.id:  # of one click, request or job: all of it, whenever it was
        lately, when = list(tail.lines), f", the newest {formatting.ago(tail.lines[-1].time, now)}"
    levels = Counter(line.level for line in lately)
    errors, warnings = levels["ERROR"] + levels["CRITICAL"], levels["WARNING"]
    processes = len({line.process for line in lately})
    more = "more than " if tail.cut and len(lately) == len(tail.lines) else ""
    return (
        f"{more}{formatting.count(len(lately), 'line')}{when}: "
        f"{formatting.count(errors, 'error')}, {formatting.count(warnings, 'warning')}, from "
        f"{formatting.count(processes, 'process', 'processes')}"
    )


def small_print(who: Principal, cap: int, *, still: bool) -> str:
    """What is shown, and what is not."""
    follows = "It stands still." if still else f"Followed every {LOOK_EVERY_S:g} s."
    kept = f"Lines from INFO on, of every process; about {cap:,} are kept."
    if who.accounts is not None:
        kept += f" You read those that name your accounts: {', '.join(who.accounts) or 'none'}."
    return f"{follows} {kept}"


def rows(lines: Sequence[LogLine]) -> pd.DataFrame:
    """One row a line, newest first."""
    return pd.DataFrame(
        [
            {
                "time": line.time,
                "level": f"{MARKS.get(line.level, '')} {line.level}",
                "component": line.component,
                "message": line.message,
                "process": f"{line.role} {line.process}".strip(),
                "user": line.user or None,
                "id": line.correlation_id or None,
            }
            for line in reversed(lines)
        ],
        columns=["time", "level", "component", "message", "process", "user", "id"],
    )


def columns(now: datetime, palette: Palette) -> dict[str, Column]:
    """How a line is shown."""
    return {
        "time": Column("time", at(now, _clock), "UTC", width=105),
        "level": Column("level", colour=lambda text: level_colour(text, palette), width=100),
        "component": Column("component", width=150),
        "message": Column("message", width=520),
        "process": Column("process", width=150),
        "user": Column("user", help="“—”: nobody asked for it.", width=70),
        "id": Column("id", help="The same on every line of one click, request or job.", width=115),
    }


def _clock(moment: datetime, _now: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def level_colour(text: str, palette: Palette) -> str:
    """By what a level means."""
    if "ERROR" in text or "CRITICAL" in text:
        return palette.bad
    return palette.warn if "WARNING" in text else palette.quiet


def show(tail: Tail, now: datetime, palette: Palette) -> None:
    """The tail as a table, the selected line whole, and the newest errors with their tracebacks."""
    newest = list(tail.lines)[-SHOWN:]
    older = " (there are older ones)" if tail.cut else ""
    st.caption(f"the newest {len(newest):,} of {formatting.count(len(tail.lines), 'line')}{older}")
    picked = tables.show(
        rows(newest),
        columns(now, palette),
        name="Log lines",
        key="lines",
        select=("single-row", "single-cell"),
        max_rows=15,
    )
    if picked:
        open_line(newest[::-1][picked[0]])
        return
    failed = [line for line in reversed(newest) if line.error][:ERRORS]
    if failed:
        st.header("The newest errors", anchor=False)
    for line in failed:
        with st.expander(
            formatting.plain(f"{line.time:%H:%M:%S} {line.component}: {line.message}")
        ):
            _show_error(line)


def open_line(line: LogLine) -> None:
    """Everything that one line says."""
    with st.container(border=True):
        level, component = formatting.plain(line.level), formatting.plain(line.component)
        st.markdown(f"**{MARKS.get(line.level, '')} {level}** in {component}")
        st.text(visible(line.message, lines=True))
        facts = {
            "written": formatting.moment(line.time),
            "process": line.process,
            "user": line.user,
            "account": line.account,
            "request": line.request_id,
            **{name: _plain(value) for name, value in line.fields.items()},
        }
        told = (formatting.plain(f"{name}: {value}") for name, value in facts.items() if value)
        st.caption(" · ".join(told))
        _show_error(line)


def _show_error(line: LogLine) -> None:
    if line.error:
        st.code(visible(line.error, lines=True), language="python")
    if line.correlation_id:
        links.of_logs(line.correlation_id, "All lines with its id")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def show_download(where: LogFilter, cap: int) -> None:
    """A file of what the filter leaves; it is made when clicked."""
    desk = session.later()
    st.download_button(
        "Download",
        data=lambda: as_json_lines(desk().logs.query(where, limit=cap).lines),
        file_name="spotlab-logs.jsonl",
        mime="application/jsonl",
        icon=":material/download:",
        on_click="ignore",
        help=f"JSON lines of what the filter leaves, newest first, at most {cap:,}.",
    )


def as_json_lines(lines: Sequence[LogLine]) -> bytes:
    """One JSON object a line."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def show_down(exc: Exception) -> None:
    """What a dead online store means here; what was read before stays on the screen."""
    widgets.degraded(
        [str(exc)],
        "Lines that are written meanwhile are on each process's stderr. Each process holds its "
        "newest 5,000 and sends them here once the store answers; it says how many it had to drop.",
    )
