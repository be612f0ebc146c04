"""The managed accounts and instances."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Row, delete, inspect, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from spotlab.domain.decision import Instance, Lifecycle, PipelineMode
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account, By, Listing, RegionListing
from spotlab.domain.requirements import Requirements
from spotlab.domain.spot_events import Signal, SpotEventKind
from spotlab.errors import ChangedMeanwhile, Conflict, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, upsert, writing
from spotlab.store.repository import Repository
from spotlab.store.secret_cipher import SecretCipher, is_encrypted
from spotlab.store.tables.core import AccountRow, InstanceRow, RegionListingRow
from spotlab.store.tables.spot_events import EventQueueRow, InterruptionHistoryRow
from spotlab.store.tables.switches import SwitchRow

log = logging.getLogger("spotlab.store")

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
    "tags",
)
"""Columns of an instance that a sync updates from AWS; the others are set by users or SpotLab."""

_COLUMNS_FROM_SETTINGS: Final = (
    "aws_account_id",
    "role_arn",
    "external_id",
    "regions",
    "emulated",
    "from_settings",
)
"""Columns of an account that the settings define."""

_SECRETS: Final = ("external_id", "pending_external_id")
"""Columns of an account that are stored encrypted."""


class SqlFleet(Repository):
    """Accounts and instances in SQL."""

    _cipher: SecretCipher | None = None

    def encrypt_external_ids(self, cipher: SecretCipher) -> None:
        """Encrypt external ids from now on, and those that are stored unencrypted.

        One that was encrypted with another key is read as "" and logged: AWS then refuses the
        role, until it is entered again.
        """
        self._cipher = cipher
        with reading(self._engine) as session:
            plain = [row.name for row in session.exec(select(AccountRow)) if any(_unencrypted(row))]
        if not plain:
            return
        with writing(self._engine) as session:
            for name in plain:
                row = session.get(AccountRow, name, with_for_update=True)
                if row is not None:
                    for column in _unencrypted(row):
                        setattr(row, column, cipher.encrypt(getattr(row, column)))

    def save_account(
        self, account: Account, by: By | None = None, expected: Account | None = None
    ) -> None:
        """Insert or update an account by name.

        Args:
            account: the new values.
            by: who changes it; None: it comes from the settings, which do not change `active`.
            expected: the account before the change; None: any.
        Raises:
            ChangedMeanwhile: it is not as expected.
        """
        with writing(self._engine) as session:
            if by is not None:
                row = session.get(AccountRow, account.name, with_for_update=True)
                current = self._account(row) if row is not None else None
                before = _audit_values(current) if current is not None else None
                if expected is not None and current != expected:
                    raise ChangedMeanwhile(
                        f"The account {account.name!r} was changed meanwhile.",
                        remedy="Read it again.",
                    )
                append(session, by, "account.save", account.name, before, _audit_values(account))
            row = self._account_row(account)
            upsert(
                session,
                row,
                update=_COLUMNS_FROM_SETTINGS
                if by is None
                else (*_COLUMNS_FROM_SETTINGS, "active", "pending_external_id"),
            )

    def note_listing(
        self, name: str, at: datetime, error: str = "", regions: Sequence[RegionListing] = ()
    ) -> None:
        """Record that an account was listed, or why it could not be; by region, if known."""
        listed = not error or any(not region.error for region in regions)
        values = {"listing_error": error} | ({"listed_at": at} if listed else {})
        change = update(AccountRow).where(col(AccountRow.name) == name).values(**values)
        with writing(self._engine) as session:
            session.connection().execute(change)
            if regions:
                _replace_regions(session, name, regions)

    def listings(self) -> dict[str, Listing]:
        """When each account and each of its regions was last listed, by name of the account."""
        query = select(AccountRow.name, AccountRow.listed_at, AccountRow.listing_error)
        by_account: dict[str, list[RegionListing]] = {}
        with reading(self._engine) as session:
            accounts = session.exec(query).all()
            rows = session.exec(select(RegionListingRow).order_by(col(RegionListingRow.region)))
            for row in rows:
                region = RegionListing(row.region, row.listed_at, row.error, row.code)
                by_account.setdefault(row.account, []).append(region)
        return {
            name: Listing(at, error, tuple(by_account.get(name, ())))
            for name, at, error in accounts
        }

    def add_account(self, account: Account, by: By) -> None:
        """Insert a new account. Raises Conflict: the name exists."""
        with writing(self._engine) as session:
            lock_until_commit(session, f"account:{account.name}")
            if session.get(AccountRow, account.name) is not None:
                raise Conflict(
                    f"An account {account.name!r} already exists.", remedy="Choose another name."
                )
            append(session, by, "account.add", account.name, None, _audit_values(account))
            session.add(self._account_row(account))

    def remove_account(self, name: str, by: By) -> None:
        """Delete an account with its external ids and how far it was read.

        Its instances become inactive; decisions, switches and interruptions stay.

        Raises:
            NotFound: there is no such account.
            Conflict: a switch in it is not finished.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, f"account:{name}")
            row = session.get(AccountRow, name, with_for_update=True)
            if row is None:
                raise NotFound(f"There is no account {name!r}.", remedy="List the accounts.")
            unfinished = session.exec(
                select(SwitchRow.switch_id)
                .where(SwitchRow.account == name, col(SwitchRow.is_open).is_(True))
                .order_by(col(SwitchRow.switch_id))
            ).all()
            if unfinished:
                raise Conflict(
                    f"Switches in the account {name!r} are not finished: {', '.join(unfinished)}.",
                    remedy="Wait for them, roll them back, or reject them.",
                )
            append(session, by, "account.remove", name, _audit_values(self._account(row)), None)
            session.delete(row)
            for table in (RegionListingRow, EventQueueRow, InterruptionHistoryRow):
                session.connection().execute(delete(table).where(col(table.account) == name))
            gone = update(InstanceRow).where(col(InstanceRow.account) == name)
            session.connection().execute(gone.values(active=False))

    def accounts(self) -> list[Account]:
        """All accounts, ordered by name."""
        with reading(self._engine) as session:
            rows = session.exec(select(AccountRow)).all()
        return sorted(map(self._account, rows), key=lambda account: account.name)

    def _account_row(self, account: Account) -> AccountRow:
        values = msgspec.to_builtins(account)
        if self._cipher is not None:
            values |= {name: self._cipher.encrypt(values[name]) for name in _SECRETS}
        return AccountRow(**values)

    def _account(self, row: AccountRow) -> Account:
        values = row.model_dump(exclude={"listed_at", "listing_error"})
        if self._cipher is not None:
            for name in _SECRETS:
                text = self._cipher.decrypt(values[name])
                if text is None:
                    log.warning(
                        "The external id of account %r was encrypted with another secret key.",
                        row.name,
                    )
                values[name] = text or ""
        return Account(**values | {"regions": tuple(row.regions)})

    def sync(
        self, account: str, instances: Sequence[Instance], unlisted: Collection[str] = ()
    ) -> None:
        """Make these the account's active instances; all others become inactive.

        Values that a user set (model, shadow, mode, requirements) are preserved, and so are the
        instances in regions that could not be listed.
        """
        gone = update(InstanceRow).where(
            col(InstanceRow.account) == account, col(InstanceRow.region).not_in(sorted(unlisted))
        )
        with writing(self._engine) as session:
            lock_until_commit(session, f"sync:{account}")
            session.connection().execute(gone.values(active=False))
            for instance in instances:
                upsert(session, _row(account, instance), update=_COLUMNS_FROM_AWS)

    def instances(self, *, active_only: bool = True) -> list[Instance]:
        """Instances, ordered by account, name and id."""
        query = select_columns(*inspect(InstanceRow).columns)  # no objects for the rows
        if active_only:
            query = query.where(col(InstanceRow.active))
        with reading(self._engine) as session:
            found = [_instance(row) for row in session.connection().execute(query)]
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
        """Set shadow mode. Raises NotFound, ChangedMeanwhile."""
        self._set(instance_id, "shadow", shadow, by, expected)

    def set_mode(
        self, instance_id: str, mode: PipelineMode, by: By, expected: Instance | None = None
    ) -> None:
        """Set the pipeline that evaluates it. Raises NotFound, ChangedMeanwhile."""
        self._set(instance_id, "mode", mode.value, by, expected)

    def set_requirements(
        self,
        instance_id: str,
        requirements: Requirements | None,
        by: By,
        expected: Instance | None = None,
    ) -> None:
        """Set its requirements; None: derived from its instance type.

        Raises:
            NotFound, ChangedMeanwhile: as in `set_shadow`.
        """
        self._set(instance_id, "requirements", _builtins(requirements), by, expected)

    def _set(
        self, instance_id: str, column: str, value: Any, by: By, expected: Instance | None
    ) -> None:
        with writing(self._engine) as session:
            row = session.get(InstanceRow, instance_id, with_for_update=True)
            if row is None:
                raise _not_found(instance_id)
            refuse_changed(row, expected)
            before = getattr(row, column)
            if before == value:
                return
            setattr(row, column, value)
            append(session, by, f"instance.{column}", instance_id, before, value)


def refuse_changed(row: InstanceRow, expected: Instance | None) -> None:
    """Check that an instance is still as expected (None: any).

    Raises:
        ChangedMeanwhile: it was changed.
    """
    if expected is not None and _instance(row) != expected:
        raise ChangedMeanwhile(
            f"Instance {row.instance_id!r} was changed meanwhile.", remedy="Read it again."
        )


def _replace_regions(session: Session, account: str, regions: Sequence[RegionListing]) -> None:
    for region in regions:
        row = RegionListingRow(
            account=account,
            region=region.region,
            listed_at=region.at,
            error=region.error,
            code=region.code,
        )
        upsert(
            session,
            row,
            update=("error", "code") if region.error else ("listed_at", "error", "code"),
        )
    removed = delete(RegionListingRow).where(
        col(RegionListingRow.account) == account,
        col(RegionListingRow.region).not_in([region.region for region in regions]),
    )
    session.connection().execute(removed)


def _unencrypted(row: AccountRow) -> list[str]:
    """The columns with a secret that is stored unencrypted."""
    return [name for name in _SECRETS if (value := getattr(row, name)) and not is_encrypted(value)]


def _audit_values(account: Account) -> dict[str, Any]:
    """An account for the audit log, with its external ids masked."""
    values: dict[str, Any] = msgspec.to_builtins(account)
    return values | {name: "***" if values[name] else "" for name in _SECRETS}


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
        tags=dict(instance.tags),
    )


def _instance(row: InstanceRow | Row[Any]) -> Instance:
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
        tags=row.tags or {},
        signal=signal_of_columns(row.signal_kind, row.signal_at, row.notice_ends_at),
    )


def signal_of_columns(
    kind: str | None, at: datetime | None, notice_ends_at: datetime | None
) -> Signal | None:
    """The last signal of an instance from its columns, or None."""
    if kind is None or at is None:
        return None
    return Signal(SpotEventKind(kind), at, notice_ends_at)
