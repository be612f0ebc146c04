"""The folder of all state: made where it is missing, refused where it is no use."""

from __future__ import annotations

import os
from pathlib import Path

from spotlab.errors import InvalidSetting
from spotlab.runtime.restore_journal import settle
from spotlab.settings import Settings
from spotlab.store.engine import connect
from spotlab.store.restore import has_noted


def usable_home(settings: Settings) -> Path:
    """SPOTLAB_HOME, absolute; it must be writable where the database is a file in it.

    A restore that was killed is finished first.

    Raises:
        InvalidSetting: it cannot be made, is no folder, or cannot be written.
        NotAvailable, DatabaseDown: a restore is at work, or cannot be finished.
    """
    home = settings.home.absolute()
    why = ""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        why = "It is no folder"
    except OSError as exc:
        why = exc.strerror or str(exc)
    if not why and settings.database_url is None and not os.access(home, os.W_OK | os.X_OK):
        why = "It cannot be written"
    if why:
        raise InvalidSetting(
            f"SPOTLAB_HOME {home} cannot be used: {why}.",
            remedy="Name a folder that SpotLab may write.",
        )
    settle(home, lambda restore_id: _has_committed(settings, restore_id))
    return home


def _has_committed(settings: Settings, restore_id: str) -> bool:
    url = settings.database_url.get_secret_value() if settings.database_url else None
    engine = connect(url, settings.sqlite_path)
    try:
        return has_noted(engine, restore_id)
    finally:
        engine.dispose()
