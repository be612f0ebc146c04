"""Features see nothing of the label or of any later day."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import InvalidInput, NotAvailable
from spotlab.features.engine import compute
from spotlab.training.advisor import recipe
from spotlab.training.advisor.datasets import dataset, recorded_market
from spotlab.training.advisor.labels import high, rate_position
from tests.support import recorded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return recorded.write_market(tmp_path)


def upset(path: Path) -> None:
    """Turn every bucket of an advisor file around."""
    document = recorded.read_json(path)
    for systems in document["spot_advisor"].values():
        for rate in systems["Linux"].values():
            rate["r"], rate["s"] = 4 - rate["r"], 1
    recorded.write_json(path, document)


def test_a_row_is_a_priced_pool_with_a_later_bucket(folder: Path) -> None:
    data = dataset(folder, recipe.AS_OF, recipe.LABEL_AT)

    assert len(data.bucket) == len(recorded.REGIONS) * len(recorded.TYPES)
    assert data.frame.pools[0].availability_zone is None
    assert data.families[0] == data.frame.pools[0].instance_type.partition(".")[0]
    truth = recorded.read_json(folder / "advisor" / "2025-06-28.json.gz")["spot_advisor"]
    first = data.frame.pools[0]
    assert data.bucket[0] == truth[first.region]["Linux"][first.instance_type]["r"]


def test_altering_the_label_changes_no_feature(folder: Path) -> None:
    before = dataset(folder, recipe.AS_OF, recipe.LABEL_AT)
    upset(folder / "advisor" / "2025-06-28.json.gz")
    after = dataset(folder, recipe.AS_OF, recipe.LABEL_AT)

    assert np.array_equal(before.frame.values, after.frame.values, equal_nan=True)
    assert not np.array_equal(before.bucket, after.bucket)


def test_nothing_later_than_the_day_changes_a_feature(folder: Path) -> None:
    early = datetime(2025, 4, 1, tzinfo=UTC)
    before = compute(recorded_market(folder, early))
    upset(folder / "advisor" / "2025-06-28.json.gz")
    (folder / "spot-prices" / "2025-05-03.json.gz").unlink()
    after = compute(recorded_market(folder, early))

    assert np.array_equal(before.values, after.values, equal_nan=True)


def test_altering_an_earlier_advisor_does_change_features(folder: Path) -> None:
    before = compute(recorded_market(folder, recipe.AS_OF))
    upset(folder / "advisor" / "2024-02-28.json.gz")
    after = compute(recorded_market(folder, recipe.AS_OF))

    assert not np.array_equal(before.column("advisor_bucket"), after.column("advisor_bucket"))


def test_a_label_whose_month_overlaps_the_features_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="covers the 30 days before it"):
        dataset(folder, datetime(2025, 6, 1, tzinfo=UTC), recipe.LABEL_AT)


def test_missing_data_names_the_variable(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotAvailable, match="SPOTLAB_SHARED_DATA"):
        dataset(tmp_path / "nowhere", recipe.AS_OF, recipe.LABEL_AT)
    with pytest.raises(NotAvailable, match="no spot-prices of 2024-03-01 or earlier"):
        recorded_market(folder, datetime(2024, 3, 1, tzinfo=UTC))


def test_buckets_become_labels() -> None:
    bucket = np.array([0.0, 2.0, 3.0, 4.0])

    assert high(bucket).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert rate_position(bucket) == pytest.approx([0.0, 0.1 / 0.225, 0.15 / 0.225, 1.0])


@pytest.mark.shared_data
def test_the_recorded_rows_are_those_counted_before(shared_data: Path) -> None:
    data = dataset(shared_data, recipe.AS_OF, recipe.LABEL_AT)

    assert len(data.bucket) == 14_518
    assert float(high(data.bucket).mean()) == pytest.approx(0.462, abs=5e-4)
