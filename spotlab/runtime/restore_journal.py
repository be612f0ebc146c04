"""Files of a home replaced by others: all or none, even where the process is killed amid it.

What is to be done is written down first, in a journal; every step of it can be taken
again. So whoever opens the home next finishes what was begun, before anything is read.
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
from spotlab.store.restore import put_sqlite

JOURNAL: Final = ".restoring.json"
PREFIX: Final = ".restore-"
DATABASE_FILE: Final = "spotlab.db"
NEW: Final = "new"
"""In the folder of a restore: what is to be put in place, under its own name."""
_WAIT_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.05


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is replaced.

    Args:
        restore_id: names it in the audit log.
        folder: in the home, has what is new.
        names: of what is new.
        stamp: of the names of what was there.
        after_commit: nothing is replaced unless a database has committed its part.
    """

    restore_id: str
    folder: str
    names: tuple[str, ...]
    stamp: str
    after_commit: bool


@contextmanager
def alone_in(home: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Let nobody else restore into a home, or finish a restore.

    Args:
        home: there is such a folder.
        wait_s: how long to wait for somebody who does.
    Raises:
        NotAvailable: somebody still does.
    """
    descriptor = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    ends = time.monotonic() + wait_s
    try:
        while not _locked(descriptor):
            if time.monotonic() >= ends:
                raise NotAvailable(
                    f"A backup is being restored into {home}.", remedy="Wait until that is done."
                )
            time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def begin(home: Path, plan: Plan) -> None:
    """Write down what is to be done; from here on it is finished, by whomever."""
    folder = home / plan.folder
    for place in (*(folder / NEW).rglob("*"), folder / NEW, folder):
        _to_disk(place)
    draft = folder / JOURNAL
    draft.write_bytes(msgspec.json.encode(plan))
    _to_disk(draft)
    draft.rename(home / JOURNAL)
    _to_disk(home)


def put_files(home: Path, plan: Plan) -> list[str]:
    """Put everything but a database in place; where that was cut off, it goes on.

    Returns:
        Where each thing is that was replaced.
    """
    former = []
    for name in plan.names:
        if name == DATABASE_FILE:
            continue
        new, final = home / plan.folder / NEW / name, home / name
        beside = final.with_name(f"{name}.before-{plan.stamp}")
        if new.exists():
            if final.exists() and not beside.exists():
                final.rename(beside)
            os.replace(new, final)  # noqa: PTH105 (also where another was made meanwhile)
        if beside.exists():
            former.append(str(beside))
    return former


def end(home: Path, plan: Plan) -> None:
    """Everything is in place, or nothing is to be."""
    _to_disk(home)
    (home / JOURNAL).unlink()
    shutil.rmtree(home / plan.folder, ignore_errors=True)


def undo(home: Path, plan: Plan) -> None:
    """Put back what was there."""
    for name in reversed(plan.names):
        new, final = home / plan.folder / NEW / name, home / name
        if not new.exists() and final.exists():
            final.rename(new)
        for log in ("", "-wal", "-shm"):
            beside = home / f"{name}.before-{plan.stamp}{log}"
            if beside.exists():
                os.replace(beside, home / f"{name}{log}")  # noqa: PTH105 (also a link to it)


def free_stamp(home: Path, names: tuple[str, ...], stamp: str) -> str:
    """A stamp that no former file of the home has."""
    number, free = 1, stamp
    while any((home / f"{name}.before-{free}").exists() for name in names):
        number += 1
        free = f"{stamp}_{number}"
    return free


def settle(home: Path, has_committed: Callable[[str], bool]) -> None:
    """Finish what a restore that was killed has begun, and remove what it left.

    Args:
        home: nobody uses its database yet.
        has_committed: whether the database holds what a restore, by its id, brought into it.
    Raises:
        NotAvailable: a restore is at work, or its files cannot be moved.
        DatabaseDown: the database does not say whether it has committed.
    """
    if not any(each.name.startswith((JOURNAL, PREFIX)) for each in home.iterdir()):
        return
    with alone_in(home, _WAIT_S):
        journal = home / JOURNAL
        try:
            if journal.exists():
                plan = msgspec.json.decode(journal.read_bytes(), type=Plan)
                if not plan.after_commit or has_committed(plan.restore_id):
                    if DATABASE_FILE in plan.names:
                        new = home / plan.folder / NEW / DATABASE_FILE
                        put_sqlite(new, home / DATABASE_FILE, plan.stamp)
                    put_files(home, plan)
                end(home, plan)
        except (OSError, msgspec.MsgspecError) as exc:
            raise NotAvailable(
                f"A restore into {home} was cut off, and cannot be finished: {exc}.",
                remedy=f"Check the rights and the space of the home; {JOURNAL} says what is left.",
            ) from exc
        for left in home.glob(f"{PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)


def _to_disk(place: Path) -> None:
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
