"""The first run of a small lab, done once per process: unchanged labs copy its result.

Deciding about four instances takes longer than showing most pages.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from spotlab.domain.ports import OnlineRow
from spotlab.runtime.lab import Lab
from spotlab.scheduling.first_run import get_ready
from tests.support.lab import DictStore


class FirstDecisions:
    """Runs the first of some equal labs; the others get its database and online store."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._rows: dict[tuple[str, tuple[str, ...]], OnlineRow] | None = None
        self._watched: tuple[Lab, DictStore, sqlite3.Connection, tuple[object, ...]] | None = None

    @contextmanager
    def watching(self, lab: Lab, online: DictStore) -> Iterator[None]:
        """Notice whether this lab, which equals the others, is changed before `prepare`."""
        with closing(sqlite3.connect(lab.settings.sqlite_path)) as file:
            self._watched = (lab, online, file, _state(lab, online, file))
            try:
                yield
            finally:
                self._watched = None

    def prepare(self, lab: Lab) -> None:
        """Carry out the first run if the lab is watched and unchanged; else leave it to the app."""
        if self._watched is None or self._watched[0] is not lab:
            return
        _lab, online, file, before = self._watched
        self._watched = None
        if _state(lab, online, file) != before:
            return
        if self._rows is None:
            get_ready(lab)
            file.backup(self._database)
            self._rows = dict(online.kept)
        else:
            self._database.backup(file)
            online.kept.update(self._rows)


def _state(lab: Lab, online: DictStore, file: sqlite3.Connection) -> tuple[object, ...]:
    (commits,) = file.execute("PRAGMA data_version").fetchone()
    stored = (commits, len(online.kept), online.down)
    return (*stored, id(lab.settings), lab.clock, lab.clock.now(), lab.predictor)
