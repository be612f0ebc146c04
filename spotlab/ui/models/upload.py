"""Upload of a model artefact, with its validation report."""

from __future__ import annotations

from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.errors import SpotlabError
from spotlab.runtime.model_upload import UploadReport
from spotlab.services import card_facts
from spotlab.ui.common import background_tasks, formatting, permissions, session
from spotlab.ui.models import queries

SLOT: Final = "upload-model"
MOST_MB: Final = 64
REQUIREMENTS: Final = (
    "A zip with the three files of an artefact: the model as LightGBM text, skops or a JSON rule, "
    "`card.json` and `SHA256SUMS`. A pickle, or any other format that runs code when it is read, "
    "is rejected. The files are validated in quarantine; then a separate process makes a trial "
    "prediction under limits of time and memory. A model that passes becomes a candidate. An "
    "upload changes no decision."
)


def show() -> None:
    """Shows the upload form, collapsed, and the result of the last upload."""
    report = _outcome()
    with st.expander(
        "Upload a model", icon=":material/upload_file:", key="upload", on_change="rerun"
    ):
        if not permissions.caption(Right.UPLOAD_MODELS):
            return
        st.caption(REQUIREMENTS)
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
                placeholder="its origin and purpose; recorded in the history",
            )
            running = background_tasks.current(SLOT)
            busy = running is not None and not running.finished
            if running is not None and busy:
                background_tasks.look(running)
            st.button(
                "Validate and register",
                key="upload-now",
                on_click=_begin,
                args=(file.getvalue() if file is not None else b"",),
                disabled=busy or file is None,
            )
        if isinstance(report, SpotlabError):
            _show_rejection(report)
        elif report is not None:
            _show_report(report)


def _begin(content: bytes) -> None:
    services = session.services().models
    # Read here, not as an argument: the click itself commits the text that was typed last.
    reason = str(st.session_state.get("upload-reason", "")).strip()

    def work(tell: background_tasks.Progress, _stopped: object) -> UploadReport | SpotlabError:
        tell("checking the files in quarantine, then a trial prediction", 0.3)
        try:
            return services.upload(content, reason)
        except SpotlabError as exc:
            return exc

    background_tasks.begin(SLOT, "Validating the upload", work)


def _outcome() -> UploadReport | SpotlabError | None:
    """The result of the last upload, once; None: there is nothing new."""
    run = background_tasks.take(SLOT)
    if run is None:
        return None
    queries.forget()
    report: UploadReport | SpotlabError | None = run.result
    return report


def _show_rejection(error: SpotlabError) -> None:
    remedy = f"\n\n**What to do:** {formatting.plain(error.remedy)}" if error.remedy else ""
    st.warning(
        f"{formatting.plain(error.message)}\n\nThe upload was deleted, and the history records the "
        f"rejection.{remedy}",
        title="Rejected",
        icon=":material/block:",
    )


def _show_report(report: UploadReport) -> None:
    record = report.record
    st.success(
        f"{formatting.plain(record.reference)} is a candidate for "
        f"{card_facts.task_words(record.task)}. "
        f"Files, checksums and card agree. {trial_text(report)} "
        f"SHA-256 `{record.digest[:12]}`.",
        title="Registered",
        icon=":material/verified:",
    )


def trial_text(report: UploadReport) -> str:
    """A sentence about the trial prediction."""
    trial = report.first
    return (
        f"The trial prediction on {formatting.count(trial.rows, 'synthetic row')} took "
        f"{formatting.milliseconds(1000 * trial.seconds)} and gave risks from "
        f"{formatting.percent(trial.risk_low)} to {formatting.percent(trial.risk_high)} within "
        "24 h."
    )
