"""DataFrames are read from Parquet exactly as they were stored."""

from __future__ import annotations

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from spotlab.store.frame_codec import pack_frame, unpack_frame

MOMENTS = pd.to_datetime(["2026-01-01T00:00:00.123456Z", "2026-01-02T00:00:00.000001Z"])

COLUMNS = {
    "text": pd.Series(["a", "ü"]),
    "text with none": pd.Series(["a", None]),
    "object": pd.Series(["a", "b"], dtype=object),
    "object with none": pd.Series(["a", None], dtype=object),
    "only none": pd.Series([None, None], dtype=object),
    "float": pd.Series([0.1 + 0.2, float("nan")]),
    "float32": pd.Series([0.1, 5e-45], dtype="float32"),
    "int": pd.Series([2**62, -1]),
    "int8": pd.Series([0, 4], dtype="int8"),
    "bool": pd.Series([True, False]),
    "microseconds": pd.Series(MOMENTS),
    "nanoseconds": pd.Series(MOMENTS.as_unit("ns")),
    "seconds": pd.Series(MOMENTS.floor("s").as_unit("s")),
    "missing time": pd.Series([MOMENTS[0], pd.NaT]),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("rows", [2, 0])
def test_every_dtype_comes_back(column: pd.Series, rows: int) -> None:
    frame = pd.DataFrame({"column": column, "other": [1, 2]}).head(rows)
    opened = unpack_frame(pack_frame(frame))
    assert_frame_equal(opened, frame, check_index_type=False)
    assert opened["column"].tolist()[:1] == frame["column"].tolist()[:1]


def test_none_stays_none_in_a_column_of_objects() -> None:
    frame = pd.DataFrame({"zone": COLUMNS["object with none"]})
    assert unpack_frame(pack_frame(frame))["zone"].tolist() == ["a", None]


def test_a_filtered_frame_is_counted_anew() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3]}).query("n != 2")
    assert_frame_equal(unpack_frame(pack_frame(frame)), frame.reset_index(drop=True))


def test_a_feed_with_few_different_values_takes_little_room() -> None:
    frame = pd.DataFrame({"region": ["us-east-1"] * 50_000, "bucket": [0, 1, 2, 3, 4] * 10_000})
    assert len(pack_frame(frame)) < 5_000


def test_categories_come_back() -> None:
    frame = pd.DataFrame({"region": pd.Series(["a", "b", "a"], dtype="category")})
    assert_frame_equal(unpack_frame(pack_frame(frame)), frame)
