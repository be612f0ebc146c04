"""What a reader sees when something fails: what happened, what it means, what to do.

No traceback reaches the browser: it goes to the log, under a short reference.
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
    Cancelled: "Stopped",
    NoMarketData: "No market data yet",
    DatabaseDown: "The database does not answer",
    OnlineStoreDown: "The online store does not answer",
    ModelFailed: "The model cannot be used",
    NotAvailable: "A component that this page needs is unavailable",
    FeedRefused: "A market feed was refused",
    ArtefactRefused: "The model cannot be used",
    NotFound: "Not found",
    NotSignedIn: "Signed out",
    InvalidInput: "That cannot be used",
    AwsError: "AWS refused",
    SpotlabError: "That did not work",
}
"""The first class that fits names the error; narrower ones come first."""

MEANINGS: Final[dict[type[SpotlabError], str]] = {
    Cancelled: "Work completed until then is kept.",
    NoMarketData: "Without prices nothing can be scored or compared.",
    DatabaseDown: "Nothing can be read or recorded until it does; nothing recorded is lost.",
    OnlineStoreDown: "Evaluation continues from the SQL archive.",
    FeedRefused: "The last good data stays in use.",
    ModelFailed: "The server and every other model go on; evaluations use the champion instead.",
    ArtefactRefused: "Risks cannot be computed with it; recorded decisions can still be opened.",
}


@contextmanager
def boundary() -> Iterator[None]:
    """Turns whatever fails inside into a message; the rest of the page stays."""
    try:
        yield
    except Exception as exc:
        show(exc)


def show(exc: Exception) -> bool:
    """A designed message for an error.

    Returns:
        True: the error has been shown (as Streamlit's on_script_error wants it).
    """
    if isinstance(exc, SpotlabError):
        explain(exc)
        return True
    with logs.correlated() as reference:
        log.error("unexpected error %s", reference, exc_info=exc)
    st.error(
        "This page could not be finished. Nothing was changed by showing it; recorded decisions "
        f"are kept.\n\n**What to do:** reload the page. If it stays, look for `{reference}` on "
        "the Logs page or in the server's log (stderr).",
        title="SpotLab made a mistake",
        icon=":material/bug_report:",
    )
    with suppress(Exception):  # a link that cannot be drawn must not hide the message
        links.of_logs(reference)
    return True


def explain(exc: SpotlabError) -> None:
    """What happened, what it means and what to do, as one calm box."""
    meaning = _of(exc, MEANINGS)
    remedy = f"**What to do:** {plain(exc.remedy)}" if exc.remedy else ""
    lines = [plain(exc.message), meaning, remedy]
    box = st.info if isinstance(exc, Cancelled) else st.warning if _mild(exc) else st.error
    signed_out = isinstance(exc, NotSignedIn)
    icon = "info" if box is st.info else "lock" if signed_out else "warning"
    told = "\n\n".join(line for line in lines if line)
    box(told, title=_of(exc, TITLES), icon=f":material/{icon}:")
    if signed_out:
        links.to_sign_in()


def _mild(exc: SpotlabError) -> bool:
    return isinstance(exc, NoMarketData | OnlineStoreDown | NotFound | InvalidInput)


def _of(exc: SpotlabError, words: dict[type[SpotlabError], str]) -> str:
    return next((text for kind, text in words.items() if isinstance(exc, kind)), "")
