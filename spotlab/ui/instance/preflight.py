"""A preflight on the screen: the strategy, what is kept or lost, findings, and the exact calls."""

from __future__ import annotations

import json
from typing import Final

import pandas as pd
import streamlit as st

from spotlab.domain.switch_plan import Finding, Preflight
from spotlab.ui.common import formatting, tables
from spotlab.ui.common.formatting import plain
from spotlab.ui.common.tables import Column

_FATES: Final = (("Kept", "kept"), ("Recreated", "recreated"), ("Lost", "lost"))


def show(plan: Preflight) -> None:
    """The plan: verdict, strategy with its reason, effects, findings with remedies, calls."""
    st.markdown(f"**{plain(verdict(plan))}**")
    st.write(plain(f"Strategy: {plan.strategy.label}. {plan.strategy_reason}"))
    for finding in plan.findings:
        _show_finding(finding)
    for column, (title, fate) in zip(st.columns(len(_FATES)), _FATES, strict=True):
        sentences = getattr(plan, fate)
        column.markdown(
            f"**{title}**\n\n" + ("\n".join(f"- {plain(each)}" for each in sentences) or "Nothing.")
        )
    if plan.forbidding:
        st.caption("No AWS calls: the switch is refused.")
        return
    count = formatting.count(len(plan.calls), "AWS call")
    with st.expander(f"{count}, in order", icon=":material/list:"):
        show_calls(plan)


def verdict(plan: Preflight) -> str:
    """`It can be switched to spot m6a.large in us-east-1a`, or how many findings forbid it."""
    target = formatting.place(plan.target, plan.target_lifecycle)
    if plan.forbidding:
        found = formatting.count(len(plan.forbidding), "finding forbids", "findings forbid")
        return f"Refused: {found} the switch to {target}"
    if plan.questions:
        asked = formatting.count(len(plan.questions), "question")
        return f"{asked} to confirm before the switch to {target}"
    return f"It can be switched to {target}: nothing forbids it"


def _show_finding(finding: Finding) -> None:
    text = plain(f"{finding.text} {finding.remedy}".strip())
    if finding.question and finding.blocks:
        st.warning(text, icon=":material/help:", title="To confirm")
    elif finding.blocks:
        st.error(text, icon=":material/block:", title="Forbids it")
    else:
        st.info(text, icon=":material/info:")
    for snippet in finding.snippets:
        with st.expander(plain(snippet.title), icon=":material/content_copy:"):
            st.code(snippet.text, language=snippet.language)


def show_calls(plan: Preflight) -> None:
    """The calls with their known parameters; what does not exist yet is in angle brackets."""
    frame = pd.DataFrame(
        [
            {
                "step": each.step,
                "action": each.action,
                "what": each.text,
                "parameters": json.dumps(each.parameters, default=str, sort_keys=True),
            }
            for each in plan.calls
        ],
        columns=["step", "action", "what", "parameters"],
    )
    columns = {
        "step": Column("step"),
        "action": Column("call"),
        "what": Column("what", width=300),
        "parameters": Column("parameters", help="Without user data.", width=420),
    }
    tables.show(frame, columns, name="AWS calls", key="plan-calls", max_rows=14)
