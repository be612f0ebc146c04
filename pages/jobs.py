"""Do the scheduled jobs run, and who runs them?"""

import streamlit as st

from spotlab.domain.ports import Topic
from spotlab.ui import errors, guard, live, session, widgets
from spotlab.ui.jobs import one, standing
from spotlab.ui.theme import palette

guard.require(guard.Right.READ)
LOOK_EVERY_S = 30
colours = palette()


@st.fragment(run_every=LOOK_EVERY_S)
def show() -> None:
    """The answer and a row a job; one job with its runs; a row a process."""
    with errors.boundary():
        news = live.seen(Topic.JOBS)
        seen = session.desk().jobs.overview()
        widgets.headline(standing.headline(seen), standing.small_print(seen))
        standing.show_jobs(seen, colours)
        st.subheader("One job", anchor=False)
        names = {view.job.name: view.job.title for view in seen.jobs}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = widgets.pick_one("Job", names, "job") or next(iter(names))
            view = next(view for view in seen.jobs if view.job.name == chosen)
            one.show_actions(view)
        one.show_about(view)
        one.show_history(chosen, seen.at, colours)
        st.subheader("Processes", anchor=False)
        standing.show_processes(seen, colours)
        live.follow_here(news)


show()
