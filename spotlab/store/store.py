"""The repositories of one database, and opening it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, text

from spotlab.store import migrate
from spotlab.store.alerts import SqlAlerts
from spotlab.store.audit import SqlAudit
from spotlab.store.backtests import SqlSweeps
from spotlab.store.engine import Pooling, connect, reading, write_failure
from spotlab.store.failures import address, is_sqlite, translated
from spotlab.store.fleet import SqlFleet
from spotlab.store.health import SqlHealthLog
from spotlab.store.heartbeats import SqlHeartbeats
from spotlab.store.idempotency import SqlIdempotencyKeys
from spotlab.store.interruption_history import SqlInterruptionHistories
from spotlab.store.interruptions import SqlInterruptions
from spotlab.store.jobs import SqlJobs
from spotlab.store.launch_allowances import SqlLaunchAllowances
from spotlab.store.leases import SqlLeases
from spotlab.store.ledger import SqlLedger
from spotlab.store.market_runs import SqlMarketRuns
from spotlab.store.market_snapshots import SqlArchive
from spotlab.store.one_time_links import SqlLinks
from spotlab.store.outcomes import SqlDriftLog, SqlOnlineWeights, SqlOutcomes, SqlShadowLog
from spotlab.store.placement import SqlPlacement
from spotlab.store.policies import SqlPolicies
from spotlab.store.pooler import changes_process, prepares_statements
from spotlab.store.price_readings import SqlPriceReadings
from spotlab.store.probes import SqlProbeLog
from spotlab.store.processes import SqlProcesses
from spotlab.store.registry import SqlModelRegistry
from spotlab.store.request_stats import SqlRequestStats
from spotlab.store.sessions import SqlSessions
from spotlab.store.sign_ins import SqlSignIns
from spotlab.store.spot_events import SqlSpotEvents
from spotlab.store.switch_guards import SqlSwitchGuards
from spotlab.store.switches import SqlSwitches
from spotlab.store.throughputs import SqlThroughputs
from spotlab.store.tokens import SqlTokens
from spotlab.store.users import SqlUsers
from spotlab.store.workloads import SqlWorkloads

_head = cache(migrate.head)


@dataclass(frozen=True, slots=True)
class Store:
    """A migrated database and its repositories."""

    engine: Engine
    archive: SqlArchive
    price_readings: SqlPriceReadings
    ledger: SqlLedger
    market_runs: SqlMarketRuns
    fleet: SqlFleet
    registry: SqlModelRegistry
    health: SqlHealthLog
    probes: SqlProbeLog
    request_stats: SqlRequestStats
    alerts: SqlAlerts
    heartbeats: SqlHeartbeats
    interruptions: SqlInterruptions
    shadow_decisions: SqlShadowLog
    outcomes: SqlOutcomes
    drift: SqlDriftLog
    online_weights: SqlOnlineWeights
    sweeps: SqlSweeps
    audit: SqlAudit
    users: SqlUsers
    sign_ins: SqlSignIns
    sessions: SqlSessions
    tokens: SqlTokens
    links: SqlLinks
    leases: SqlLeases
    jobs: SqlJobs
    processes: SqlProcesses
    idempotency_keys: SqlIdempotencyKeys
    placement: SqlPlacement
    workloads: SqlWorkloads
    throughputs: SqlThroughputs
    policies: SqlPolicies
    switches: SqlSwitches
    switch_guards: SqlSwitchGuards
    launch_allowances: SqlLaunchAllowances
    spot_events: SqlSpotEvents
    interruption_histories: SqlInterruptionHistories

    @classmethod
    def of(cls, engine: Engine) -> Store:
        """The repositories of a migrated database."""
        return cls(
            engine=engine,
            archive=SqlArchive(engine),
            price_readings=SqlPriceReadings(engine),
            ledger=SqlLedger(engine),
            market_runs=SqlMarketRuns(engine),
            fleet=SqlFleet(engine),
            registry=SqlModelRegistry(engine),
            health=SqlHealthLog(engine),
            probes=SqlProbeLog(engine),
            request_stats=SqlRequestStats(engine),
            alerts=SqlAlerts(engine),
            heartbeats=SqlHeartbeats(engine),
            interruptions=SqlInterruptions(engine),
            shadow_decisions=SqlShadowLog(engine),
            outcomes=SqlOutcomes(engine),
            drift=SqlDriftLog(engine),
            online_weights=SqlOnlineWeights(engine),
            sweeps=SqlSweeps(engine),
            audit=SqlAudit(engine),
            users=SqlUsers(engine),
            sign_ins=SqlSignIns(engine),
            sessions=SqlSessions(engine),
            tokens=SqlTokens(engine),
            links=SqlLinks(engine),
            leases=SqlLeases(engine),
            jobs=SqlJobs(engine),
            processes=SqlProcesses(engine),
            idempotency_keys=SqlIdempotencyKeys(engine),
            placement=SqlPlacement(engine),
            workloads=SqlWorkloads(engine),
            throughputs=SqlThroughputs(engine),
            policies=SqlPolicies(engine),
            switches=SqlSwitches(engine),
            switch_guards=SqlSwitchGuards(engine),
            launch_allowances=SqlLaunchAllowances(engine),
            spot_events=SqlSpotEvents(engine),
            interruption_histories=SqlInterruptionHistories(engine),
        )

    def ping(self) -> float:
        """Seconds to read one row.

        Raises:
            DatabaseDown: it does not answer, or was never migrated.
        """
        start = time.perf_counter()
        with reading(self.engine) as session:
            session.connection().execute(text("SELECT version_num FROM alembic_version")).one()
        return time.perf_counter() - start

    def is_migrated(self) -> bool:
        """Whether the database is at the revision that this version needs.

        Raises:
            DatabaseDown: it does not answer.
        """
        with reading(self.engine) as session:
            query = text("SELECT version_num FROM alembic_version")
            revision = session.connection().execute(query).scalar()
        return bool(revision == _head())

    def describe(self) -> Mapping[str, str | int]:
        """Facts for doctor and the Health page: dialect, version, revision, address, size_bytes.

        Raises:
            DatabaseDown: it does not answer.
        """
        sqlite = is_sqlite(self.engine)
        version = "SELECT sqlite_version()" if sqlite else "SHOW server_version"
        size = (
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
            if sqlite
            else "SELECT pg_database_size(current_database())"
        )
        with reading(self.engine) as session:
            connection = session.connection()
            return {
                "dialect": "SQLite" if sqlite else "PostgreSQL",
                "version": str(connection.execute(text(version)).scalar_one()),
                "revision": migrate.current(self.engine) or "",
                "address": address(self.engine),
                "size_bytes": int(connection.execute(text(size)).scalar_one()),
            }

    def write_failure(self) -> str:
        """Why this process's last write failed although reads still work; "": it did not fail."""
        return write_failure(self.engine)

    def limitations(self) -> tuple[str, ...]:
        """A sentence for each thing that does not work on the way to this database.

        Raises:
            DatabaseDown: it does not answer.
        """
        if is_sqlite(self.engine) or not changes_process(self.engine):
            return ()
        pooler = "PostgreSQL is reached through a pooler in transaction mode."
        if not prepares_statements(self.engine):
            return (
                f"{pooler} Backups and restores need a session: for these commands, set "
                "SPOTLAB_DATABASE_URL to the address of PostgreSQL itself.",
            )
        return (
            f"{pooler} Prepared statements can fail, and time limits of statements and locks are "
            "not kept. Set SPOTLAB_DATABASE_POOLING=transaction.",
        )

    def close(self) -> None:
        """Close all connections; using the store again opens new ones."""
        with translated(self.engine):
            self.engine.dispose()


def open_store(url: str | None, sqlite_path: Path, pooling: Pooling = "session") -> Store:
    """Connect, migrate to the newest revision and return the repositories.

    Args:
        url: `postgresql://…`; None or "": use the SQLite file.
        sqlite_path: used if there is no url.
        pooling: see the setting `database_pooling`.
    Raises:
        InvalidSetting: the url cannot be used.
        DatabaseDown: it cannot be reached or written, or was made by a newer SpotLab.
    """
    engine = connect(url, sqlite_path, pooling)
    try:
        migrate.upgrade(engine)
    except BaseException:
        engine.dispose()
        raise
    return Store.of(engine)
