"""Domain values for tests: complete, with plausible numbers; keywords replace fields."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from spotlab.domain.decision import (
    Candidate,
    Decision,
    Experiment,
    Instance,
    Lifecycle,
    StageTrace,
    Verdict,
)
from spotlab.domain.market import FEED_COLUMNS, FeedKind, MarketName, Pool, Provenance, Snapshot
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import Account, By, ModelRecord
from spotlab.domain.requirements import Requirements

NOW = datetime(2026, 11, 3, 9, 30, 15, 123456, tzinfo=UTC)
BY = By("ana", NOW, "for a test", "a test")
FEATURES = {"discount_depth": 0.62, "price_position": 0.38, "advisor_bucket": 1.0}


def pool(instance_type: str = "m6i.xlarge", zone: str | None = "us-east-1a") -> Pool:
    """A Linux pool in us-east-1."""
    return Pool("us-east-1", zone, instance_type)


def provenance(source: str = "AWS spot price feed", **changes: Any) -> Provenance:
    """Provenance of data that was read a minute after its event time."""
    return replace(Provenance(source, NOW - timedelta(minutes=1), NOW), **changes)


def account(name: str = "production", **changes: Any) -> Account:
    """An account with a role to assume."""
    made = Account(
        name=name,
        aws_account_id="123456789012",
        role_arn="arn:aws:iam::123456789012:role/spotlab",
        external_id="an-external-id",
        regions=("us-east-1", "eu-west-1"),
    )
    return replace(made, **changes)


def instance(instance_id: str = "i-0a1", **changes: Any) -> Instance:
    """A running spot instance on `pool()`."""
    made = Instance(
        instance_id=instance_id,
        account="production",
        pool=pool(),
        lifecycle=Lifecycle.SPOT,
        name=f"worker {instance_id}",
        launched_at=NOW - timedelta(days=3),
    )
    return replace(made, **changes)


def candidate(**changes: Any) -> Candidate:
    """A ranked pool with three features and two sources."""
    made = Candidate(
        pool=pool(),
        spot_price_usd_per_hour=0.0731,
        on_demand_price_usd_per_hour=0.192,
        risk=0.0123,
        horizon_h=24.0,
        hazard_per_hour=0.000516,
        expected_cost_usd_per_hour=0.07316,
        rank=1,
        reasons=("0.073 USD/h, 62 % under on-demand",),
        sources=(provenance(), provenance("AWS Spot Advisor feed", approximate=True)),
        features=FEATURES,
    )
    return replace(made, **changes)


def candidates(count: int) -> tuple[Candidate, ...]:
    """Different pools, cheapest first."""
    return tuple(
        candidate(
            pool=pool(f"c{5 + number // 6}a.xlarge", f"us-east-1{'abcdef'[number % 6]}"),
            spot_price_usd_per_hour=(50 + number) / 1000,
            expected_cost_usd_per_hour=0.05 + number / 999,
            rank=number + 1,
        )
        for number in range(count)
    )


def verdict(scored: tuple[Candidate, ...], **changes: Any) -> Verdict:
    """A switch from the second of the scored pools to the first."""
    made = Verdict(
        decision=Decision.SWITCH,
        reason="Saves 0.0010 USD/h, 1.4 % of the expected cost.",
        current=scored[1],
        chosen=scored[0],
        saving_usd_per_hour=0.00100100100100100,
    )
    return replace(made, **changes)


def experiment(**changes: Any) -> Experiment:
    """A complete decision over three candidates, not recorded yet."""
    scored = candidates(3)
    made = Experiment(
        experiment_id=0,
        created_at=NOW,
        instance=instance(),
        market=MarketName.PUBLIC,
        model="advisor-lgbm@1.0.0",
        policy=PolicyParams(),
        requirements=Requirements(regions=("us-east-1",), vcpu_min=4.0, memory_gb_min=16.0),
        verdict=verdict(scored),
        candidates=scored,
        dropped={"spot price unknown": 12, "another region": 340},
        feature_names=tuple(FEATURES),
        stages=(StageTrace("collect", 12.5, 0, 355), StageTrace("filter", 3.25, 355, 3)),
        shadow=False,
        duration_ms=41.75,
    )
    return replace(made, **changes)


def failed_experiment(**changes: Any) -> Experiment:
    """An evaluation that failed to decide."""
    nothing = {"verdict": None, "candidates": (), "dropped": {}, "stages": ()}
    return experiment(**{**nothing, "error": "nothing collected yet", **changes})


def price_rows(price: float = 0.0731) -> pd.DataFrame:
    """Two change points: one zone known, one unknown."""
    rows = pd.DataFrame(
        {
            "region": ["us-east-1", "us-east-1"],
            "availability_zone": pd.Series(["us-east-1a", None], dtype=object),
            "operating_system": ["Linux", "Linux"],
            "instance_type": ["m6i.xlarge", "m6i.2xlarge"],
            "event_time": pd.DatetimeIndex([NOW - timedelta(hours=2), NOW]),
            "spot_price_usd_per_hour": [price, float("nan")],
        }
    )
    return rows[list(FEED_COLUMNS[FeedKind.PRICE_HISTORY])]


def snapshot(content: str = "first", **changes: Any) -> Snapshot:
    """A price history of us-east-1; its digest is computed from `content`."""
    made = Snapshot(
        kind=FeedKind.PRICE_HISTORY,
        market=MarketName.PUBLIC,
        scope="us-east-1",
        origin=provenance("DescribeSpotPriceHistory"),
        digest=hashlib.sha256(content.encode()).hexdigest(),
        rows=price_rows(),
        validator='"etag-1"',
    )
    return replace(made, **changes)


def model_record(version: str = "1.0.0", **changes: Any) -> ModelRecord:
    """A registered candidate of the advisor task."""
    made = ModelRecord(
        name="advisor-lgbm",
        version=version,
        task="advisor",
        digest=hashlib.sha256(version.encode()).hexdigest(),
        path=f"advisor-lgbm/{version}",
        state="candidate",
        registered_at=NOW,
        card={"name": "advisor-lgbm", "version": version, "metrics": {"auc": 0.783}},
    )
    return replace(made, **changes)
