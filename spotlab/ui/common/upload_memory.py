"""Files that browsers sent and Streamlit holds in memory."""

from __future__ import annotations

from streamlit.runtime import Runtime
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager


def held(session: str) -> tuple[int, int]:
    """Bytes that one session holds, by its id, and that all of them hold."""
    manager = Runtime.instance().uploaded_file_mgr if Runtime.exists() else None
    if not isinstance(manager, MemoryUploadedFileManager):
        return 0, 0
    sizes = {
        name: sum(len(file.data) for file in list(files.values()))
        for name, files in list(manager.file_storage.items())
    }
    return sizes.get(session, 0), sum(sizes.values())
