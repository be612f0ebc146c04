"""Guards of switches in SQL: their versions, stops, and the switches that have begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import func
from sqlmodel import Session, col, select

from spotlab.domain.ports import By
from spotlab.domain.switch_guards import (
    EVERYWHERE,
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    Stop,
    SwitchingMode,
)
from spotlab.domain.switches import SwitchState
from spotlab.errors import Conflict
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.repository import Repository, next_version
from spotlab.store.tables.core import HomeStateRow
from spotlab.store.tables.switch_guards import SwitchGuardsRow, SwitchStartRow, SwitchStopRow
from spotlab.store.tables.switches import SwitchRow

_ONE_WRITER: Final = "switch-guards"
_STARTS: Final = "switch-starts"
_INSTALLATION_MODE: Final = "switching"
RECENT: Final = timedelta(hours=1)
"""Limits an hour count the switches that began within this time."""


@dataclass(frozen=True, slots=True)
class Start:
    """A switch that guards have allowed to begin.

    Args:
        switch_id, account, instance_id: of the switch.
        group: of its instance, for a person.
        pool: key of the pool that it launches into.
        at: when it was allowed, aware UTC.
        under_way: whether it is not finished yet.
    """

    switch_id: str
    account: str
    instance_id: str
    group: str
    pool: str
    at: datetime
    under_way: bool


class SqlSwitchGuards(Repository):
    """Versions of guards, stops and starts in SQL."""

    def installation(self) -> InstallationGuards:
        """The newest guards of the installation."""
        guards = self.newest(EVERYWHERE).guards
        assert isinstance(guards, InstallationGuards)
        return guards

    def account(self, name: str) -> AccountGuards:
        """The newest guards of an account."""
        guards = self.newest(name).guards
        assert isinstance(guards, AccountGuards)
        return guards

    def accounts(self, names: Iterable[str]) -> dict[str, AccountGuards]:
        """The newest guards of these accounts, by name, in one query."""
        row = SwitchGuardsRow
        last = (
            select(row.scope, func.max(row.version).label("version")).group_by(row.scope).subquery()
        )
        query = select(row).where(
            col(row.scope) == last.c.scope,
            col(row.version) == last.c.version,
            col(row.scope) != EVERYWHERE,
        )
        with reading(self._engine) as session:
            found = {each.scope: _version(each).guards for each in session.exec(query)}
        default = AccountGuards()
        guards = {name: found.get(name, default) for name in names}
        return {name: each for name, each in guards.items() if isinstance(each, AccountGuards)}

    def newest(self, scope: str) -> GuardVersion:
        """The newest version of a scope's guards; version 0 with the defaults: never set."""
        with reading(self._engine) as session:
            return _newest(session, scope)

    def versions(self, scope: str) -> Sequence[GuardVersion]:
        """Every version of a scope's guards, newest first."""
        query = (
            select(SwitchGuardsRow)
            .where(SwitchGuardsRow.scope == scope)
            .order_by(col(SwitchGuardsRow.version).desc())
        )
        with reading(self._engine) as session:
            return [_version(row) for row in session.exec(query)]

    def save(
        self,
        scope: str,
        guards: InstallationGuards | AccountGuards,
        by: By,
        expected_version: int | None = None,
    ) -> GuardVersion:
        """Store the next version of a scope's guards.

        Args:
            scope: EVERYWHERE or the name of an account.
            guards: of the installation for EVERYWHERE, else of an account.
            by: signs the change.
            expected_version: the newest version when the change was prepared; None: any.
        Raises:
            ChangedMeanwhile: the newest version is another; nothing was written.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            before = _newest(session, scope)
            version = next_version("The guards are", before.version, expected_version)
            saved = GuardVersion(scope, version, guards, by.at, by.actor, by.reason)
            session.add(
                SwitchGuardsRow(
                    scope=scope,
                    version=saved.version,
                    created_at=by.at,
                    created_by=by.actor,
                    reason=by.reason,
                    guards=msgspec.to_builtins(guards),
                )
            )
            session.flush()
            old, new = msgspec.to_builtins(before.guards), msgspec.to_builtins(guards)
            changed = [name for name in new if new[name] != old[name]]
            append(
                session,
                by,
                "switching.guards",
                scope or "installation",
                {name: old[name] for name in changed},
                {name: new[name] for name in changed},
            )
        return saved

    def note_installation_mode(self, mode: SwitchingMode, by: By) -> None:
        """Record the mode in the settings of the processes that drive switches, if it changed."""
        with reading(self._engine) as session:
            row = session.get(HomeStateRow, _INSTALLATION_MODE)
            if (row.value if row is not None else SwitchingMode.OFF.value) == mode.value:
                return
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            row = session.get(HomeStateRow, _INSTALLATION_MODE)
            before = row.value if row is not None else SwitchingMode.OFF.value
            if before != mode.value:
                upsert(session, HomeStateRow(key=_INSTALLATION_MODE, value=mode.value))
                append(session, by, "switching.mode", "installation", before, mode.value)

    def stops(self) -> Sequence[Stop]:
        """The stops that are not released, that of the installation first."""
        query = select(SwitchStopRow).order_by(col(SwitchStopRow.scope))
        with reading(self._engine) as session:
            return [Stop(row.scope, row.at, row.actor, row.reason) for row in session.exec(query)]

    def stop_of(self, account: str) -> Stop | None:
        """The stop that applies to an account, or None."""
        applying = [each for each in self.stops() if each.scope in (EVERYWHERE, account)]
        return applying[0] if applying else None

    def stop(self, scopes: Sequence[str], by: By) -> Sequence[Stop]:
        """Stop all switches of these scopes; a scope that is stopped already stays as it is."""
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            for scope in scopes:
                if session.get(SwitchStopRow, scope) is None:
                    session.add(
                        SwitchStopRow(scope=scope, at=by.at, actor=by.actor, reason=by.reason)
                    )
                    session.flush()
                    append(session, by, "switching.stop", scope or "installation", False, True)
        return self.stops()

    def release(self, scopes: Sequence[str], by: By) -> Sequence[Stop]:
        """Release the stops of these scopes.

        Returns:
            The stops that remain.
        Raises:
            Conflict: none of these scopes is stopped.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            rows = [row for scope in scopes if (row := session.get(SwitchStopRow, scope))]
            if not rows:
                raise Conflict("No switches are stopped.", remedy="There is nothing to release.")
            for row in rows:
                append(session, by, "switching.release", row.scope or "installation", True, False)
                session.delete(row)
        return self.stops()

    def start(self, start: Start, check: Callable[[Sequence[Start]], str | None]) -> str | None:
        """Record that a switch begins, unless a limit refuses it; of two at once, one is counted
        before the other.

        A switch that has begun already is not checked again.

        Args:
            start: the switch.
            check: given the other switches that began within the last hour or are under way,
                returns why this one may not begin, or None.
        Returns:
            What `check` returned.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _STARTS)
            row = session.get(SwitchStartRow, start.switch_id)
            if row is not None:
                row.pool = start.pool
                return None
            refusal = check(_starts(session, start.at))
            if refusal is None:
                session.add(
                    SwitchStartRow(
                        switch_id=start.switch_id,
                        account=start.account,
                        instance_id=start.instance_id,
                        group_name=start.group,
                        pool=start.pool,
                        at=start.at,
                    )
                )
            return refusal

    def has_begun(self, switch_id: str) -> bool:
        """Whether guards have allowed a switch to begin."""
        with reading(self._engine) as session:
            return session.get(SwitchStartRow, switch_id) is not None

    def starts(self, now: datetime) -> Sequence[Start]:
        """Switches that began within the last hour or are under way, oldest first."""
        with reading(self._engine) as session:
            return _starts(session, now)


def _starts(session: Session, now: datetime) -> list[Start]:
    query = (
        select(SwitchStartRow, SwitchRow.is_open, SwitchRow.state)
        .join(SwitchRow, col(SwitchRow.switch_id) == col(SwitchStartRow.switch_id))
        .where((col(SwitchStartRow.at) > now - RECENT) | col(SwitchRow.is_open).is_(True))
        .order_by(col(SwitchStartRow.at), col(SwitchStartRow.switch_id))
    )
    return [
        Start(
            row.switch_id,
            row.account,
            row.instance_id,
            row.group_name,
            row.pool,
            row.at,
            bool(is_open) and state != SwitchState.REQUESTED.value,
        )
        for row, is_open, state in session.exec(query)
    ]


def _newest(session: Session, scope: str) -> GuardVersion:
    query = (
        select(SwitchGuardsRow)
        .where(SwitchGuardsRow.scope == scope)
        .order_by(col(SwitchGuardsRow.version).desc())
        .limit(1)
    )
    row = session.exec(query).first()
    if row is None:
        return GuardVersion(scope, 0, AccountGuards() if scope else InstallationGuards())
    return _version(row)


def _version(row: SwitchGuardsRow) -> GuardVersion:
    kind: Any = AccountGuards if row.scope else InstallationGuards
    return GuardVersion(
        row.scope,
        row.version,
        msgspec.convert(row.guards, kind),
        row.created_at,
        row.created_by,
        row.reason,
    )
