"""Prices of traces from a CSV, or an error that explains the problem."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spotlab.errors import InvalidInput
from spotlab.recorded.pool_prices import read_pool_prices

HEADER = "trace,spot_usd_per_hour,advisor_bucket\n"


def write_csv(folder: Path, text: str) -> Path:
    path = folder / "prices.csv"
    path.write_text(text)
    return path


def test_prices_are_in_the_order_asked_for(tmp_path: Path) -> None:
    path = write_csv(tmp_path, HEADER + "b,0.9,\na,1.1,3\nunused,7,0\n")
    read = read_pool_prices(path, ("a", "b"))
    assert read.spot_usd_per_hour.tolist() == [1.1, 0.9]
    np.testing.assert_array_equal(read.buckets, [3.0, np.nan])


def test_buckets_may_be_absent(tmp_path: Path) -> None:
    read = read_pool_prices(write_csv(tmp_path, "trace,spot_usd_per_hour\na,1\n"), ("a",))
    assert np.isnan(read.buckets).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trace,price\na,1\n", "lacks spot_usd_per_hour"),
        (HEADER + "a,1,\n", "no price of b"),
        (HEADER + "a,1,\nb,1,\na,2,\n", "line 4 repeats 'a'"),
        (HEADER + "a,cheap,\nb,1,\n", "line 2, spot_usd_per_hour is 'cheap'"),
        (HEADER + "a,-1,\nb,1,\n", "line 2, spot_usd_per_hour is '-1'"),
        (HEADER + "a,1,5\nb,1,\n", "line 2, advisor_bucket is '5'"),
        (HEADER + "a,1,low\nb,1,\n", "line 2, advisor_bucket is 'low'"),
    ],
    ids=["column", "missing", "twice", "word", "negative", "bucket 5", "bucket word"],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read_pool_prices(write_csv(tmp_path, text), ("a", "b"))
