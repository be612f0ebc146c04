"""The home folder: created if missing, checked, and unfinished restores completed."""

from __future__ import annotations

import os
from pathlib import Path

from spotlab.errors import InvalidSetting
from spotlab.runtime.restore_journal import complete_restore
from spotlab.settings import Settings


def usable_home(settings: Settings) -> Path:
    """SPOTLAB_HOME, absolute; it must be writable if the database is a file in it.

    An interrupted restore is completed first.

    Raises:
        InvalidSetting: it cannot be created or written, or is not a folder.
        NotAvailable, DatabaseDown: a restore is running, or cannot be completed.
    """
    home = settings.home.absolute()
    problem = ""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        problem = "It is not a folder"
    except OSError as exc:
        problem = exc.strerror or str(exc)
    if not problem and settings.database_url is None and not os.access(home, os.W_OK | os.X_OK):
        problem = "It cannot be written"
    if problem:
        raise InvalidSetting(
            f"SPOTLAB_HOME {home} cannot be used: {problem}.",
            remedy="Name a folder that SpotLab may write to.",
        )
    complete_restore(home, lambda restore_id: _has_committed(settings, restore_id))
    return home


def _has_committed(settings: Settings, restore_id: str) -> bool:
    from spotlab.store.engine import connect
    from spotlab.store.restore import has_restore_entry

    url = settings.database_url.get_secret_value() if settings.database_url else None
    engine = connect(url, settings.sqlite_path, settings.database_pooling)
    try:
        return has_restore_entry(engine, restore_id)
    finally:
        engine.dispose()
