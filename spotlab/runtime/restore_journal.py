"""Atomic replacement of the files of a home, even if the process is killed during a restore.

A journal is written first, and every step can be repeated. The next process that opens the home
completes an interrupted restore before it reads anything.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from spotlab.errors import NotAvailable

JOURNAL: Final = ".restoring.json"
PREFIX: Final = ".restore-"
DATABASE_FILE: Final = "spotlab.db"
NEW: Final = "new"
"""Subfolder of a restore with the new files, under their final names."""
_WAIT_S: Final = 10.0
_POLL_S: Final = 0.05


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The journal of a restore.

    Args:
        restore_id: id of the restore in the audit log.
        folder: folder of the restore in the home, with the new files.
        names: names of the new files and folders.
        stamp: part of the new names of the replaced files.
        after_commit: nothing is replaced unless the database has committed the restore.
    """

    restore_id: str
    folder: str
    names: tuple[str, ...]
    stamp: str
    after_commit: bool


@contextmanager
def locked_home(home: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Lock a home, so that no other process restores into it or completes a restore.

    Args:
        home: an existing folder.
        wait_s: how long to wait for the lock.
    Raises:
        NotAvailable: another process still holds the lock.
    """
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + wait_s
    try:
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise NotAvailable(
                    f"A backup is being restored into {home}.", remedy="Wait until it is complete."
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_journal(home: Path, plan: Plan) -> None:
    """Write the journal; from now on the restore is completed, by this process or the next."""
    folder = home / plan.folder
    for path in (*(folder / NEW).rglob("*"), folder / NEW, folder):
        _fsync(path)
    draft = folder / JOURNAL
    draft.write_bytes(msgspec.json.encode(plan))
    _fsync(draft)
    draft.rename(home / JOURNAL)
    _fsync(home)


def move_files(home: Path, plan: Plan) -> list[str]:
    """Move everything except a database into place; can be repeated after an interruption.

    Returns:
        The new paths of the replaced files.
    """
    replaced = []
    for name in plan.names:
        if name == DATABASE_FILE:
            continue
        new, final = home / plan.folder / NEW / name, home / name
        former = final.with_name(f"{name}.before-{plan.stamp}")
        if new.exists():
            if final.exists() and not former.exists():
                final.rename(former)
            os.replace(new, final)  # noqa: PTH105 (also if another was created meanwhile)
        if former.exists():
            replaced.append(str(former))
    return replaced


def delete_journal(home: Path, plan: Plan) -> None:
    """Delete the journal and the folder of a restore that is complete or cancelled."""
    _fsync(home)
    (home / JOURNAL).unlink()
    shutil.rmtree(home / plan.folder, ignore_errors=True)


def undo(home: Path, plan: Plan) -> None:
    """Move the replaced files back."""
    for name in reversed(plan.names):
        new, final = home / plan.folder / NEW / name, home / name
        if not new.exists() and final.exists():
            final.rename(new)
        for log in ("", "-wal", "-shm"):
            former = home / f"{name}.before-{plan.stamp}{log}"
            if former.exists():
                os.replace(former, home / f"{name}{log}")  # noqa: PTH105 (also a link to it)


def unused_stamp(home: Path, names: tuple[str, ...], stamp: str) -> str:
    """A stamp that no earlier restore into this home has used."""
    number, free = 1, stamp
    while any((home / f"{name}.before-{free}").exists() for name in names):
        number += 1
        free = f"{stamp}_{number}"
    return free


def complete_restore(home: Path, has_committed: Callable[[str], bool]) -> None:
    """Complete an interrupted restore, and delete its leftovers.

    Args:
        home: its database must not be open yet.
        has_committed: whether the database has committed the restore with this id.
    Raises:
        NotAvailable: a restore is running, or its files cannot be moved.
        DatabaseDown: the database cannot be read.
    """
    if not any(each.name.startswith((JOURNAL, PREFIX)) for each in home.iterdir()):
        return
    with locked_home(home, _WAIT_S):
        journal = home / JOURNAL
        try:
            if journal.exists():
                plan = msgspec.json.decode(journal.read_bytes(), type=Plan)
                if not plan.after_commit or has_committed(plan.restore_id):
                    if DATABASE_FILE in plan.names:
                        from spotlab.store.restore import replace_sqlite

                        new = home / plan.folder / NEW / DATABASE_FILE
                        replace_sqlite(new, home / DATABASE_FILE, plan.stamp)
                    move_files(home, plan)
                delete_journal(home, plan)
        except (OSError, msgspec.MsgspecError) as exc:
            raise NotAvailable(
                f"A restore into {home} was interrupted and cannot be completed: {exc}.",
                remedy=f"Check permissions and free space of the home; {JOURNAL} lists the files.",
            ) from exc
        for folder in home.glob(f"{PREFIX}*"):
            shutil.rmtree(folder, ignore_errors=True)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
