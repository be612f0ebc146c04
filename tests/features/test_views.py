"""The registry says what the engine computes, and the page says what the registry says."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind, MarketData, MarketName
from spotlab.features.docs_table import markdown
from spotlab.features.engine import compute
from spotlab.features.views import BASICS, FEATURES, NAMES, VIEWS, feature, names_from
from tests.support.snapshots import NOW

ROOT = Path(__file__).resolve().parents[2]


def test_docs_features_is_current() -> None:
    page = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    assert page == markdown(), "run python -m spotlab.features.docs_table > docs/features.md"


def test_the_engine_computes_the_registry_in_its_order() -> None:
    frame = compute(MarketData(MarketName.RECORDED, NOW))
    assert frame.names == NAMES == tuple(item.name for item in FEATURES)
    assert frame.names[: len(BASICS)] == BASICS
    assert frame.values.shape == (0, len(NAMES))


@pytest.mark.parametrize("item", FEATURES, ids=NAMES)
def test_a_feature_says_what_it_is(item: Feature) -> None:
    assert feature(item.name) is item
    assert item.meaning.endswith(".")
    assert item.unit
    assert item.source
    assert item.ttl_s > 0
    assert item.missing.startswith("NaN: ")
    assert item.low < item.high


def test_an_unknown_feature_is_no_feature() -> None:
    with pytest.raises(KeyError, match="spot_sentiment"):
        feature("spot_sentiment")


def test_features_can_be_told_apart_by_their_feed() -> None:
    advisor = set(names_from(FeedKind.ADVISOR))
    assert {"advisor_savings", "historic_interrupt_rate", "family_stress_index"} <= advisor
    assert not advisor & {"price_change_7d", "vcpu_count", "zone_dispersion"}


def test_keys_of_the_online_store_keep_their_layout() -> None:
    layout = {view.name: (view.entity, view.ttl_s) for view in VIEWS}
    assert layout["spot_risk"] == (("region", "instance_type"), 3600)
    assert layout["spot_price_history"] == (("region", "family"), 3600)
    assert layout["instance_metadata"] == (("instance_type",), 86_400)
