"""The log: filters, the newest lines, one line with its fields, download."""

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
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import formatting, links, session, tables, widgets
from spotlab.ui.common.tables import Column, at
from spotlab.ui.common.theme import Palette

REFRESH_S: Final = 2.0
MAX_TAIL_LINES: Final = 2_000
"""Lines that a session keeps in memory; a download has all."""
MAX_TABLE_ROWS: Final = 200
MAX_ERRORS: Final = 5
RECENT: Final = timedelta(minutes=5)
MARKS: Final = {"DEBUG": "·", "INFO": "○", "WARNING": "▲", "ERROR": "✕", "CRITICAL": "✕"}
"""A shape next to the word and the colour."""
_TAIL: Final = "log tail"


@dataclass(slots=True)
class Tail:
    """The newest lines that match a filter, oldest first.

    Args:
        filters: what the lines match.
        newest_id: id of the newest line that was read.
        lines: at most MAX_TAIL_LINES.
        truncated: whether there are older lines.
    """

    filters: LogFilter
    newest_id: str
    lines: deque[LogLine] = field(default_factory=lambda: deque(maxlen=MAX_TAIL_LINES))
    truncated: bool = False

    def recent(self, now: datetime) -> list[LogLine]:
        """The lines of the last five minutes."""
        return [line for line in self.lines if now - line.time <= RECENT]


def show_filters() -> LogFilter:
    """One row of filters; the values are in the URL."""
    row = st.columns([1.5, 2, 3, 2, 2], vertical_alignment="bottom")
    with row[0]:
        level = widgets.pick_option("Level", LEVELS, "level")
    with row[1]:
        component = _text("Component", "component", "runtime, ui.errors, …")
    with row[2]:
        text = _text("Search", "q", "message, error, field")
    with row[3]:
        correlation_id = _text("Id", "id", "of a decision, request or error")
    with row[4]:
        process = _text("Process", "process", "app, worker, host, …")
    return LogFilter(
        component=component, level=level or "", text=text, id=correlation_id, process=process
    )


def _text(label: str, key: str, placeholder: str) -> str:
    return widgets.search(label, key, placeholder).strip()


def follow(filters: LogFilter) -> Tail:
    """This session's tail, with the lines that were written since it was last read.

    Raises:
        Forbidden, OnlineStoreDown: see `LogService`.
    """
    services = session.services().logs
    tail = last_tail(filters)
    if tail is None:
        page = services.query(filters, limit=MAX_TAIL_LINES)
        tail = Tail(filters, page.newest_id, truncated=page.more)
        tail.lines.extend(reversed(page.lines))
    else:
        new_lines, tail.newest_id = services.follow(tail.newest_id, filters)
        tail.truncated = tail.truncated or len(tail.lines) + len(new_lines) > MAX_TAIL_LINES
        tail.lines.extend(new_lines)
    st.session_state[_TAIL] = tail
    return tail


def last_tail(filters: LogFilter) -> Tail | None:
    """The tail that was last shown with these filters."""
    tail: Tail | None = st.session_state.get(_TAIL)
    return tail if tail is not None and tail.filters == filters else None


def headline(tail: Tail, now: datetime) -> str:
    """Number of recent lines, errors and warnings."""
    lines = tail.recent(now)
    if not tail.lines or not (lines or tail.filters.id):
        return "No log lines in the last 5 min"
    when = " in the last 5 min"
    if tail.filters.id:  # all lines of one click, request or job, however old
        lines, when = list(tail.lines), f", the newest {formatting.ago(tail.lines[-1].time, now)}"
    levels = Counter(line.level for line in lines)
    errors, warnings = levels["ERROR"] + levels["CRITICAL"], levels["WARNING"]
    processes = len({line.process for line in lines})
    more = "More than " if tail.truncated and len(lines) == len(tail.lines) else ""
    return (
        f"{more}{formatting.count(len(lines), 'log line')}{when}: "
        f"{formatting.count(errors, 'error')}, {formatting.count(warnings, 'warning')}, from "
        f"{formatting.count(processes, 'process', 'processes')}"
    )


def small_print(user: Principal, max_lines: int, *, paused: bool) -> str:
    """How often lines are read, which, and how many are stored."""
    refresh = "Paused." if paused else f"Updated every {REFRESH_S:g} s."
    scope = f"Lines of level INFO and above from all processes; about {max_lines:,} are stored."
    if user.accounts is not None:
        scope += (
            f" You see only lines that name your accounts: {', '.join(user.accounts) or 'none'}."
        )
    return f"{refresh} {scope}"


def rows(lines: Sequence[LogLine]) -> pd.DataFrame:
    """One row per line, newest first."""
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
    """The columns of the log table."""
    return {
        "time": Column("time", at(now, _clock), "UTC", width=105),
        "level": Column("level", colour=lambda text: level_colour(text, palette), width=100),
        "component": Column("component", width=150),
        "message": Column("message", width=520),
        "process": Column("process", width=150),
        "user": Column("user", help="“—”: not caused by a user.", width=70),
        "id": Column(
            "id",
            help="Correlation id: the same for all lines of one click, request or job.",
            width=115,
        ),
    }


def _clock(moment: datetime, _now: datetime) -> str:
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d}"


def level_colour(text: str, palette: Palette) -> str:
    """The colour of a level."""
    if "ERROR" in text or "CRITICAL" in text:
        return palette.bad
    return palette.warn if "WARNING" in text else palette.quiet


def show(tail: Tail, now: datetime, palette: Palette) -> None:
    """The table, then the selected line, or the newest errors with their tracebacks."""
    newest = list(tail.lines)[-MAX_TABLE_ROWS:]
    older = "; older lines are in the download" if tail.truncated else ""
    st.caption(f"the newest {len(newest):,} of {formatting.count(len(tail.lines), 'line')}{older}")
    selected = tables.show(
        rows(newest),
        columns(now, palette),
        name="Log lines",
        key="lines",
        select=("single-row", "single-cell"),
        max_rows=15,
    )
    if selected:
        show_line(newest[::-1][selected[0]])
        return
    errors = [line for line in reversed(newest) if line.error][:MAX_ERRORS]
    if errors:
        st.header("Newest errors", anchor=False)
    for line in errors:
        with st.expander(
            formatting.plain(f"{line.time:%H:%M:%S} {line.component}: {line.message}")
        ):
            _show_error(line)


def show_line(line: LogLine) -> None:
    """All fields of one line."""
    with st.container(border=True):
        level, component = formatting.plain(line.level), formatting.plain(line.component)
        st.markdown(f"**{MARKS.get(line.level, '')} {level}** in {component}")
        st.text(visible(line.message, lines=True))
        facts = {
            "time": formatting.moment(line.time),
            "process": line.process,
            "user": line.user,
            "account": line.account,
            "request": line.request_id,
            **{name: _plain(value) for name, value in line.fields.items()},
        }
        texts = (formatting.plain(f"{name}: {value}") for name, value in facts.items() if value)
        st.caption(" · ".join(texts))
        _show_error(line)


def _show_error(line: LogLine) -> None:
    if line.error:
        st.code(visible(line.error, lines=True), language="python")
    if line.correlation_id:
        links.of_logs(line.correlation_id, "All lines with this id")


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def show_download(filters: LogFilter, max_lines: int) -> None:
    """A button that builds a file of the filtered lines when it is clicked."""
    services = session.deferred_services()
    st.download_button(
        "Download",
        data=lambda: as_json_lines(services().logs.query(filters, limit=max_lines).lines),
        file_name="spotlab-logs.jsonl",
        mime="application/jsonl",
        icon=":material/download:",
        on_click="ignore",
        help=f"All lines that match, as JSON lines, newest first, at most {max_lines:,}.",
    )


def as_json_lines(lines: Sequence[LogLine]) -> bytes:
    """One JSON object per line."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def show_down(exc: Exception) -> None:
    """What an unavailable online store means here; lines that were read before stay visible."""
    widgets.degraded(
        [str(exc)],
        "Meanwhile, each process writes its lines to stderr. It also keeps its newest 5,000 lines "
        "and sends them here once the store responds, with the number of lines that were dropped.",
    )
