"""The Explanations page: why is a pool risky, and why is another one better?"""

import streamlit as st

from spotlab.domain.access import Right
from spotlab.inference.explain import difference
from spotlab.inference.explanation_text import difference_sentences, explanation_sentences
from spotlab.ui import charts
from spotlab.ui.common import guard, links, session, widgets
from spotlab.ui.common.formatting import plain
from spotlab.ui.common.theme import palette
from spotlab.ui.explanations import decision, over_time, view

guard.require(Right.READ)

colours = palette()
top = st.container()
subject, pool = view.pick()
model = session.services().models.load(subject.model)
explanation = view.explained(model, subject.frame, pool, subject.horizon_h)
sentences = explanation_sentences(explanation)
current = subject.current if subject.current != pool else None
candidate, change = subject.candidates.get(pool), None
if current is not None:
    change = difference(
        view.explained(model, subject.frame, current, subject.horizon_h), explanation
    )
comparison = difference_sentences(change) if change is not None else ()

told = None
if subject.experiment_id is not None and pool == subject.pools[0]:  # no other pool is asked for
    told = session.decision_explanation(subject.experiment_id)
with top:
    widgets.headline(
        plain(decision.headline(told))
        if told is not None
        else over_time.headline(candidate, (comparison or sentences)[0].removesuffix(".")),
        f"Based on {subject.title}; model {subject.model}; risks within {subject.horizon_h:g} h.",
    )
if told is not None:
    decision.show(told)

if change is not None and current is not None:
    st.header(plain(f"Compared with the current pool, {current.label}"), anchor=False)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in comparison[1:-1]))
    st.caption(plain(f"Bars to the right: {pool.label} is riskier; to the left: safer."))
    st.plotly_chart(
        charts.changes(change.changes, colours),
        config=charts.CONFIG,
        key="changes",
        alt="Features in which the two pools differ, in log-odds",
    )
if candidate is not None:
    over_time.show(candidate, subject.at)
st.header(plain(f"Contributions to the risk of {pool.label}"), anchor=False)
st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences[:-1]))
st.caption(
    "In log-odds of the model's monthly interruption rate; bars to the right raise the risk."
)
st.plotly_chart(
    charts.waterfall(explanation, colours, view.base_rate(model, explanation)),
    config=charts.CONFIG,
    key="waterfall",
    alt="Contributions of the features to the risk, in log-odds",
)
view.show_notes(model, sentences[-1])
links.to(
    "candidates",
    "All candidates",
    ":material/leaderboard:",
    instance=subject.instance_id,
    pool=pool.key,
)
