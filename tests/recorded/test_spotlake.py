"""SpotLake exports have their licence notice, and are not used to train shipped models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spotlab.errors import InvalidInput
from spotlab.recorded.formats import FORMATS, format_named, reject_untrainable
from spotlab.recorded.spotlake import COLUMNS, read_spotlake
from tests.support import trace_files as files

HEADER = "Time,InstanceType,Region,AZ,SPS,T3,T2,IF,OndemandPrice,SpotPrice,Savings"
GOOD = "2024-05-01 12:00:00,m6i.large,us-east-1,use1-az4,3,10,25,2.5,0.096,0.0384,60"


def test_every_column_has_its_name_and_the_notice_comes_along(tmp_path: Path) -> None:
    read = read_spotlake(files.write(tmp_path / "lake.csv", f"{HEADER}\n{GOOD}\n"))

    assert tuple(read.rows.columns) == COLUMNS
    row = read.rows.iloc[0]
    assert row["event_time"] == pd.Timestamp("2024-05-01 12:00", tz="UTC")
    assert (row["placement_score"], row["interruption_free_score"]) == (3.0, 2.5)
    assert row["spot_price_usd_per_hour"] == 0.0384
    assert "CC BY-NC 4.0" in read.notice
    assert not format_named("spotlake").trainable


def test_minus_one_and_nothing_are_unknown(tmp_path: Path) -> None:
    line = "2024-05-01 12:00:00,m6i.large,us-east-1,-1,-1,,-1,-1,,-1,-1"

    row = read_spotlake(files.write(tmp_path / "lake.csv.gz", f"{HEADER}\n{line}\n")).rows.iloc[0]

    assert row["availability_zone"] is None
    assert np.isnan([row[name] for name in COLUMNS[4:]]).all()


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("2024-05-01 12:00:00", "today", "line 2 has Time 'today'"),
        ("m6i.large", "large", "line 2.*instance type"),
        ("us-east-1", "Virginia", "line 2 has Region 'Virginia'"),
        (",2.5,", ",7,", "line 2 has IF '7'"),
        (",0.0384,", ",nan,", "line 2 has SpotPrice 'nan'"),
        (",60", ",-200", "line 2 has Savings '-200'"),
        (",60", "", "more or fewer fields"),
    ],
    ids=["time", "type", "region", "if", "price", "savings", "fields"],
)
def test_a_malformed_line_is_named(tmp_path: Path, old: str, new: str, wrong: str) -> None:
    path = files.write(tmp_path / "lake.csv", f"{HEADER}\n{GOOD.replace(old, new)}\n")

    with pytest.raises(InvalidInput, match=wrong):
        read_spotlake(path)


def test_a_shipped_model_learns_from_no_such_file(tmp_path: Path) -> None:
    lake = files.write(tmp_path / "renamed.csv", f"{HEADER}\n{GOOD}\n")
    kept = files.write_counts(tmp_path / "evaluation-only" / "zone.json", [1, 0])
    free = files.write_counts(tmp_path / "zone.json", [1, 0])

    reject_untrainable([free])
    with pytest.raises(InvalidInput, match=r"CC BY-NC 4\.0"):
        reject_untrainable([free, lake])
    with pytest.raises(InvalidInput, match="no licence"):
        reject_untrainable([kept.parent])


def test_each_form_has_a_name_of_its_own_and_another_is_refused() -> None:
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    with pytest.raises(InvalidInput, match="price-history"):
        format_named("parquet")
