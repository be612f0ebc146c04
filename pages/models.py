"""Which model is the champion for each task, and how good is it?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.services import card_parser
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.models import (
    actions,
    card,
    challengers,
    drift,
    head_to_head,
    history,
    leaderboard,
    outcomes,
    queries,
    tabs,
    upload,
    weights,
)

user = guard.require(Right.READ)
now, colours = session.now(), palette()
answer = st.container()


def show_board() -> None:
    """Shows every version, in one table per task."""
    entries = queries.entries()
    records = [entry.record for entry in entries]
    with answer:
        widgets.headline(leaderboard.headline(records), leaderboard.small_print(records))
    leaderboard.show_notices(session.services().models.notices())
    if not entries:
        leaderboard.show_empty()
    selected = leaderboard.show(entries, now, colours)
    if selected:
        tabs.open_card(selected)
    st.caption(f"Select a row to open its card. {leaderboard.COMPARABILITY}")
    leaderboard.show_export(records, now)
    upload.show()
    history.show_all(now)


def show_card() -> None:
    """Shows one version's card, actions and history."""
    entry = queries.entry(tabs.pick_model(queries.entries()))
    record, facts = entry.record, card_parser.read(entry.record.card)
    with answer:
        widgets.headline(card.headline(record, facts), card.small_print(entry, now))
    left, right = st.columns([3, 2], gap="large")
    with left:
        card.show_label(facts)
    with right, st.container(border=True):
        actions.show(entry, user)
    card.show_figures(facts, colours)
    sections = {
        "Subgroups": card.show_subgroups,
        "Data": card.show_data,
        "Features": card.show_features,
        "Limits": card.show_limits,
    }
    *section_tabs, history_tab, json_tab = widgets.tabs([*sections, "History", "JSON"])
    for tab, show in zip(section_tabs, sections.values(), strict=True):
        with tab:
            show(facts)
    with history_tab:
        history.show(record, now)
    with json_tab:
        card.show_whole(record)


def show_comparison() -> None:
    """Compares two models on the same rows."""
    request = head_to_head.choose(queries.entries())
    result = head_to_head.outcome(request)
    with answer:
        widgets.headline(head_to_head.headline(request, result), head_to_head.SMALL_PRINT)
    head_to_head.show_button(request)
    if result is not None and request is not None:
        head_to_head.show(result, request, now, colours)


def show_use() -> None:
    """Shows challengers, outcomes, weights of live forecasts, and drift."""
    view = queries.outcomes()
    with answer:
        widgets.headline(challengers.headline(view), challengers.SMALL_PRINT)
    challengers.show(view, queries.instance_names(), now, colours)
    outcomes.show(view, session.services().experiments.oldest(), now, colours)
    weights.show(queries.weights(), now)
    st.header("Drift", anchor=False)
    drift.show(queries.drifted(tabs.pick_working(queries.entries())), now, colours)


actions.show_outcome()
SHOW = {"leaderboard": show_board, "card": show_card, "versus": show_comparison, "use": show_use}
SHOW[tabs.pick()]()
