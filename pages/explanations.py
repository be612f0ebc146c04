"""Why is a pool risky, and why is another one better?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.inference.explain import difference, explain
from spotlab.inference.explanation_text import difference_in_words, in_words
from spotlab.ui import charts
from spotlab.ui.common import guard, links, session, widgets
from spotlab.ui.common.formatting import plain
from spotlab.ui.common.theme import palette
from spotlab.ui.explanations import view

guard.require(Right.READ)

colours = palette()
answer = st.container()
subject, pool = view.pick()
model = session.desk().models.load(subject.model)
here = explain(model, subject.frame, pool, subject.horizon_h)
compared = subject.current is not None and subject.current != pool
against = subject.current if subject.current is not None and compared else None
before = explain(model, subject.frame, against, subject.horizon_h) if against else None

with answer:
    told = in_words(here)
    change = difference(before, here) if before is not None else None
    compared_words = difference_in_words(change) if change is not None else ()
    widgets.headline(
        (compared_words or told)[0].removesuffix("."),
        f"From {subject.title}, by model {subject.model}, within {subject.horizon_h:g} h.",
    )

if change is not None and against is not None:
    st.header(plain(f"Against {against.label}, where it runs"), anchor=False)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in compared_words[1:-1]))
    st.plotly_chart(
        charts.changes(change.changes, colours, against.instance_type, pool.instance_type),
        config=charts.CONFIG,
        key="changes",
        alt="Features that set the two pools apart, in log-odds",
    )
st.header(plain(f"What makes the risk of {pool.label}"), anchor=False)
st.markdown("\n".join(f"- {plain(sentence)}" for sentence in told[:-1]))
st.plotly_chart(
    charts.waterfall(here, colours, view.base_rate(model, here)),
    config=charts.CONFIG,
    key="waterfall",
    alt="Contributions of the features to the risk, in log-odds",
)
view.show_notes(model, told[-1])
links.to("candidates", "All its candidates", ":material/leaderboard:", instance=subject.instance_id)
