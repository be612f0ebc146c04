"""Whose screens and files are whose, as Streamlit makes them.

Implements FileOwners of api/screen_files.py. Streamlit knows which screen a file is made for, and
the guard whose screen it is: its manager of files is watched, as it tells nobody.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import PurePosixPath
from typing import Any, Final

from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

MOST_SCREENS: Final = 10_000
MOST_FILES: Final = 50_000
"""Of which the oldest are forgotten: their pages have to be opened anew."""


class ScreenFiles:
    """What this process knows of its screens."""

    def __init__(self) -> None:
        self._screens: OrderedDict[str, str] = OrderedDict()
        self._waiting: OrderedDict[str, str] = OrderedDict()
        self._files: OrderedDict[str, frozenset[str]] = OrderedDict()
        self._lock = threading.Lock()

    def opened(self, session_id: str, user: str) -> None:
        """A screen is this user's from now on."""
        with self._lock:
            _put(self._screens, session_id, user, MOST_SCREENS)

    def waits(self, placeholder: str, session_id: str) -> None:
        """A file will be made for a screen when it is clicked on."""
        with self._lock:
            _put(self._waiting, placeholder, session_id, MOST_FILES)

    def screen_of(self, placeholder: str) -> str:
        """The screen that such a file is for; "": unknown."""
        return self._waiting.get(placeholder, "")

    def made(self, address: str, session_id: str) -> None:
        """A file was made for a screen."""
        user = self._screens.get(session_id)
        if user is None:
            return
        file_id = PurePosixPath(address).name.partition(".")[0]
        with self._lock:
            users = self._files.get(file_id, frozenset()) | {user}
            _put(self._files, file_id, users, MOST_FILES)

    def made_for(self, file_id: str, user: str) -> bool:
        """Whether a file was made for a screen of theirs."""
        return user in self._files.get(file_id, ())

    def is_screen_of(self, session_id: str, user: str) -> bool:
        """Whether a screen is theirs."""
        return self._screens.get(session_id) == user


def _put(into: OrderedDict[str, Any], key: str, value: Any, most: int) -> None:
    into[key] = value
    into.move_to_end(key)
    while len(into) > most:
        into.popitem(last=False)


KNOWN: Final = ScreenFiles()
_add = MediaFileManager.add
_add_deferred = MediaFileManager.add_deferred
_execute_deferred = MediaFileManager.execute_deferred


def watch() -> ScreenFiles:
    """Have every file of this process noted; gives what is known of them."""
    MediaFileManager.add = _noting_add  # type: ignore[method-assign,assignment]
    MediaFileManager.add_deferred = _noting_deferred  # type: ignore[method-assign,assignment]
    MediaFileManager.execute_deferred = _noting_executed  # type: ignore[method-assign,assignment]
    return KNOWN


def this_screen() -> str:
    """Streamlit's id of the screen whose page runs; "": none runs."""
    running = get_script_run_ctx(suppress_warning=True)
    return running.session_id if running is not None else ""


def _noting_add(manager: MediaFileManager, *values: Any, **named: Any) -> str:
    address = _add(manager, *values, **named)
    KNOWN.made(address, this_screen())
    return address


def _noting_deferred(manager: MediaFileManager, *values: Any, **named: Any) -> str:
    placeholder = _add_deferred(manager, *values, **named)
    KNOWN.waits(placeholder, this_screen())
    return placeholder


def _noting_executed(manager: MediaFileManager, file_id: str) -> str:
    address = _execute_deferred(manager, file_id)
    KNOWN.made(address, KNOWN.screen_of(file_id))
    return address
