"""Files that screens make and take, each for the user whose screen it is.

Streamlit gives an image or an export to whoever knows its address, and takes an upload for whoever
knows a screen's: the address of a file is that of its content. Here it is asked whose it is.
"""

from __future__ import annotations

from typing import Final, Protocol

from spotlab.domain.access import Principal, Right
from spotlab.errors import Forbidden, NotFound

MEDIA_PREFIX: Final = "/media/"
UPLOAD_PREFIX: Final = "/_stcore/upload_file/"
_UPLOAD_RIGHTS: Final = (Right.BACKTEST, Right.UPLOAD_MODELS)
"""Whoever has none of these is shown no form that takes a file."""


class FileOwners(Protocol):
    """Whose files are whose; see ui/common/screen_files.py, which alone may know Streamlit."""

    def made_for(self, file_id: str, user: str) -> bool:
        """Whether a file was made for a screen of theirs."""
        ...

    def is_screen_of(self, session_id: str, user: str) -> bool:
        """Whether a screen is theirs."""
        ...


_owners: list[FileOwners] = []


def register_owners(owners: FileOwners) -> None:
    """Ask these; called once, by the launcher. Before that, no file is given or taken."""
    _owners[:] = [owners]


def require_file_access(path: str, who: Principal) -> None:
    """Nothing, if a path is none of a file, or of one of theirs.

    Raises:
        NotFound: it is of no file or screen of theirs.
        Forbidden: they may not send files at all.
    """
    if path.startswith(MEDIA_PREFIX):
        file_id = path.removeprefix(MEDIA_PREFIX).partition(".")[0]
        if not any(owners.made_for(file_id, who.name) for owners in _owners):
            raise NotFound("There is no such file.", remedy="Open the page that it is on anew.")
    if path.startswith(UPLOAD_PREFIX):
        if not any(who.may(right) for right in _UPLOAD_RIGHTS):
            raise Forbidden(f"{who.name} ({who.role}) may not send files.")
        session_id = path.removeprefix(UPLOAD_PREFIX).partition("/")[0]
        if not any(owners.is_screen_of(session_id, who.name) for owners in _owners):
            raise NotFound("There is no such screen.", remedy="Load the page anew.")
