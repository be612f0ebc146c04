"""What would each policy have cost on recorded availability?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.ui.backtests import (
    actions,
    assumptions,
    policy_pairs,
    progress,
    replay,
    results,
    table,
)
from spotlab.ui.backtests import figures as backtests_figures
from spotlab.ui.backtests import results as backtests_results
from spotlab.ui.common import guard, session, widgets
from spotlab.ui.common.theme import palette

guard.require(Right.READ)
now, colours = session.now(), palette()


def show_sweep(sweep_id: str) -> None:
    """Shows one backtest: its progress, its results, or the replay of one window."""
    if st.button("All backtests", icon=":material/arrow_back:", type="tertiary"):
        actions.show_all()
    record = session.services().backtests.get(sweep_id)
    figures = backtests_figures.figures(record)
    answer = st.container()
    progress.show(record)
    view = backtests_results.pick() if figures is not None else "results"
    if figures is not None and view == "replay":
        chosen = replay.choose(record, figures)
        with answer:
            widgets.headline(
                replay.headline(record, figures, chosen), results.describe_sweep(record, now)
            )
        replay.show(record, chosen, colours)
        return
    with answer:
        widgets.headline(
            results.headline(record, figures), results.small_print(record, figures, now)
        )
    if figures is None:
        widgets.empty(
            "No window is complete yet, so there is nothing to compare.",
            "wait for the first ones, or resume the backtest if it has stopped.",
        )
        return
    results.show(record, figures, now, colours)
    policy_pairs.show(record, figures)
    assumptions.show(record)


def show_all() -> None:
    """Shows the newest result, the form of a new backtest, and the list."""
    records = table.list_sweeps()
    widgets.headline(table.headline(records), table.SMALL_PRINT)
    table.show_form()
    table.show(records, now)


requested_id = st.query_params.get("sweep", "")
if requested_id:
    show_sweep(requested_id)
else:
    show_all()
