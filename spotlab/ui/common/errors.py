"""Error messages on screens: what happened, what it means, what to do.

No traceback reaches the browser: it is written to the log, with a short reference.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import streamlit as st

from spotlab.errors import (
    ArtefactRefused,
    AwsError,
    Cancelled,
    DatabaseDown,
    FeedRefused,
    InvalidInput,
    ModelFailed,
    NoMarketData,
    NotAvailable,
    NotFound,
    NotSignedIn,
    OnlineStoreDown,
    SpotlabError,
)
from spotlab.telemetry import logs
from spotlab.ui.common import links
from spotlab.ui.common.formatting import plain

log = logging.getLogger("spotlab.ui")

TITLES: Final[dict[type[SpotlabError], str]] = {
    Cancelled: "Cancelled",
    NoMarketData: "No market data yet",
    DatabaseDown: "The database does not respond",
    OnlineStoreDown: "The online store does not respond",
    ModelFailed: "The model cannot be used",
    NotAvailable: "A component that this page needs is unavailable",
    FeedRefused: "A market feed was rejected",
    ArtefactRefused: "The model cannot be used",
    NotFound: "Not found",
    NotSignedIn: "Signed out",
    InvalidInput: "Invalid input",
    AwsError: "AWS returned an error",
    SpotlabError: "The action failed",
}
"""The first matching class names the error; subclasses come first."""

MEANINGS: Final[dict[type[SpotlabError], str]] = {
    Cancelled: "Completed work is preserved.",
    NoMarketData: "Without prices, no pool can be scored or compared.",
    DatabaseDown: "Until it does, nothing can be read or recorded; recorded data is not lost.",
    OnlineStoreDown: "Evaluation continues with data from the SQL archive.",
    FeedRefused: "The last good data stays in use.",
    ModelFailed: "The server and all other models continue; evaluations use the champion instead.",
    ArtefactRefused: "Risks cannot be computed with it; recorded decisions can still be opened.",
}


@contextmanager
def boundary() -> Iterator[None]:
    """Shows any exception raised inside as a message; the rest of the page stays."""
    try:
        yield
    except Exception as exc:
        show(exc)


def show(exc: Exception) -> bool:
    """Show an error as a message.

    Returns:
        True: the error has been shown (as Streamlit's on_script_error expects).
    """
    if isinstance(exc, SpotlabError):
        explain(exc)
        return True
    with logs.correlated() as reference:
        log.error("unexpected error %s", reference, exc_info=exc)
    st.error(
        "The page, or an action on it, could not be completed. Recorded decisions are "
        "not affected.\n\n**What to do:** reload the page. If the error persists, search for "
        f"`{reference}` on the Logs page or in the server's log (stderr).",
        title="Unexpected error",
        icon=":material/bug_report:",
    )
    with suppress(Exception):  # a link that cannot be shown must not hide the message
        links.of_logs(reference)
    return True


def explain(exc: SpotlabError) -> None:
    """What happened, what it means and what to do, in one box."""
    meaning = _text_for(exc, MEANINGS)
    remedy = f"**What to do:** {plain(exc.remedy)}" if exc.remedy else ""
    lines = [plain(exc.message), meaning, remedy]
    box = st.info if isinstance(exc, Cancelled) else st.warning if _mild(exc) else st.error
    signed_out = isinstance(exc, NotSignedIn)
    icon = "info" if box is st.info else "lock" if signed_out else "warning"
    text = "\n\n".join(line for line in lines if line)
    box(text, title=_text_for(exc, TITLES), icon=f":material/{icon}:")
    if signed_out:
        links.to_sign_in()


def _mild(exc: SpotlabError) -> bool:
    return isinstance(exc, NoMarketData | OnlineStoreDown | NotFound | InvalidInput)


def _text_for(exc: SpotlabError, texts: dict[type[SpotlabError], str]) -> str:
    return next((text for kind, text in texts.items() if isinstance(exc, kind)), "")
