"""Questions about decisions while their number grows, and the market while snapshots accumulate.

    python -m benchmarks growth [--decisions=1000000] [--pools=300] [--json]

The decisions are those of 24 instances; one in ten failed, one in fifty switched. They are copies
of a recorded one, without its inputs, which none of the questions reads. The snapshots are hourly
prices that rarely change, and an advisor snapshot a week. The peer of each row is the same question
to the same database when it was small: a ratio of 0.5 is twice the time. SQLite and PostgreSQL.
Questions about the market are measured in CPU time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import psycopg
from sqlalchemy import text

from benchmarks._comparison import RUNS, Row, show
from benchmarks._postgres import new_database
from benchmarks._recorded import instances_on, run_instances
from spotlab.domain.decision import Instance
from spotlab.domain.market import FeedKind, MarketName, Provenance, Snapshot
from spotlab.domain.ports import ExperimentFilter
from spotlab.features import offline
from spotlab.pipeline.collect import collect
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings
from spotlab.store import Store, open_store
from spotlab.store.engine import writer
from spotlab.store.tables.core import ExperimentRow
from tests.support import builders as make
from tests.support.lab import DictStore, no_aws
from tests.support.outcomes import outcome

IN_ALL = "--decisions=100000 --pools=100"
FEW = 1_000
FAILED = ExperimentFilter(failed=True)
MARKET = MarketName.PUBLIC
DAYS = (0, 30, 90)
REGION = "us-east-1"
SLOWER = round(1 / 1.2, 2)
"""The market may take 1.2 times as long with any number of snapshots, in CPU time."""


@contextmanager
def databases(home: Path) -> Iterator[dict[str, Store]]:
    """An empty store in SQLite, and one in PostgreSQL if there is a server."""
    stores = {"SQLite": open_store(None, home / "spotlab.db")}
    try:
        with new_database() as url:
            address = url.render_as_string(hide_password=False)
            stores["PostgreSQL"] = open_store(address, home / "unused.db")
            yield stores
            stores["PostgreSQL"].close()
    except psycopg.OperationalError as exc:
        print(f"PostgreSQL is not measured: {exc}")
        yield stores
    finally:
        stores["SQLite"].close()


def fill(store: Store, start: int, end: int) -> None:
    """Copy the first decision: those with numbers from `start` + 1 to `end`."""
    postgres = store.engine.dialect.name == "postgresql"
    moment = (
        "created_at + n * interval '1 second'"
        if postgres
        else "datetime(created_at, '+' || n || ' seconds') || '.000000'"
    )
    values = {
        "created_at": moment,
        "instance_id": "'i-' || (n % 24)",
        "decision": "CASE WHEN n % 10 = 0 THEN NULL WHEN n % 50 = 1 THEN 'SWITCH' ELSE 'STAY' END",
        "error": "CASE WHEN n % 10 = 0 THEN 'no prices' ELSE '' END",
        "document": "NULL",
        "candidates": "''",
    }
    names = [name for name in ExperimentRow.model_fields if name != "id"]
    chosen = ", ".join(values.get(name, name) for name in names)
    with writer(store.engine).begin() as connection:
        connection.execute(
            text(
                "WITH RECURSIVE numbers(n) AS (SELECT CAST(:start AS INTEGER) UNION ALL "
                "SELECT n + 1 FROM numbers WHERE n < :last) "
                f"INSERT INTO experiments ({', '.join(names)}) "
                f"SELECT {chosen} FROM numbers, experiments WHERE experiments.id = 1"
            ),
            {"start": start, "last": end - 1},
        )
        connection.execute(text("DELETE FROM experiment_counts"))
        connection.execute(
            text(
                "INSERT INTO experiment_counts SELECT account, model, coalesce(decision, ''), "
                "shadow, is_degraded, error != '', count(*) FROM experiments "
                "GROUP BY account, model, coalesce(decision, ''), shadow, is_degraded, error != ''"
            )
        )
    if postgres:  # as autovacuum does
        with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE experiments"))


def questions(store: Store) -> dict[str, Callable[[], object]]:
    """What screens and evaluations ask."""
    ledger = store.ledger
    return {
        "newest decision of each instance": ledger.latest_per_instance,
        "first page of failures": lambda: ledger.list(FAILED),
        "number of failures": lambda: ledger.count(FAILED),
        "number of decisions": ledger.count,
        "last switch of an instance": lambda: ledger.last_switch_at("i-1"),
        "outcomes of an account": lambda: store.outcomes.list(accounts=["production"]),
    }


def seconds(ask: Callable[[], object]) -> float:
    """Median of some calls after a warm-up."""
    ask()
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return median(times)


def decided(name: str, store: Store, many: int) -> list[Row]:
    """Each question to many decisions beside a thousand."""
    first = store.ledger.record(make.experiment())
    fill(store, 1, FEW)
    store.outcomes.record([outcome(first + number) for number in range(FEW // 10)])
    few = {what: seconds(ask) for what, ask in questions(store).items()}
    fill(store, FEW, many)
    rows = []
    for what, ask in questions(store).items():
        ours_s = seconds(ask)
        ratio = few[what] / ours_s
        rows.append(
            Row(
                f"{name}: {what}, {many:,}",
                ours_s,
                f"{FEW:,} decisions",
                few[what],
                ratio,
                0.5,
                ratio >= 0.5,
            )
        )
    return rows


class Prices:
    """A source of prices that change in one pool of a hundred every hour."""

    name = "prices"
    covers = ((FeedKind.SPOT_PRICES, ""),)

    def __init__(self, pools: int, at: datetime) -> None:
        self.at, self._hours, self._rng = at, 0, np.random.default_rng(1)
        self._rows = pd.DataFrame(
            {
                "region": REGION,
                "instance_type": [f"m{number}.large" for number in range(pools)],
                "operating_system": "Linux",
                "spot_price_usd_per_hour": 0.05 + self._rng.random(pools),
            }
        )

    def now(self) -> datetime:
        """The time of the newest snapshot."""
        return self.at

    def fetch(self, validators: object) -> list[Snapshot]:  # noqa: ARG002
        """The prices an hour later."""
        self.at += timedelta(hours=1)
        self._hours += 1
        place = self._rng.integers(0, len(self._rows), max(1, len(self._rows) // 100))
        self._rows.loc[place, "spot_price_usd_per_hour"] *= 1.01
        origin = Provenance("prices", self.at, self.at)
        digest = f"{self._hours:032x}"
        return [Snapshot(FeedKind.SPOT_PRICES, MARKET, "", origin, digest, self._rows.copy())]


def history(name: str, store: Store, pools: int) -> list[Row]:
    """Collecting a snapshot and reading the market, with days of snapshots beside none."""
    source, rows, first_s = Prices(pools, make.NOW), list[Row](), dict[str, float]()

    def collect_and_read() -> object:
        collect([source], MARKET, store.archive, store.health, source)
        return offline.read_market(store.archive, MARKET, source.at)

    with lab_on(store, source) as lab:
        collect_and_read()
        lab.reader.publish(MARKET)
        (instance,) = instances_on(lab.market().pools(), 1, {REGION})
        asked = {
            "collect and read": collect_and_read,
            "collect and evaluate one": lambda: collect_and_evaluate(lab, source, instance),
        }
        for days in DAYS:
            while source.at < make.NOW + timedelta(days=days):
                for snapshot in source.fetch({}):
                    store.archive.save(snapshot)
            for what, ask in asked.items():
                took_s = cpu_seconds(ask)
                before_s = first_s.setdefault(what, took_s)
                if days:
                    ratio = before_s / took_s
                    what = f"{name}: {what}, {days} days of snapshots"
                    reached = ratio >= SLOWER
                    rows.append(Row(what, took_s, "no history", before_s, ratio, SLOWER, reached))
    return rows


@contextmanager
def lab_on(store: Store, clock: Prices) -> Iterator[Lab]:
    """A lab on the same database, with an online store of its own and without AWS."""
    url = store.engine.url
    postgres = store.engine.dialect.name == "postgresql"
    with tempfile.TemporaryDirectory() as home:
        settings = Settings(
            home=Path(home) if postgres else Path(url.database or "").parent,
            database_url=url.render_as_string(hide_password=False) if postgres else None,
        )
        with bootstrap(settings, clock=clock, online=DictStore(), cloud=no_aws) as lab:
            yield lab


def collect_and_evaluate(lab: Lab, source: Prices, instance: Instance) -> None:
    """Collect prices, publish the market, and decide for an instance in it."""
    collect([source], MARKET, lab.store.archive, lab.store.health, source)
    lab.reader.publish(MARKET)
    run_instances(lab, [instance])
    lab.drop_expired()
    evaluate_instances(lab, [instance.instance_id])


def cpu_seconds(ask: Callable[[], object]) -> float:
    """The least CPU time of some calls after a warm-up, without that of the database's server."""
    ask()
    times = []
    for _ in range(RUNS):
        started = time.process_time()
        ask()
        times.append(time.process_time() - started)
    return min(times)


def main(decisions: str = "1000000", pools: str = "300", json: str = "") -> None:
    """Print the comparisons."""
    rows = []
    with tempfile.TemporaryDirectory() as home, databases(Path(home)) as stores:
        for name, store in stores.items():
            rows += decided(name, store, int(decisions))
            rows += history(name, store, int(pools))
    show(rows, json != "")


if __name__ == "__main__":
    main()
