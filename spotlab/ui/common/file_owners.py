"""The user of each open screen, and of each file that was made for one.

Implements `FileOwners` of api/screen_files.py. Streamlit knows for which screen it makes a file,
and the guard knows whose screen that is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import PurePosixPath
from typing import Any, Final

from spotlab.ui.common import streamlit_internals

MAX_SCREENS: Final = 10_000
MAX_FILES: Final = 50_000
"""Beyond these, the oldest are forgotten: their pages have to be opened again."""


class ScreenFiles:
    """The screens and files of this process, with their users."""

    def __init__(self) -> None:
        self._screens: OrderedDict[str, str] = OrderedDict()
        self._waiting: OrderedDict[str, str] = OrderedDict()
        self._files: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._lock = threading.Lock()

    def opened(self, session_id: str, user: str) -> None:
        """Record the user of a screen."""
        with self._lock:
            _put(self._screens, session_id, user, MAX_SCREENS)

    def waits(self, placeholder: str, session_id: str) -> None:
        """Record the screen of a file that will be made when it is clicked."""
        with self._lock:
            _put(self._waiting, placeholder, session_id, MAX_FILES)

    def screen_of(self, placeholder: str) -> str:
        """The screen of such a file; "": unknown."""
        return self._waiting.get(placeholder, "")

    def made(self, address: str, session_id: str) -> None:
        """Record that a file was made for a screen."""
        user = self._screens.get(session_id)
        if user is None:
            return
        file_id = PurePosixPath(address).name.partition(".")[0]
        with self._lock:
            users = self._files.get(file_id, frozenset()) | {user}
            _put(self._files, file_id, users, MAX_FILES)

    def made_for(self, file_id: str, user: str) -> bool:
        """Whether a file was made for a screen of this user."""
        return user in self._files.get(file_id, ())

    def is_screen_of(self, session_id: str, user: str) -> bool:
        """Whether a screen is this user's."""
        return self._screens.get(session_id) == user


def _put(entries: OrderedDict[str, Any], key: str, value: Any, max_entries: int) -> None:
    entries[key] = value
    entries.move_to_end(key)
    while len(entries) > max_entries:
        entries.popitem(last=False)


KNOWN: Final = ScreenFiles()


def watch() -> ScreenFiles:
    """Record every file that this process makes from now on; returns the record."""
    streamlit_internals.observe_files(
        added=lambda address: KNOWN.made(address, streamlit_internals.session_id()),
        deferred=lambda placeholder: KNOWN.waits(placeholder, streamlit_internals.session_id()),
        executed=lambda placeholder, address: KNOWN.made(address, KNOWN.screen_of(placeholder)),
    )
    return KNOWN
