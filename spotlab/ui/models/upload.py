"""A model from a file: what is wanted, what the quarantine found."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.errors import SpotlabError
from spotlab.runtime.model_upload import UploadReport
from spotlab.ui.common import background_tasks, formatting, permissions, session
from spotlab.ui.models import card_facts, queries

SLOT: Final = "upload-model"
MOST_MB: Final = 64
WANTED: Final = (
    "A zip with the three files of an artefact: the model in a text format (LightGBM's, or "
    "skops), `card.json` and `SHA256SUMS`. A pickle, and anything else that runs code when it is "
    "read, is refused. The files are checked in quarantine, where another process asks the model "
    "for a first prediction under limits of time and memory; only then it becomes a candidate. "
    "No decision changes by an upload."
)


def show() -> None:
    """The upload, folded away until it is wanted."""
    report = _outcome()
    with st.expander(
        "Upload a model", icon=":material/upload_file:", key="upload", on_change="rerun"
    ):
        if not permissions.caption(Right.UPLOAD_MODELS):
            return
        st.caption(WANTED)
        left, right = st.columns(2)
        with left:
            file = st.file_uploader(
                "Artefact (zip)", type="zip", key="upload-file", max_upload_size=MOST_MB
            )
        with right:
            st.text_input(
                "Reason",
                key="upload-reason",
                max_chars=500,
                placeholder="where it comes from, and what it is for; kept in the history",
            )
            running = background_tasks.current(SLOT)
            busy = running is not None and not running.finished
            if running is not None and busy:
                background_tasks.look(running)
            st.button(
                "Check and register",
                key="upload-now",
                on_click=_begin,
                args=(file.getvalue() if file is not None else b"",),
                disabled=busy or file is None,
            )
        if isinstance(report, SpotlabError):
            _show_refusal(report)
        elif report is not None:
            _show_report(report)


def _begin(content: bytes) -> None:
    desk = session.desk().models
    # Read here: a click commits what was typed last, after the button got its arguments.
    reason = str(st.session_state.get("upload-reason", "")).strip()

    def work(tell: background_tasks.Progress, _stopped: object) -> UploadReport | SpotlabError:
        tell("in quarantine: its files, then a first prediction", 0.3)
        try:
            return desk.upload(content, reason)
        except SpotlabError as exc:
            return exc

    background_tasks.begin(SLOT, "Checking the upload", work)


def _outcome() -> UploadReport | SpotlabError | None:
    """What the last upload gave; None: there is nothing new."""
    run = background_tasks.take(SLOT)
    if run is None:
        return None
    queries.forget()
    report: UploadReport | SpotlabError | None = run.result
    return report


def _show_refusal(refused: SpotlabError) -> None:
    remedy = f"\n\n**What to do:** {formatting.plain(refused.remedy)}" if refused.remedy else ""
    st.warning(
        f"{formatting.plain(refused.message)}\n\nNothing of it was kept, and the refusal is in the "
        f"history.{remedy}",
        title="Refused",
        icon=":material/block:",
    )


def _show_report(report: UploadReport) -> None:
    record = report.record
    st.success(
        f"{formatting.plain(record.reference)} is a candidate for "
        f"{card_facts.task_words(record.task)}. "
        f"Files, checksums and card agree; {first_words(report)}. SHA-256 `{record.digest[:12]}`.",
        title="Registered",
        icon=":material/verified:",
    )


def first_words(report: UploadReport) -> str:
    """What the first prediction gave."""
    first = report.first
    return (
        f"of {formatting.count(first.rows, 'made-up row')} it gave risks from "
        f"{formatting.percent(first.risk_low)} to {formatting.percent(first.risk_high)} in 24 h, "
        "within "
        f"{formatting.milliseconds(1000 * first.seconds)}"
    )
