"""Workload versions and their assignments in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from sqlmodel import Session, col, select

from spotlab.domain.ports import By
from spotlab.domain.workload import (
    Assignment,
    AssignmentScope,
    Workload,
    WorkloadVersion,
    to_parameters,
)
from spotlab.domain.workload_presets import PRESETS
from spotlab.errors import NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository, next_version
from spotlab.store.tables.workloads import WorkloadAssignmentRow, WorkloadRow

_ONE_WRITER = "workloads"


class SqlWorkloads(Repository):
    """Workloads in SQL; the presets are version 1 of theirs and stand in no row."""

    def versions(self, name: str | None = None) -> list[WorkloadVersion]:
        """Every version (of one name), by name, then newest first."""
        query = select(WorkloadRow)
        if name is not None:
            query = query.where(WorkloadRow.name == name)
        with reading(self._engine) as session:
            stored = [_version(row) for row in session.exec(query)]
        presets = [WorkloadVersion(each) for each in PRESETS if name in (None, each.name)]
        return sorted(
            [*presets, *stored], key=lambda each: (each.workload.name, -each.workload.version)
        )

    def newest(self) -> dict[str, Workload]:
        """The newest version of each workload, by name."""
        found: dict[str, Workload] = {}
        for each in self.versions():
            found.setdefault(each.workload.name, each.workload)
        return found

    def save(self, workload: Workload, by: By, expected_version: int | None = None) -> Workload:
        """Store a workload as the next version of its name.

        Args:
            workload: its version is ignored.
            by: signs the change.
            expected_version: the newest version when the change was prepared, 0 for a new name;
                None: any.
        Returns:
            The workload with its version.
        Raises:
            ChangedMeanwhile: the newest version is another.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            newest = _newest(session, workload.name)
            current = newest.version if newest is not None else 0
            version = next_version(f"Workload {workload.name!r} is", current, expected_version)
            saved = replace(workload, version=version)
            session.add(
                WorkloadRow(
                    name=saved.name,
                    version=saved.version,
                    created_at=by.at,
                    created_by=by.actor,
                    reason=by.reason,
                    parameters=to_parameters(saved),
                )
            )
            session.flush()
            before = to_parameters(newest) if newest is not None else None
            append(session, by, "workload.save", saved.reference, before, to_parameters(saved))
        return saved

    def assignments(self) -> list[Assignment]:
        """Every rule, by scope and key."""
        query = select(WorkloadAssignmentRow).order_by(
            col(WorkloadAssignmentRow.scope), col(WorkloadAssignmentRow.key)
        )
        with reading(self._engine) as session:
            return [
                Assignment(AssignmentScope(row.scope), row.key, row.workload)
                for row in session.exec(query)
            ]

    def assign(self, scope: AssignmentScope, key: str, workload: str | None, by: By) -> None:
        """Set a rule; workload None removes it.

        Raises:
            NotFound: no workload of that name, or no rule to remove.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            row = session.get(WorkloadAssignmentRow, (scope.value, key))
            before = row.workload if row is not None else None
            if workload is None:
                if row is None:
                    raise NotFound(f"No workload is assigned by {scope.value} {key!r}.")
                session.delete(row)
            else:
                if _newest(session, workload) is None:
                    raise NotFound(
                        f"There is no workload {workload!r}.",
                        remedy="`spotlab workloads list` names them.",
                    )
                if row is None:
                    row = WorkloadAssignmentRow(scope=scope.value, key=key, workload=workload)
                    session.add(row)
                row.workload = workload
            session.flush()
            append(session, by, "workload.assign", f"{scope.value}:{key}", before, workload)


def _newest(session: Session, name: str) -> Workload | None:
    query = select(WorkloadRow).where(WorkloadRow.name == name)
    row = session.exec(query.order_by(col(WorkloadRow.version).desc()).limit(1)).first()
    if row is not None:
        return _version(row).workload
    return next((preset for preset in PRESETS if preset.name == name), None)


def _version(row: WorkloadRow) -> WorkloadVersion:
    parameters: dict[str, Any] = {
        **row.parameters,
        "name": row.name,
        "version": row.version,
    }
    return WorkloadVersion(
        msgspec.convert(parameters, Workload), row.created_at, row.created_by, row.reason
    )
