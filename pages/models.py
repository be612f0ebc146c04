"""Which model is trusted for what, and how good is it?"""

import streamlit as st

from spotlab.ui import guard, session, widgets, words
from spotlab.ui.models import (
    board,
    card,
    deciding,
    drifting,
    in_use,
    parsing,
    reading,
    realised,
    trail,
    upload,
    versus,
    views,
)
from spotlab.ui.theme import palette

user = guard.require(guard.Right.READ)
now, colours = session.now(), palette()
answer = st.container()


def show_board() -> None:
    """Every version, a table a task."""
    entries = reading.entries()
    records = [entry.record for entry in entries]
    with answer:
        widgets.headline(board.headline(records), board.small_print(records))
    for notice in session.desk().models.notices():
        st.info(words.plain(notice), icon=":material/rule:")
    if not entries:
        board.show_empty()
    picked = board.show(entries, now, colours)
    if picked:
        views.open_card(picked)
    st.caption(f"Select a row to open its card. {board.OWN_ROWS}")
    board.show_export(records, now)
    upload.show()
    trail.show_all(now)


def show_card() -> None:
    """One version, whole."""
    entry = reading.entry(views.pick_model(reading.entries()))
    record, told = entry.record, parsing.read(entry.record.card)
    with answer:
        widgets.headline(card.headline(record, told), card.small_print(entry, now))
    left, right = st.columns([3, 2], gap="large")
    with left:
        card.show_label(told)
    with right, st.container(border=True):
        deciding.show(entry, user)
    card.show_figures(told, colours)
    parts = {
        "Subgroups": card.show_subgroups,
        "Data": card.show_data,
        "Features": card.show_features,
        "Limits": card.show_limits,
    }
    *tabs, history, whole = st.tabs([*parts, "History", "Whole card"])
    for tab, show in zip(tabs, parts.values(), strict=True):
        with tab:
            show(told)
    with history:
        trail.show(record, now)
    with whole:
        card.show_whole(record)


def show_versus() -> None:
    """Two models on the same rows."""
    request = versus.choose(reading.entries())
    result = versus.outcome(request)
    with answer:
        widgets.headline(versus.headline(request, result), versus.SMALL_PRINT)
    versus.show_button(request)
    if result is not None and request is not None:
        versus.show(result, request, now, colours)


def show_use() -> None:
    """Challengers, outcomes and drift."""
    seen = reading.outcomes()
    with answer:
        widgets.headline(in_use.headline(seen), in_use.SMALL_PRINT)
    in_use.show(seen, reading.instance_names(), now, colours)
    realised.show(seen, session.desk().decisions.oldest(), now, colours)
    st.header("Drift", anchor=False)
    drifting.show(reading.drifted(views.pick_working(reading.entries())), now, colours)


deciding.show_outcome()
SHOW = {"leaderboard": show_board, "card": show_card, "versus": show_versus, "use": show_use}
SHOW[views.pick()]()
