"""Small elements that several pages share: headline, filters, exports, empty states."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypedDict

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.market import Provenance
from spotlab.telemetry.invisible_characters import visible
from spotlab.ui.common import export as common_export
from spotlab.ui.common import identity
from spotlab.ui.common.formatting import age, count, listed, moment, plain

TAB: Final = "tab"
"""Parameter of the URL that names the open tab."""
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
    known = sorted(set(options))
    chosen = [value for value in st.query_params.get_all(key) if value in known]
    if len(chosen) != len(st.query_params.get_all(key)):
        _set_in_url(key, chosen)
    return st.multiselect(
        label,
        known,
        format_func=visible,
        placeholder="all",
        **_in_url(key, chosen),
    )


def search(label: str, key: str, placeholder: str) -> str:
    """A text that is searched for, in the URL."""
    text = st.query_params.get(key, "")
    entered: str = st.text_input(label, placeholder=placeholder, **_in_url(key, text))
    return entered


def row_count(shown: int, of: int, noun: str, plural: str = "") -> None:
    """How many rows the filters leave."""
    share = f"{shown:,} of " if shown != of else "all " if of > 1 else ""
    st.caption(f"{share}{count(of, noun, plural)}", width="content")


def page_offset(total: int, page_rows: int) -> int:
    """Offset of the first row of the page in the URL; shows page numbers if there are several."""
    pages = max(1, math.ceil(total / page_rows))
    number = min(number_asked("page") or 1, pages)
    if pages > 1:
        st.pagination(pages, **_in_url("page", number))
    return (number - 1) * page_rows


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
    first = None if blank else default or next(iter(names), None)
    in_url = st.query_params.get(key)
    if in_url not in names:
        st.query_params.pop(key, None)
    return st.selectbox(
        label,
        list(names),
        index=None if blank else 0,
        format_func=lambda option: visible(names.get(option, option)),
        placeholder=blank or "no options",
        **_in_url(key, in_url if in_url in names else first, resets),
    )


class _InUrl(TypedDict):
    """Arguments of a widget whose value is in the URL."""

    key: str
    on_change: Callable[..., None]
    args: tuple[str, str, tuple[str, ...]]


def _in_url(parameter: str, value: object, resets: Sequence[str] = ()) -> _InUrl:
    """Arguments that keep a widget and the URL's parameter equal; the URL wins.

    Streamlit's own binding adds an entry to the browser's history when the user leaves the page,
    so that Back leads to the same page once more.

    Args:
        parameter: of the URL.
        value: that the URL has now, as the widget's value.
        resets: other parameters, which a new value removes.
    """
    widget = f"pick {parameter}"
    # Also where it is equal: that may be the state of another page's widget with this key.
    st.session_state[widget] = value
    return {"key": widget, "on_change": _write_to_url, "args": (parameter, widget, tuple(resets))}


def _write_to_url(parameter: str, widget: str, resets: Sequence[str] = ()) -> None:
    for other in resets:
        st.query_params.pop(other, None)
    _set_in_url(parameter, st.session_state[widget])


def _set_in_url(parameter: str, value: Any) -> None:
    """Sets a parameter of the URL, or removes it if nothing is selected."""
    if value is None or value in ("", []):
        st.query_params.pop(parameter, None)
    else:
        st.query_params[parameter] = value if isinstance(value, list) else str(value)


def pick_option(label: str, options: Sequence[str], key: str, *, blank: str = "all") -> str | None:
    """One of some texts, in the URL; None, shown as `blank`, if nothing is selected."""
    return pick_one(label, {option: option for option in options}, key, blank=blank)


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


def tabs(labels: Sequence[str]) -> Sequence[DeltaGenerator]:
    """Tabs whose open one is in the URL; without it, the first is open."""
    in_url = st.query_params.get(TAB)
    return st.tabs(labels, **_in_url(TAB, in_url if in_url in labels else labels[0]))


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
