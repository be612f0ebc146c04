"""What would each policy have cost on recorded availability?"""

import streamlit as st

from spotlab.ui import guard, session, widgets
from spotlab.ui.backtests import (
    jobs,
    listing,
    pairs,
    reading,
    resting,
    results,
    views,
    watching,
    window,
)
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)
now, colours = session.now(), palette()


def show_sweep(sweep_id: str) -> None:
    """One backtest: how far it is, what it came to, one window of it."""
    if st.button("All backtests", icon=":material/arrow_back:", type="tertiary"):
        jobs.show_all()
    record = session.desk().backtests.get(sweep_id)
    figures = reading.figures(record)
    answer = st.container()
    watching.show(record)
    view = views.pick() if figures is not None else "results"
    if figures is not None and view == "replay":
        chosen = window.choose(record, figures)
        with answer:
            widgets.headline(window.headline(record, figures, chosen), results.which(record, now))
        window.show(record, chosen, colours)
        return
    with answer:
        widgets.headline(
            results.headline(record, figures), results.small_print(record, figures, now)
        )
    if figures is None:
        widgets.empty(
            "No window is complete yet, so there is nothing to compare.",
            "wait for the first ones; they appear here by themselves.",
        )
        return
    results.show(record, figures, now, colours)
    pairs.show(record, figures)
    resting.assumptions(record)


def show_all() -> None:
    """What is known, a form to find out more, and what was asked before."""
    records = listing.known()
    widgets.headline(listing.headline(records), listing.SMALL_PRINT)
    listing.show_form()
    listing.show(records, now)


asked = st.query_params.get("sweep", "")
if asked:
    show_sweep(asked)
else:
    show_all()
