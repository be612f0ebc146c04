"""Two drivers of one switch on a real database: one stalls, loses its lease, and wakes up."""

from __future__ import annotations

import sqlite3
from contextvars import Context
from dataclasses import replace
from pathlib import Path

import pytest

from spotlab.domain.ports import By
from spotlab.domain.switch_plan import Strategy
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import ChangedMeanwhile, DatabaseDown, Fenced
from spotlab.store import Store, engine, open_store
from spotlab.store.engine import Fence, fenced
from tests.support.builders import NOW
from tests.support.databases import database, migrated_postgres, postgres_url, store
from tests.switching.world import World, problems

__all__ = ["database", "migrated_postgres", "postgres_url", "store"]
LEASE = "switch:sw-1"
EVERY = 5
"""Every how many calls a driver stalls."""


class Stored(World):
    """The world of one switch whose record and journal are in SQL."""

    def __init__(self, sql: Store) -> None:
        super().__init__(Strategy.FROM_IMAGE)
        self.sql = sql
        switch = replace(self.store.switch, version=0)
        sql.switches.create(switch, By("ana", NOW))
        self.engine = replace(self.engine, store=sql.switches)

    @property
    def switch(self) -> Switch:
        return self.sql.switches.get("sw-1")

    def drive_with_lease(self) -> Switch:
        """Take the lease over, whoever holds it, and work to the end."""
        leases = self.sql.leases
        token = leases.acquire(LEASE, "driver", leases.get(LEASE), NOW)
        assert token is not None
        with fenced(Fence(LEASE, token)):
            # It always believes that it leads: it stalled after it had looked.
            return self.engine.run("sw-1", token, lambda: True)

    def finish(self) -> None:
        """As another process does, which is not within the fence of this one."""
        Context().run(self.drive_with_lease)

    def survived(self) -> list[str]:
        """What does not hold, with the record and the journal as stored."""
        self.store.switch = self.switch
        self.store.entries = list(self.sql.switches.journal("sw-1"))
        return problems(self)


def number_of_calls() -> int:
    world = World(Strategy.FROM_IMAGE)
    world.recover()
    return len(world.aws.calls)


def test_a_driver_that_wakes_after_another_has_finished_changes_nothing_more(store: Store) -> None:
    calls = number_of_calls()
    for stalled_at in range(0, calls, max(calls // EVERY, 1)):
        with store.engine.begin() as connection:
            for table in ("switches", "switch_journal", "leases", "audit_log"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        world = Stored(store)

        def on_call(_name: str, world: World = world, at: int = stalled_at) -> None:
            if len(world.aws.calls) == at + 1:
                assert isinstance(world, Stored)
                world.finish()

        world.aws.on_call = on_call
        with pytest.raises((Fenced, ChangedMeanwhile)):
            world.drive_with_lease()
        assert world.switch.state is SwitchState.DONE, f"stalled at call {stalled_at}"
        # What the stalled driver was about to send was sent once more, and did no harm.
        world.swept_calls = 1
        assert world.survived() == [], f"stalled at call {stalled_at}"
        assert {each.token for each in world.store.entries} == {1, 2}


def test_a_locked_sqlite_stops_the_driver_and_the_next_one_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.05)
    path = tmp_path / "spotlab.sqlite"
    sql = open_store(None, path)
    for locked_at in (3, 30, 60):
        with sql.engine.begin() as connection:
            for table in ("switches", "switch_journal", "leases"):
                connection.exec_driver_sql(f"DELETE FROM {table}")
        world = Stored(sql)
        other = sqlite3.connect(path, isolation_level=None)

        def on_call(_name: str, world: World = world, at: int = locked_at) -> None:
            if len(world.aws.calls) == at + 1:
                other.execute("BEGIN IMMEDIATE")  # noqa: B023 the loop waits for the driver

        world.aws.on_call = on_call
        with pytest.raises(DatabaseDown):
            world.drive_with_lease()
        other.close()
        assert world.drive_with_lease().state is SwitchState.DONE
        assert world.survived() == [], f"locked at call {locked_at}"
    sql.close()
