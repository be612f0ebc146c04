"""Measured throughputs in SQL: immutable versions of a set for each workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from spotlab.domain.performance import PerformanceIndex, read_fingerprint
from spotlab.domain.ports import By
from spotlab.domain.throughputs import Throughput, ThroughputSet
from spotlab.errors import NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository, next_version
from spotlab.store.tables.throughputs import ThroughputSetRow

_ONE_WRITER = "throughputs"


class SqlThroughputs(Repository):
    """Sets of throughputs in SQL. Removing a set adds an empty version."""

    def versions(self, workload: str | None = None) -> list[ThroughputSet]:
        """Every version (of one workload), by workload, then newest first."""
        query = select(ThroughputSetRow).order_by(
            col(ThroughputSetRow.workload), col(ThroughputSetRow.version).desc()
        )
        if workload is not None:
            query = query.where(ThroughputSetRow.workload == workload)
        with reading(self._engine) as session:
            return [_set(row) for row in session.exec(query)]

    def newest(self) -> dict[str, ThroughputSet]:
        """The newest version of each workload's set, by workload; an empty one if removed."""
        found: dict[str, ThroughputSet] = {}
        with reading(self._engine) as session:
            rows = session.exec(
                select(ThroughputSetRow.workload, ThroughputSetRow.version).order_by(
                    col(ThroughputSetRow.version)
                )
            )
            for workload, version in dict(rows.all()).items():
                found[workload] = _set(session.get_one(ThroughputSetRow, (workload, version)))
        return found

    def index_at(self, fingerprint: str) -> PerformanceIndex:
        """The index that a decision used, without the sizes of types.

        Args:
            fingerprint: as recorded; "": all hardware counted as equal.
        Raises:
            NotFound: one of its sets is not in this database.
            InvalidInput: it is no fingerprint.
        """
        references, claims_version = read_fingerprint(fingerprint)
        with reading(self._engine) as session:
            rows = [session.get(ThroughputSetRow, each) for each in references]
            if None in rows:
                raise NotFound(
                    f"Throughputs of the index {fingerprint!r} are not in this database.",
                    remedy="Restore the backup that has them.",
                )
            sets = tuple(_set(row) for row in rows if row is not None)
        return PerformanceIndex(sets, claims_version)

    def save(
        self,
        workload: str,
        throughputs: Sequence[Throughput],
        unit: str,
        by: By,
        expected_version: int | None = None,
    ) -> ThroughputSet:
        """Store the next version of a workload's set.

        Args:
            workload: its name; "": of all workloads.
            throughputs: empty: the set is removed.
            unit: of every value.
            by: signs the change.
            expected_version: the newest version when the change was prepared, 0 for none; None:
                any.
        Raises:
            ChangedMeanwhile: the newest version is another.
            InvalidInput: there are too many throughputs, or two of one name.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            newest = _newest(session, workload)
            current = newest.version if newest is not None else 0
            version = next_version("The throughputs are", current, expected_version)
            saved = ThroughputSet(
                workload, version, tuple(throughputs), unit, by.at, by.actor, by.reason
            )
            session.add(
                ThroughputSetRow(
                    workload=workload,
                    version=saved.version,
                    created_at=by.at,
                    created_by=by.actor,
                    reason=by.reason,
                    unit=unit,
                    throughputs=msgspec.to_builtins(saved.throughputs),
                )
            )
            session.flush()
            before = _summary(newest) if newest is not None else None
            append(session, by, "throughputs.save", saved.reference, before, _summary(saved))
        return saved


def _newest(session: Session, workload: str) -> ThroughputSet | None:
    query = select(ThroughputSetRow).where(ThroughputSetRow.workload == workload)
    row = session.exec(query.order_by(col(ThroughputSetRow.version).desc()).limit(1)).first()
    return None if row is None else _set(row)


def _set(row: ThroughputSetRow) -> ThroughputSet:
    return ThroughputSet(
        row.workload,
        row.version,
        msgspec.convert(tuple(row.throughputs), tuple[Throughput, ...]),
        row.unit,
        row.created_at,
        row.created_by,
        row.reason,
    )


def _summary(each: ThroughputSet) -> dict[str, Any]:
    """What the audit log says; the version itself is never changed."""
    return {"version": each.version, "throughputs": len(each.throughputs), "unit": each.unit}
