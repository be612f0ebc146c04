"""Upload of a model artefact, with its validation report."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Final

import streamlit as st

from spotlab.domain.access import Right
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.inference.card import CAPACITY
from spotlab.runtime.model_card import (
    LABELS,
    CardAnswers,
    is_bare_model,
    possible_labels,
    training_horizons_h,
)
from spotlab.runtime.model_upload import UploadReport
from spotlab.services import card_facts
from spotlab.ui.common import background_tasks, formatting, permissions, session
from spotlab.ui.models import queries

SLOT: Final = "upload-model"
MOST_MB: Final = 64
USUAL_HORIZONS_H: Final = (0.25, 0.5, 1.0, 2.0, 3.0, 6.0, 12.0, 24.0)
_TEXTS: Final = ("label", "name", "version", "summary")
REQUIREMENTS: Final = (
    "A LightGBM text model, or a zip with the three files of an artefact: the model as LightGBM "
    "text, skops or a JSON rule, `card.json` and `SHA256SUMS`. A pickle, or any other format that "
    "runs code when it is read, is rejected. The files are validated in quarantine; then a "
    "separate process makes a trial prediction under limits of time and memory. A model that "
    "passes becomes a candidate. An upload changes no decision."
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
                "LightGBM text model or artefact (zip)",
                type=["zip", "txt", "model", "lgb"],
                key="upload-file",
                max_upload_size=MOST_MB,
            )
        content = file.getvalue() if file is not None else b""
        stem = _stem(file.name) if file is not None else ""
        with right:
            complete = file is not None
            if is_bare_model(content):
                complete = _ask_for_card(stem, content)
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
                args=(content, stem),
                disabled=busy or not complete,
            )
        if isinstance(report, SpotlabError):
            _show_rejection(report)
        elif report is not None:
            _show_report(report)


def _ask_for_card(stem: str, content: bytes) -> bool:
    """Asks what the text of a bare model does not say; gives whether its label is chosen."""
    label = st.selectbox(
        "What the model predicts",
        possible_labels(content),
        index=None,
        key="upload-label",
        format_func=lambda name: f"{name}: {LABELS[name].meaning}",
        placeholder="choose its label: the file does not say",
    )
    if label is not None:
        st.caption(formatting.plain(f"It predicts: {LABELS[label].meaning}."))
    trained = training_horizons_h(content)
    if label is not None and LABELS[label].task == CAPACITY and trained is not None:
        low, high = trained
        between = (horizon_h for horizon_h in USUAL_HORIZONS_H if low < horizon_h < high)
        options = list(dict.fromkeys(f"{horizon_h:g}" for horizon_h in (low, *between, high)))
        st.multiselect(
            "Horizons of its training (h)",
            options,
            [options[0], options[-1]],
            key="upload-horizons",
            accept_new_options=True,
            help="The file says the shortest and the longest; add those between them.",
        )
    name, version = st.columns([2, 1])
    name.text_input("Model name", key="upload-name", max_chars=64, placeholder=stem)
    version.text_input("Version", "1.0.0", key="upload-version", max_chars=64)
    st.text_input("Summary", key="upload-summary", max_chars=500, placeholder="optional")
    return label is not None


def _answers(stem: str) -> CardAnswers:
    """The answers in the form.

    Raises:
        InvalidInput: a horizon is not a number.
    """
    texts = {key: str(st.session_state.get(f"upload-{key}") or "").strip() for key in _TEXTS}
    return CardAnswers(
        texts["label"],
        texts["name"] or stem,
        texts["version"],
        texts["summary"],
        tuple(sorted(map(_hours, st.session_state.get("upload-horizons", ())))),
    )


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = math.nan
    if not 0.0 < hours < math.inf:
        raise InvalidInput(f"The horizon {text!r} is not a number of hours.", remedy="Use hours.")
    return hours


def _stem(file_name: str) -> str:
    return PurePath(file_name).stem.lower().replace(" ", "-")


def _begin(content: bytes, stem: str) -> None:
    services = session.services().models
    # Read here, not as arguments: the click itself commits the text that was typed last.
    reason = str(st.session_state.get("upload-reason", "")).strip()
    answers: CardAnswers | SpotlabError | None = None
    if is_bare_model(content):
        try:
            answers = _answers(stem)
        except InvalidInput as exc:
            answers = exc

    def work(tell: background_tasks.Progress, _stopped: object) -> UploadReport | SpotlabError:
        tell("checking the files in quarantine, then a trial prediction", 0.3)
        try:
            if isinstance(answers, SpotlabError):
                raise answers
            return services.upload(content, reason, answers)
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
