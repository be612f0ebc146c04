"""The bytes of uploaded files in Streamlit's memory."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from spotlab.ui.common.streamlit_internals import uploaded_bytes


def test_files_are_counted_until_their_session_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryUploadedFileManager("/_stcore/upload_file")
    monkeypatch.setattr(Runtime, "exists", lambda: True)
    monkeypatch.setattr(Runtime, "instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))
    for session, name, size in (("a", "1", 30), ("a", "2", 12), ("b", "1", 100), ("a", "1", 5)):
        manager.add_file(session, UploadedFileRec(name, "f", "text/csv", bytes(size)))

    assert uploaded_bytes("a") == (17, 117)
    assert uploaded_bytes("nobody") == (0, 117)
    manager.remove_session_files("b")
    assert uploaded_bytes("b") == (0, 17)


def test_without_a_server_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Runtime, "exists", lambda: False)

    assert uploaded_bytes("a") == (0, 0)
