"""The messages that a browser may send to Streamlit over its websocket.

Streamlit carries out every message that it knows, for anyone who is connected. One of them clears
the caches of all users: the server would run its first run again, and evaluate instances.
"""

from __future__ import annotations

import logging
from typing import Final

from spotlab.ui.common import streamlit_internals

log = logging.getLogger("spotlab.ui")

ALLOWED: Final = frozenset(
    {
        "rerun_script",
        "stop_script",
        "file_urls_request",
        "app_heartbeat",
        "backend_operation_request.deferred_file",
        "backend_operation_request.dataframe_chunk",
    }
)
"""Of the backend operations: building an export that is clicked, and more rows of a table."""


def limit() -> None:
    """Make Streamlit ignore all other messages, in every session of this process."""
    streamlit_internals.filter_messages(ALLOWED, _log_rejected)


def _log_rejected(kind: str) -> None:
    log.warning("message %s of a browser ignored: no page sends it", kind)
