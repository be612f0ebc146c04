"""Do the scheduled jobs run, and which process runs them?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.domain.ports import Topic
from spotlab.ui.common import errors, guard, live_updates, session, widgets
from spotlab.ui.common.theme import palette
from spotlab.ui.jobs import job_detail, job_table

guard.require(Right.READ)
REFRESH_EVERY_S = 30
colours = palette()


@st.fragment(run_every=REFRESH_EVERY_S)
def show() -> None:
    """Shows all jobs, one of them with its runs, and the processes."""
    with errors.boundary():
        versions = live_updates.topic_versions(Topic.JOBS)
        overview = session.services().jobs.overview()
        widgets.headline(job_table.headline(overview), job_table.small_print(overview))
        job_table.show_jobs(overview, colours)
        st.subheader("Job details", anchor=False)
        names = {view.job.name: view.job.title for view in overview.jobs}
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = widgets.pick_one("Job", names, "job") or next(iter(names))
            view = next(view for view in overview.jobs if view.job.name == chosen)
            job_detail.show_actions(view)
        job_detail.show_about(view)
        job_detail.show_history(chosen, overview.at, colours)
        st.subheader("Processes", anchor=False)
        job_table.show_processes(overview, colours)
        live_updates.rerun_fragment_on_change(versions)


show()
