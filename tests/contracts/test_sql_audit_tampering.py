"""Tampering with the audit log shows, whichever column of whichever entry is touched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from spotlab.store import Store
from spotlab.store.audit import _digest
from spotlab.store.engine import writing
from spotlab.store.tables.access import AuditRow
from tests.support import builders as make
from tests.support.databases import Database

ENTRIES = 5
COLUMNS = sorted(AuditRow.model_fields)
Tamper = Callable[[Session], None]


@pytest.fixture
def written(store: Store) -> Store:
    return write(store)


def write(store: Store) -> Store:
    for each in range(ENTRIES):
        by = replace(make.BY, at=make.NOW + timedelta(minutes=each), reason=f"why {each}")
        before = {"n": each} if each % 2 else None
        store.audit.add(by, "job.run", f"job-{each}", before, {"n": each + 1})
    assert store.audit.check().broken_at is None
    return store


def row_of(session: Session, number: int) -> AuditRow:
    return session.exec(select(AuditRow).where(AuditRow.number == number)).one()


def other_values(value: Any) -> list[Any]:
    """Values near to one, and far from it."""
    if isinstance(value, datetime):
        return [value + timedelta(microseconds=1), value - timedelta(days=400), datetime.now(UTC)]
    if isinstance(value, int):
        return [-value, 0, value + 100, 2**31 - 1]
    near = [value + " ", f" {value}", value.swapcase(), value[:-1], "", "null", "eve", value * 2]
    return [each for each in dict.fromkeys(near) if each != value]


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_of_every_entry_is_covered(written: Store, column: str) -> None:
    missed = []
    for number in range(1, ENTRIES + 1):
        with writing(written.engine) as session:
            whole = row_of(session, number).model_dump()
        for value in other_values(whole[column]):
            changed = whole | {column: value}
            _replace(written, number, changed)
            if written.audit.check().broken_at is None:
                missed.append(f"{column} of {number} = {value!r}")
            _replace(written, changed["number"], whole)
    assert missed == []
    assert written.audit.check().broken_at is None


def _replace(store: Store, number: int, values: dict[str, Any]) -> None:
    with writing(store.engine) as session:
        session.delete(row_of(session, number))
        session.flush()
        session.add(AuditRow(**values))


def _swap(session: Session, one: int, other: int) -> None:
    """Two entries in each other's place, each whole but for its number."""
    first, second = row_of(session, one), row_of(session, other)
    told, instead = first.model_dump(exclude={"number"}), second.model_dump(exclude={"number"})
    for row, values in ((first, instead), (second, told)):
        for name, value in values.items():
            setattr(row, name, value)


def _insert(session: Session, number: int, *, fitting: bool) -> None:
    """A copy of an entry; fitting: with the digest that its own words have."""
    made = {"number": number, "actor": "eve", "at": make.NOW, "previous": ""}
    of_some = session.exec(select(AuditRow)).first()
    assert of_some is not None
    copied = AuditRow(**of_some.model_dump() | made)
    copied.digest = _digest(copied) if fitting else copied.digest
    session.add(copied)


def _push(session: Session, after: int) -> None:
    """Make room for an entry by moving up those that follow."""
    for number in range(ENTRIES, after, -1):
        row = row_of(session, number)
        values = row.model_dump() | {"number": number + 1}
        session.delete(row)
        session.flush()
        session.add(AuditRow(**values))
        session.flush()
    _insert(session, after + 1, fitting=True)


MOVES: dict[str, Tamper] = {
    **{f"remove {n}": lambda s, n=n: s.delete(row_of(s, n)) for n in range(1, ENTRIES)},
    **{
        f"swap {one} and {other}": lambda s, one=one, other=other: _swap(s, one, other)
        for one in range(1, ENTRIES + 1)
        for other in range(one + 1, ENTRIES + 1)
    },
    **{
        f"insert {number}{' that fits' if fitting else ''}": (
            lambda s, number=number, fitting=fitting: _insert(s, number, fitting=fitting)
        )
        for number in (-3, 0, ENTRIES + 1, ENTRIES + 2)
        for fitting in (False, True)
    },
    **{f"push after {n}": lambda s, n=n: _push(s, n) for n in range(ENTRIES)},
}


@pytest.mark.parametrize("move", MOVES)
def test_what_is_removed_inserted_or_moved_shows(written: Store, move: str) -> None:
    with writing(written.engine) as session:
        MOVES[move](session)
    assert written.audit.check().broken_at is not None


@pytest.mark.parametrize("cut", range(1, ENTRIES + 1))
def test_an_end_that_was_cut_off_shows_by_the_head_that_was_kept(written: Store, cut: int) -> None:
    kept = written.audit.check().head
    with writing(written.engine) as session:
        for number in range(ENTRIES, ENTRIES - cut, -1):
            session.delete(row_of(session, number))
    assert written.audit.check().broken_at is None, "the chain alone does not tell"
    check = written.audit.check(kept)
    assert (check.broken_at, check.entries) == (ENTRIES - cut + 1, ENTRIES - cut)
    assert "stored head" in check.reason


def test_a_log_that_was_written_anew_shows_by_the_head_that_was_kept(written: Store) -> None:
    kept, previous = written.audit.check().head, ""
    with writing(written.engine) as session:
        for number in range(1, ENTRIES + 1):
            row = row_of(session, number)
            row.actor = "eve" if number == 2 else row.actor
            row.previous, row.digest = previous, ""
            row.digest = previous = _digest(row)
    assert written.audit.check().broken_at is None, "the chain alone does not tell"
    assert written.audit.check(kept).broken_at is not None


def test_a_head_that_was_kept_counts_after_more_was_written(written: Store) -> None:
    kept = written.audit.check().head
    written.audit.add(make.BY, "job.run", "later")
    assert written.audit.check(kept).broken_at is None
    assert written.audit.check(kept[:16]).broken_at is None, "the beginning, as the page shows it"


GARBAGE = ("x'ff'", "CAST(x'ff' AS TEXT)", "17", "1e300", "'no value of this column'")
"""What SQLite keeps in a column of any type."""


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize("column", [each for each in COLUMNS if each != "number"])
def test_what_is_no_value_at_all_shows(tmp_path: Path, column: str, garbage: str) -> None:
    with Database(None, tmp_path / "home" / "spotlab.db").opened() as store:
        write(store)
        with writing(store.engine) as session:
            changed = text(f"UPDATE audit_log SET {column} = {garbage} WHERE number = 3")
            session.connection().execute(changed)
        check = store.audit.check()
        assert (check.entries, check.broken_at) == (2, 3)
