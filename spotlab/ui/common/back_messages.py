"""What a browser may ask of Streamlit over its websocket: to run a page, and what belongs to one.

Streamlit carries out whatever message it knows, for whoever is connected. One
empties the caches of every user: the server gets ready anew, and decides about instances.
"""

from __future__ import annotations

import logging
from typing import Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.app_session import AppSession

log = logging.getLogger("spotlab.ui")

KINDS: Final = frozenset({"rerun_script", "stop_script", "file_urls_request", "app_heartbeat"})
_PART: Final = "backend_operation_request"
PARTS: Final = frozenset({"deferred_file", "dataframe_chunk"})
"""Of `backend_operation_request`: an export that is clicked on, more rows of a table."""

_handle = AppSession.handle_backmsg


def limit() -> None:
    """Have Streamlit leave everything else undone, in every session of this process."""
    AppSession.handle_backmsg = _handle_known  # type: ignore[method-assign,assignment]


def is_known(message: BackMsg) -> bool:
    """Whether a message asks for something that pages need."""
    kind = message.WhichOneof("type")
    if kind == _PART:
        return message.backend_operation_request.WhichOneof("payload") in PARTS
    return kind in KINDS


def _handle_known(session: AppSession, message: BackMsg) -> None:
    if is_known(message):
        _handle(session, message)
    else:
        log.warning("a browser asked for %s, which no page does", message.WhichOneof("type"))
