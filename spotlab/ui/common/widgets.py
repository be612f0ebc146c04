"""Small elements that several pages share: headline, filters, exports, empty states."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.market import Provenance
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import export as common_export
from spotlab.ui.common import identity
from spotlab.ui.common.formatting import age, count, listed, moment, plain

_NUMBER: Final = re.compile(r"[1-9][0-9]{0,9}")


def headline(sentence: str, details: str = "") -> None:
    """The page's answer, a sentence with numbers, and one line of small print."""
    st.title(plain(sentence), anchor=False)
    if details:
        st.caption(plain(details))


def degraded(reasons: Sequence[str], meaning: str) -> None:
    """A warning that says why the page's data is degraded, and what that means here."""
    if reasons:
        text = "\n\n".join(map(plain, [*reasons, meaning]))
        st.warning(text, title="Degraded", icon=":material/warning:")


def empty(what: str, do: str) -> None:
    """An empty state: what is missing, and what to do."""
    st.info(f"{plain(what)}\n\n**What to do:** {plain(do)}", icon=":material/inbox:")


def pick_many(label: str, options: Iterable[str], key: str) -> list[str]:
    """A filter whose values are in the URL; nothing selected means all."""
    return st.multiselect(
        label,
        sorted(options),
        format_func=visible,
        key=key,
        bind="query-params",
        placeholder="all",
    )


def row_count(shown: int, of: int, noun: str) -> None:
    """How many rows the filters leave."""
    share = f"{shown:,} of " if shown != of else "all " if of > 1 else ""
    st.caption(f"{share}{count(of, noun)}", width="content")


def page_offset(total: int, page_rows: int) -> int:
    """Offset of the first row of the page in the URL; shows page numbers if there are several."""
    pages = max(1, math.ceil(total / page_rows))
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    return (min(number, pages) - 1) * page_rows


def number_asked(key: str) -> int | None:
    """A positive number from the URL; None if the parameter is missing or no such number."""
    value = st.query_params.get(key, "")
    return int(value) if _NUMBER.fullmatch(value) else None


def pick_one(
    label: str,
    names: Mapping[str, str],
    key: str,
    *,
    blank: str = "",
    default: str | None = None,
    resets: Sequence[str] = (),
) -> str | None:
    """A selection box over ids with names; the URL contains the id.

    Streamlit's own binding would write the name, which may change from run to run.

    Args:
        label: of the widget.
        names: name by id, in order.
        key: of the query parameter.
        blank: placeholder if nothing needs to be selected; "": one is preselected.
        default: which one; None: the first.
        resets: query parameters that belong to the previous selection; a new one removes them.
    """
    widget, first = f"pick {key}", None if blank else default or next(iter(names), None)
    in_url = st.query_params.get(key)
    if in_url not in names:
        st.query_params.pop(key, None)
    chosen = in_url if in_url in names else first
    if st.session_state.get(widget, chosen) != chosen:
        st.session_state[widget] = chosen
    return st.selectbox(
        label,
        list(names),
        index=list(names).index(chosen) if chosen is not None else None,
        format_func=lambda option: visible(names.get(option, option)),
        placeholder=blank or "no options",
        key=widget,
        on_change=_write_to_url,
        args=(key, widget, tuple(resets)),
    )


def _write_to_url(key: str, widget: str, resets: Sequence[str] = ()) -> None:
    chosen = st.session_state[widget]
    for other in resets:
        st.query_params.pop(other, None)
    if chosen is None:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = chosen


def pick_option(label: str, options: Sequence[str], key: str, *, blank: str = "all") -> str | None:
    """One of some texts, in the URL; None, shown as `blank`, if nothing is selected."""
    return st.selectbox(label, options, index=None, key=key, bind="query-params", placeholder=blank)


def pick_view(views: Mapping[str, str], widget: str) -> str:
    """The page's view that the URL names, or the first one.

    Args:
        views: name by id, in order.
        widget: key of the control.
    """
    in_url = st.query_params.get("view", "")
    chosen = in_url if in_url in views else next(iter(views))
    if st.session_state.get(widget) != chosen:
        st.session_state[widget] = chosen
    st.segmented_control(
        "View",
        [*views],
        format_func=lambda view: views[view],
        key=widget,
        on_change=_write_to_url,
        args=("view", widget),
        label_visibility="collapsed",
        required=True,
    )
    return chosen


def pick_instance(
    fleet: Sequence[Instance], blank: str = "", resets: Sequence[str] = ()
) -> str | None:
    """An instance id, in the URL; `blank` and `resets` as in `pick_one`."""
    names = {i.instance_id: instance_name(i) for i in fleet}
    return pick_one("Instance", names, "instance", blank=blank, resets=resets)


def instance_name(instance: Instance) -> str:
    """`web-1 · m5.large in us-east-1a`."""
    return f"{instance.name or instance.instance_id} · {instance.pool.label}"


def sources(origins: Iterable[Provenance], now: datetime) -> None:
    """The sources of the page's numbers, with ages; absolute times on hover."""
    known = list(dict.fromkeys(origins))
    if not known:
        return
    texts = [
        f"{o.source}{' (approximate)' if o.approximate else ''}, {age(o.age_s(now))} old"
        for o in known
    ]
    hover = "\n\n".join(plain(f"{o.source}: {moment(o.event_time)}") for o in known)
    st.caption(plain(f"Sources: {listed(texts, most=5)}."), help=hover)


def export(frame: Callable[[], pd.DataFrame], file_name: str, key: str) -> None:
    """Two buttons that build a file of all rows when they are clicked."""
    reader = identity.deferred_reader()

    def rows() -> pd.DataFrame:
        reader().require(Right.READ)
        return frame()

    with st.container(horizontal=True):
        st.download_button(
            "All rows as CSV",
            data=lambda: common_export.csv_of(rows()),
            file_name=f"{file_name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}-csv",
        )
        st.download_button(
            "All rows as Parquet",
            data=lambda: as_parquet(rows()),
            file_name=f"{file_name}.parquet",
            mime="application/vnd.apache.parquet",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}-parquet",
        )


def as_parquet(frame: pd.DataFrame) -> bytes:
    """A frame as a Parquet file."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
