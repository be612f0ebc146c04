"""Streamlit's undocumented interfaces behind functions: sessions, messages, files, tables, cookies.

No other module imports them (`tests/test_architecture.py`), so this one is all that has to be
checked when Streamlit is upgraded.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import pandas as pd
from pandas.io.formats.style import Styler
from streamlit import dataframe_util
from streamlit.auth_util import encode_provider_token, get_cookie_with_chunks
from streamlit.elements import arrow
from streamlit.elements.lib.pandas_styler_utils import marshall_styler
from streamlit.elements.lib.streamlit_plotly_theme import configure_streamlit_plotly_theme
from streamlit.proto.ArrowData_pb2 import ArrowData
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime import Runtime
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext, ThreadState
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import (
    TOKENS_COOKIE_NAME,
    USER_COOKIE_NAME,
)

LOGIN_COOKIES: Final = (USER_COOKIE_NAME, TOKENS_COOKIE_NAME)
"""What the names of the login's cookies begin with; a long value is split over several."""

_CELLS: Final = "spotlab_cells"
_handle_message = AppSession.handle_backmsg
_start_run = ScriptRunContext.reset
_add_file = MediaFileManager.add
_add_deferred = MediaFileManager.add_deferred
_execute_deferred = MediaFileManager.execute_deferred


def use_plotly_theme() -> None:
    """Have Plotly's figures use Streamlit's theme; see spotlab/ui/run.py."""
    import plotly.io

    if "streamlit" not in plotly.io.templates:
        configure_streamlit_plotly_theme()


def session_id() -> str:
    """Id of the session whose page is running; "" outside of a run."""
    context = get_script_run_ctx(suppress_warning=True)
    return context.session_id if context is not None else ""


def fragment_id() -> str:
    """Id of the fragment that is running; "" outside of a fragment."""
    return ThreadState.get().fragment_id or ""


def rerun_fragment(fragment_id: str) -> None:
    """Request a run of one fragment, as a browser's timer does; `st.rerun` cannot name another."""
    context = get_script_run_ctx()
    if context is not None and context.script_requests is not None:
        context.script_requests.request_rerun(
            RerunData(
                query_string=context.query_string,
                page_script_hash=context.page_script_hash,
                fragment_id_queue=[fragment_id],
                is_fragment_scoped_rerun=True,
                context_info=context.context_info,
            )
        )


def keep_url_in_fragment_runs() -> None:
    """Make runs of fragments use the session's own query parameters, in this process.

    A fragment's timer sends the URL that its browser has at that moment. If the script has just
    changed the URL, for instance after a filter was entered, that is the URL before, and the
    filter would be lost with the next run of the page.
    """

    def start_run(context: ScriptRunContext, query_string: str = "", **named: Any) -> None:
        if named.get("fragment_ids_this_run"):
            with context.session_state.query_params() as own:
                query_string = urlencode(own._query_params, doseq=True)
        _start_run(context, query_string, **named)

    ScriptRunContext.reset = start_run  # type: ignore[method-assign,assignment]


def filter_messages(allowed: Container[str], rejected: Callable[[str], None]) -> None:
    """Make every session of this process ignore other messages of its browser.

    Args:
        allowed: types of BackMsg, such as "rerun_script"; for a backend operation with its
            payload, such as "backend_operation_request.deferred_file".
        rejected: called with the type of an ignored message.
    """

    def handle(session: AppSession, message: BackMsg) -> None:
        kind = _type_of(message)
        if kind in allowed:
            _handle_message(session, message)
        else:
            rejected(kind)

    AppSession.handle_backmsg = handle  # type: ignore[method-assign,assignment]


def _type_of(message: BackMsg) -> str:
    kind = message.WhichOneof("type")
    if kind == "backend_operation_request":
        return f"{kind}.{message.backend_operation_request.WhichOneof('payload')}"
    return str(kind)


def observe_files(
    added: Callable[[str], None],
    deferred: Callable[[str], None],
    executed: Callable[[str, str], None],
) -> None:
    """Report every media file that pages of this process make.

    Args:
        added: called with a file's address.
        deferred: called with the placeholder of a file that is made when it is clicked.
        executed: called with placeholder and address once that file is made.
    """

    def add(manager: MediaFileManager, *values: Any, **named: Any) -> str:
        address = _add_file(manager, *values, **named)
        added(address)
        return address

    def add_deferred(manager: MediaFileManager, *values: Any, **named: Any) -> str:
        placeholder = _add_deferred(manager, *values, **named)
        deferred(placeholder)
        return placeholder

    def execute_deferred(manager: MediaFileManager, placeholder: str) -> str:
        address = _execute_deferred(manager, placeholder)
        executed(placeholder, address)
        return address

    MediaFileManager.add = add  # type: ignore[method-assign,assignment]
    MediaFileManager.add_deferred = add_deferred  # type: ignore[method-assign,assignment]
    MediaFileManager.execute_deferred = execute_deferred  # type: ignore[method-assign,assignment]


def uploaded_bytes(session_id: str) -> tuple[int, int]:
    """Bytes of uploaded files in memory: of one session, and of all sessions."""
    manager = Runtime.instance().uploaded_file_mgr if Runtime.exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return 0, 0
    sizes = {
        session: sum(len(file.data) for file in list(files.values()))
        for session, files in list(manager.file_storage.items())
    }
    return sizes.get(session_id, 0), sum(sizes.values())


def login_token(provider: str) -> str:
    """The signed name of an OpenID Connect provider, valid for two minutes."""
    return encode_provider_token(provider)


def login_cookie(cookies: Mapping[str, str]) -> bytes | None:
    """Content of the login's cookie; None: it is missing, or its signature is not valid."""

    def read(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        return decode_signed_value(get_cookie_secret(), name, value.encode("latin-1"))

    return get_cookie_with_chunks(read, USER_COOKIE_NAME)


def with_cells(frame: pd.DataFrame, texts: pd.DataFrame, css: Mapping[str, list[str]]) -> Styler:
    """A Styler for `st.dataframe` whose cells are already rendered.

    pandas renders a Styler cell by cell as for HTML, and Streamlit takes the texts out of that
    again: most of the time that a table takes.

    Args:
        frame: the values.
        texts: the text of each cell; same shape.
        css: cells such as "row0_col2" by their declarations, such as "color: #ff0000".
    """
    style = frame.style
    setattr(style, _CELLS, (texts, css))
    return style


def _marshall(proto: ArrowData, styler: Styler, default_uuid: str) -> None:
    rendered = getattr(styler, _CELLS, None)
    if rendered is None:
        marshall_styler(proto, styler, default_uuid)
        return
    texts, css = rendered
    proto.styler.uuid = default_uuid
    proto.styler.styles = "\n".join(
        ", ".join(f"#T_{default_uuid}_{cell}" for cell in cells) + f" {{ {declarations} }}"
        for declarations, cells in css.items()
    )
    proto.styler.display_values = dataframe_util.convert_pandas_df_to_arrow_bytes(texts)


arrow.marshall_styler = _marshall  # type: ignore[attr-defined]
