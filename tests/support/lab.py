"""A small real Lab: SQLite, an online store in memory, six types in two zones, four instances.

Nothing is simulated beyond its market and nothing listens: the AWS of this lab refuses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import FeedKind, MarketName, Pool, Provenance, Snapshot
from spotlab.domain.ports import Account, OnlineRow, OnlineView
from spotlab.errors import AwsUnreachable, OnlineStoreDown
from spotlab.inference import artefacts
from spotlab.runtime.bootstrap import bootstrap
from spotlab.runtime.cloud import Cloud
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.fleet_sync import INSTANCE_MANAGER
from spotlab.runtime.lab import Lab
from spotlab.settings import Settings
from tests.support.log_lines import ListStream
from tests.support.market import StillClock, market_data
from tests.support.migrated import copy_to, empty_database, file_of

FEATURES = {
    "advisor_bucket": (0, 4, "bucket"),
    "discount_depth": (-10, 1, "share"),
    "vcpu_count": (1, 4096, "count"),
}
ZONES = ("us-east-1a", "us-east-1b")
PRICES = {
    "m5.large": (0.0412, 0.0405),
    "m6i.large": (0.0368, 0.0391),
    "m6g.large": (0.0301, 0.0312),
    "m5.xlarge": (0.0811, 0.0790),
    "t3.large": (0.0288, 0.0297),
    "g4dn.xlarge": (0.2105, 0.2207),
}
FLEET = (
    ("i-0000000000000001a", "web-1", "m5.large", Lifecycle.SPOT),
    ("i-0000000000000002b", "web-2", "m6i.large", Lifecycle.SPOT),
    ("i-0000000000000003c", "batch-1", "m5.xlarge", Lifecycle.ON_DEMAND),
    ("i-0000000000000004d", "train-1", "g4dn.xlarge", Lifecycle.SPOT),
)


@dataclass(slots=True)
class DictStore:
    """An in-memory online store; with `down`, its methods raise OnlineStoreDown."""

    down: bool = False
    kept: dict[tuple[str, tuple[str, ...]], OnlineRow] = field(default_factory=dict)

    def _answer(self) -> None:
        if self.down:
            raise OnlineStoreDown("The test's server is stopped.", remedy="Start it.")

    def ping(self) -> float:
        self._answer()
        return 0.0003

    def write(self, view: OnlineView, rows: Sequence[OnlineRow]) -> int:
        self._answer()
        self.kept.update({(view.name, row.key): row for row in rows})
        return len(rows)

    def read(self, view: OnlineView, keys: Sequence[tuple[str, ...]]) -> list[OnlineRow | None]:
        self._answer()
        return [self.kept.get((view.name, key)) for key in keys]

    def scan(self, view: OnlineView, firsts: Collection[str] | None = None) -> list[OnlineRow]:
        self._answer()
        found = [row for (name, _), row in self.kept.items() if name == view.name]
        return [row for row in found if firsts is None or row.key[0] in firsts]

    def renew(self, view: OnlineView, name: str, text: str) -> int:
        return sum(row.value.get(name) == text for row in self.scan(view))

    def clear(self) -> None:
        self._answer()
        self.kept.clear()

    def limitations(self) -> tuple[str, ...]:
        return ()

    def info(self) -> Mapping[str, str | int | float]:
        self._answer()
        return {"server": "dict", "version": "1"}


def no_aws() -> Cloud:
    """The AWS connection of these tests: it always fails."""
    raise AwsUnreachable("No AWS in this test.", remedy="None is needed.")


def empty_lab(home: Path, models_dir: Path, online: DictStore | None = None) -> Lab:
    """A lab without market data and instances."""
    return _lab(home, models_dir, online, empty_database)


def small_lab(home: Path, models_dir: Path, online: DictStore | None = None) -> Lab:
    """A lab with a market and a fleet, but without evaluations."""
    lab = _lab(home, models_dir, online, _filled_database)
    if not lab.store.fleet.accounts():
        _fill(lab)
    return lab


def _lab(
    home: Path, models_dir: Path, online: DictStore | None, database: Callable[[], bytes]
) -> Lab:
    settings = Settings(
        home=home, models_dir=models_dir, market="simulated", alert_networks="127.0.0.0/8"
    )
    if settings.database_url is None:
        copy_to(settings.sqlite_path, database)
    lab = bootstrap(settings, clock=StillClock(), online=online or DictStore(), cloud=no_aws)
    lab.log_stream = ListStream()
    return lab


@cache
def _filled_database() -> bytes:
    def fill(path: Path) -> None:
        with empty_lab(path.parent, path.parent / "models") as lab:
            _fill(lab)

    return file_of(fill)


def _fill(lab: Lab) -> None:
    _collect(lab)
    now = lab.clock.now()
    lab.store.fleet.save_account(Account("acme", "123456789012", emulated=True))
    lab.store.fleet.sync(
        "acme",
        [
            Instance(
                instance_id=instance_id,
                account="acme",
                pool=Pool("us-east-1", "us-east-1a", instance_type),
                lifecycle=lifecycle,
                name=name,
                launched_at=now - timedelta(days=3),
            )
            for instance_id, name, instance_type, lifecycle in FLEET
        ],
    )
    lab.store.health.note(INSTANCE_MANAGER, ok=True, at=now, latency_ms=12.0, reason="")


def add_account(lab: Lab, name: str = "zeta") -> str:
    """Add an account with one evaluated instance, "secret-1"; returns the instance's id."""
    instance_id = "i-0000000000000009f"
    lab.store.fleet.save_account(Account(name, "999999999999", emulated=True))
    pool = Pool("us-east-1", "us-east-1b", "m5.large")
    launched_at = lab.clock.now() - timedelta(days=2)
    lab.store.fleet.sync(
        name,
        [
            Instance(
                instance_id=instance_id,
                account=name,
                pool=pool,
                lifecycle=Lifecycle.SPOT,
                name="secret-1",
                launched_at=launched_at,
            )
        ],
    )
    evaluate_instances(lab, [instance_id])
    return instance_id


def _collect(lab: Lab) -> None:
    prices = {
        (name, zone): price
        for name, zoned in PRICES.items()
        for zone, price in zip(ZONES, zoned, strict=True)
    }
    now = lab.clock.now()
    data = market_data(prices, as_of=now)
    earlier = data.price_history.assign(
        event_time=data.price_history["event_time"] - timedelta(days=2),
        spot_price_usd_per_hour=data.price_history["spot_price_usd_per_hour"] * 1.1,
    )
    for kind, scope, rows in (
        (FeedKind.ADVISOR, "", data.advisor.drop(columns="event_time")),
        (FeedKind.PRICE_HISTORY, "us-east-1", pd.concat([earlier, data.price_history])),
        (FeedKind.ON_DEMAND, "us-east-1", data.on_demand.drop(columns="event_time")),
        (FeedKind.SPECS, "us-east-1", data.specs),
    ):
        origin = Provenance(f"{kind} of a test", now - timedelta(minutes=5), now)
        lab.store.archive.save(
            Snapshot(kind, MarketName.SIMULATED, scope, origin, f"{kind}-1".ljust(64, "0"), rows)
        )
    lab.store.archive.set_active_market(MarketName.SIMULATED)


def save_toy_model(models_dir: Path) -> Path:
    """Save a model that predicts high risk for high buckets, small discounts and large types."""
    plain = {
        "format": 1,
        "name": "toy",
        "version": "1.0.0",
        "task": "advisor",
        "kind": "lightgbm",
        "file": "model.txt",
        "features": [
            {"name": name, "unit": unit, "low": low, "high": high, "nullable": True}
            for name, (low, high, unit) in FEATURES.items()
        ],
        "calibration": {
            "rate": {"slope": 1.0, "intercept": 0.0},
            "high_bucket": {"slope": 1.0, "intercept": 0.0},
        },
    }
    return artefacts.save(models_dir, json.dumps(plain).encode(), _booster_text().encode())


@cache
def _booster_text() -> str:
    import lightgbm  # not at the top: a test checks which modules a page imports

    rng = np.random.default_rng(3)
    bucket = rng.integers(0, 5, 800).astype(np.float64)
    matrix = np.column_stack([bucket, rng.uniform(0.2, 0.9, 800), 2.0 ** rng.integers(0, 6, 800)])
    score = 1.6 * (bucket - 2.0) - 2.0 * (matrix[:, 1] - 0.5) + 0.2 * np.log2(matrix[:, 2])
    interrupted = (rng.random(800) < 1 / (1 + np.exp(-score))) * 1.0
    data = lightgbm.Dataset(matrix, interrupted, feature_name=list(FEATURES))
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    return str(lightgbm.train(settings, data, num_boost_round=30).model_to_string())
