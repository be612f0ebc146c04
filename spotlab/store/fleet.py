"""The accounts and instances that are managed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, update
from sqlmodel import col, select

from spotlab.domain.decision import Instance, Lifecycle, PipelineMode, Requirements
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account, By, Listing
from spotlab.errors import ChangedMeanwhile, Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.tables.core import AccountRow, InstanceRow

_COLUMNS_FROM_AWS: Final = (
    "account",
    "region",
    "availability_zone",
    "instance_type",
    "operating_system",
    "lifecycle",
    "name",
    "state",
    "active",
    "launched_at",
)
"""What a sync takes over from AWS; everything else of an instance is the user's or ours."""


_COLUMNS_FROM_SETTINGS: Final = (
    "aws_account_id",
    "role_arn",
    "external_id",
    "regions",
    "emulated",
    "from_settings",
)
"""What an account in the settings says of itself."""


class SqlFleet:
    """Accounts and instances in SQL.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def save_account(
        self, account: Account, by: By | None = None, expected: Account | None = None
    ) -> None:
        """Insert or update by name; by None: seen in the settings, not a person's change, which
        leaves it to a person whether it is active.

        Raises:
            ChangedMeanwhile: it is not as expected.
        """
        with writing(self._engine) as session:
            if by is not None:
                former = session.get(AccountRow, account.name, with_for_update=True)
                now = _account(former) if former is not None else None
                before = _audit_values(now) if now is not None else None
                if expected is not None and now != expected:
                    raise ChangedMeanwhile(
                        f"The account {account.name!r} was changed meanwhile.",
                        remedy="Read it again.",
                    )
                append(session, by, "account.save", account.name, before, _audit_values(account))
            row = AccountRow(**msgspec.to_builtins(account))
            upsert(session, row, update=_COLUMNS_FROM_SETTINGS if by is None else (*_COLUMNS_FROM_SETTINGS, "active"))

    def note_listing(self, name: str, at: datetime, error: str = "") -> None:
        """Keep that an account was listed, or why it could not be."""
        found = {"listing_error": error} if error else {"listing_error": "", "listed_at": at}
        change = update(AccountRow).where(col(AccountRow.name) == name).values(**found)
        with writing(self._engine) as session:
            session.connection().execute(change)

    def listings(self) -> dict[str, Listing]:
        """When each account was listed last, by name."""
        query = select(AccountRow.name, AccountRow.listed_at, AccountRow.listing_error)
        with reading(self._engine) as session:
            return {name: Listing(at, error) for name, at, error in session.exec(query)}

    def add_account(self, account: Account, by: By) -> None:
        """Insert a new one. Raises Conflict: there is one of this name."""
        with writing(self._engine) as session:
            lock_until_commit(session, f"account:{account.name}")
            if session.get(AccountRow, account.name) is not None:
                raise Conflict(
                    f"There is an account {account.name!r} already.", remedy="Choose another name."
                )
            append(session, by, "account.add", account.name, None, _audit_values(account))
            session.add(AccountRow(**msgspec.to_builtins(account)))

    def accounts(self) -> list[Account]:
        """By name."""
        with reading(self._engine) as session:
            rows = session.exec(select(AccountRow)).all()
        return sorted(map(_account, rows), key=lambda account: account.name)

    def sync(self, account: str, instances: Sequence[Instance]) -> None:
        """Make the account's active instances these; what a user set (model, shadow, mode,
        requirements) stays, those gone become inactive."""
        gone = update(InstanceRow).where(col(InstanceRow.account) == account).values(active=False)
        with writing(self._engine) as session:
            lock_until_commit(session, f"sync:{account}")
            session.connection().execute(gone)
            for instance in instances:
                upsert(session, _row(account, instance), update=_COLUMNS_FROM_AWS)

    def instances(self, *, active_only: bool = True) -> list[Instance]:
        """By account, then name, then id."""
        query = select(InstanceRow)
        if active_only:
            query = query.where(col(InstanceRow.active))
        with reading(self._engine) as session:
            found = [_instance(row) for row in session.exec(query)]
        return sorted(found, key=lambda each: (each.account, each.name, each.instance_id))

    def instance(self, instance_id: str) -> Instance:
        """One instance.

        Raises:
            NotFound: not in the fleet.
        """
        with reading(self._engine) as session:
            row = session.get(InstanceRow, instance_id)
        if row is None:
            raise _not_found(instance_id)
        return _instance(row)

    def set_shadow(
        self, instance_id: str, shadow: bool, by: By, expected: Instance | None = None
    ) -> None:
        """Shadow on: record only. Raises NotFound, ChangedMeanwhile."""
        self._set(instance_id, "shadow", shadow, by, expected)

    def set_mode(
        self, instance_id: str, mode: PipelineMode, by: By, expected: Instance | None = None
    ) -> None:
        """Which pipeline evaluates it. Raises NotFound, ChangedMeanwhile."""
        self._set(instance_id, "mode", mode.value, by, expected)

    def set_requirements(
        self,
        instance_id: str,
        requirements: Requirements | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """What a replacement must offer; None: derived from its own type.

        Raises:
            NotFound, ChangedMeanwhile: as in `set_shadow`.
        """
        self._set(instance_id, "requirements", _builtins(requirements), by, expected)

    def _set(
        self, instance_id: str, what: str, value: Any, by: By, expected: Instance | None
    ) -> None:
        with writing(self._engine) as session:
            row = session.get(InstanceRow, instance_id, with_for_update=True)
            if row is None:
                raise _not_found(instance_id)
            refuse_changed(row, expected)
            before = getattr(row, what)
            if before == value:
                return
            setattr(row, what, value)
            append(session, by, f"instance.{what}", instance_id, before, value)


def refuse_changed(row: InstanceRow, expected: Instance | None) -> None:
    """Nothing, if an instance is as its change was made from (None: however it is).

    Raises:
        ChangedMeanwhile: it is not.
    """
    if expected is not None and _instance(row) != expected:
        raise ChangedMeanwhile(
            f"Instance {row.instance_id!r} was changed meanwhile.", remedy="Read it again."
        )


def _account(row: AccountRow) -> Account:
    values = row.model_dump(exclude={"listed_at", "listing_error"})
    return Account(**values | {"regions": tuple(row.regions)})


def _audit_values(account: Account) -> dict[str, Any]:
    """An account for the audit log: whether there is an external id, not which."""
    told: dict[str, Any] = msgspec.to_builtins(account)
    return told | {"external_id": "***" if account.external_id else ""}


def _not_found(instance_id: str) -> NotFound:
    return NotFound(
        f"Instance {instance_id!r} is not in the fleet.",
        remedy="Check its id, or collect its account first.",
    )


def _builtins(requirements: Requirements | None) -> dict[str, Any] | None:
    return None if requirements is None else msgspec.to_builtins(requirements)


def _row(account: str, instance: Instance) -> InstanceRow:
    return InstanceRow(
        instance_id=instance.instance_id,
        account=account,
        region=instance.pool.region,
        availability_zone=instance.pool.availability_zone,
        instance_type=instance.pool.instance_type,
        operating_system=instance.pool.operating_system,
        lifecycle=instance.lifecycle.value,
        name=instance.name,
        state=instance.state,
        model=instance.model,
        shadow=instance.shadow,
        mode=instance.mode.value,
        active=instance.active,
        launched_at=instance.launched_at,
        requirements=_builtins(instance.requirements),
        last_evaluated_at=instance.last_evaluated_at,
    )


def _instance(row: InstanceRow) -> Instance:
    return Instance(
        instance_id=row.instance_id,
        account=row.account,
        pool=Pool(row.region, row.availability_zone, row.instance_type, row.operating_system),
        lifecycle=Lifecycle(row.lifecycle),
        name=row.name,
        state=row.state,
        model=row.model,
        shadow=row.shadow,
        mode=PipelineMode(row.mode),
        active=row.active,
        launched_at=row.launched_at,
        requirements=msgspec.convert(row.requirements, Requirements | None),
        last_evaluated_at=row.last_evaluated_at,
    )
