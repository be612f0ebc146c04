"""Every feature on the real market of June 2025: speed, ranges, and how much is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from spotlab.aws.feeds import parse_advisor, parse_spot_prices
from spotlab.domain.market import FeedKind, MarketData, MarketName, Provenance
from spotlab.features import offline
from spotlab.features.engine import compute
from spotlab.features.views import NAMES, feature
from tests.support.archive import MemoryArchive

pytestmark = pytest.mark.shared_data
ADVISORS = ("2024-02-28", "2025-06-28")
PRICES = ("2025-03-27", "2025-05-03", "2025-06-15")
AS_OF = datetime(2025, 6, 28, tzinfo=UTC)


@pytest.fixture(scope="module")
def market(shared_data: Path) -> MarketData:
    archive = MemoryArchive()
    for day in ADVISORS:
        content = (shared_data / "advisor" / f"{day}.json.gz").read_bytes()
        for snapshot in parse_advisor(content, origin(day), MarketName.RECORDED):
            archive.save(snapshot)
    for day in PRICES:
        content = (shared_data / "spot-prices" / f"{day}.json.gz").read_bytes()
        archive.save(parse_spot_prices(content, origin(day), MarketName.RECORDED))
    return offline.read_market(archive, MarketName.RECORDED, AS_OF)


def origin(day: str) -> Provenance:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return Provenance("recorded feed", at, at)


def test_every_recorded_pool_gets_every_feature(market: MarketData) -> None:
    pools = market.pools()
    assert len(pools) > 15_000
    frame = compute(market)
    assert frame.values.shape == (len(pools), len(NAMES))


def test_every_value_lies_in_its_range(market: MarketData) -> None:
    frame = compute(market)
    assert not np.isinf(frame.values).any()
    for name in NAMES:
        known = frame.column(name)[~np.isnan(frame.column(name))]
        assert ((known >= feature(name).low) & (known <= feature(name).high)).all(), name


def test_only_what_the_public_feeds_lack_is_missing(market: MarketData) -> None:
    frame = compute(market)
    missing = {name: float(np.isnan(frame.column(name)).mean()) for name in NAMES}
    for name in ("vcpu_count", "memory_gb", "log_spot_price", "price_volatility_7d"):
        assert missing[name] < 0.001, name
    for name in ("price_position", "family_stress_index", "historic_interrupt_rate"):
        assert 0.0 < missing[name] < 0.03, name
    assert missing["price_volatility_30d"] < 0.05
    assert missing["zones_offered"] == 1.0  # one price a region
    assert missing["advisor_bucket_mean_past"] == 1.0  # the snapshot before is 16 months older
    assert market.origins[FeedKind.ON_DEMAND].approximate
