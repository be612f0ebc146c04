"""Training rows from recorded markets, computed by the production feature engine.

A market is built as of a day from files dated that day or earlier, so that features cannot leak
later data. Recorded data is read from the folder named by SPOTLAB_SHARED_DATA and is never copied.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.aws.feeds import parse_advisor, parse_spot_prices
from spotlab.domain.features import FeatureFrame
from spotlab.domain.instance_types import family_of
from spotlab.domain.market import (
    FEED_COLUMNS,
    LINUX,
    FeedKind,
    MarketData,
    MarketName,
    Pool,
    Provenance,
    Snapshot,
)
from spotlab.domain.ports import Archive
from spotlab.errors import NotAvailable
from spotlab.features.canonical_tables import tidy_market
from spotlab.features.engine import compute
from spotlab.features.offline import read_market
from spotlab.training.advisor.labels import bucket_labels

FloatArray = NDArray[np.float64]

DATA_VARIABLE: Final = "SPOTLAB_SHARED_DATA"
DEFAULT_FOLDER: Final = Path("../shared/data")
HISTORY: Final = timedelta(days=90)
SPECS_FILE: Final = "instance-specs/instance_types-2026-08-21.csv"


@dataclass(frozen=True, slots=True)
class Dataset:
    """Feature rows and their labels.

    Args:
        frame: (n, f) features as of one moment.
        bucket: (n,) advisor bucket 0..4 of a later month.
        families: (n,) instance family of each row, by which folds are split.
        label_at: date of the label's snapshot, aware UTC.
    """

    frame: FeatureFrame
    bucket: FloatArray
    families: tuple[str, ...]
    label_at: datetime


def data_folder() -> Path:
    """The folder of recorded data, from the environment."""
    return Path(os.environ.get(DATA_VARIABLE, DEFAULT_FOLDER))


def dataset(folder: Path, as_of: datetime, label_at: datetime) -> Dataset:
    """Rows for every pool with a price as of a day and a bucket in a later advisor snapshot.

    Args:
        folder: recorded data.
        as_of: time of the features, aware UTC.
        label_at: date of the advisor snapshot with the label.
    Raises:
        NotAvailable: the folder or a file is missing; the error names the variable.
        InvalidInput: the label's trailing month overlaps the features.
    """
    later = read_advisor(folder / "advisor" / f"{label_at:%Y-%m-%d}.json.gz")
    return with_labels(compute(recorded_market(folder, as_of)), later)


def with_labels(frame: FeatureFrame, later: Snapshot, overlap: timedelta = timedelta(0)) -> Dataset:
    """The rows of a frame whose pools have a bucket in the later snapshot.

    Raises:
        InvalidInput: the label's trailing month overlaps the features.
    """
    bucket = bucket_labels(frame.pools, later, frame.as_of, overlap)
    known = np.flatnonzero(~np.isnan(bucket))
    pools = tuple(frame.pools[i] for i in known)
    return Dataset(
        frame=FeatureFrame(frame.as_of, pools, frame.names, frame.values[known]),
        bucket=bucket[known],
        families=tuple(family_of(pool.instance_type) for pool in pools),
        label_at=later.origin.event_time,
    )


def recorded_market(folder: Path, as_of: datetime) -> MarketData:
    """The market according to the files dated `as_of` or earlier.

    On-demand prices are unknown: none of that time are recorded.

    Raises:
        NotAvailable: the folder or a kind of file is missing; the error names the variable.
    """
    advisor = [read_advisor(path) for path in _files_until(folder, "advisor", as_of)]
    recent = [
        path for path in _files_until(folder, "spot-prices", as_of) if _day(path) > as_of - HISTORY
    ]
    prices = [_read_prices(path) for path in recent]
    return _market(advisor, prices, _read_specs(folder), as_of)


def read_advisor(path: Path) -> Snapshot:
    """The advisor snapshot in a file that is named by its date.

    Raises:
        NotAvailable: the file is missing; the error names the variable.
    """
    origin = _origin("AWS Spot Advisor feed", path)
    return parse_advisor(_read(path), origin, MarketName.RECORDED)[0]


def market_of_snapshots(snapshots: Sequence[Snapshot], specs: pd.DataFrame) -> MarketData:
    """A market of advisor and spot price snapshots, as of the newest one.

    Args:
        snapshots: ADVISOR and SPOT_PRICES, in any order.
        specs: FEED_COLUMNS[SPECS].
    """
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.origin.event_time)
    advisor = [snapshot for snapshot in ordered if snapshot.kind is FeedKind.ADVISOR]
    prices = [snapshot for snapshot in ordered if snapshot.kind is FeedKind.SPOT_PRICES]
    return _market(advisor, prices, specs, ordered[-1].origin.event_time)


def _market(
    advisor: Sequence[Snapshot], prices: Sequence[Snapshot], specs: pd.DataFrame, as_of: datetime
) -> MarketData:
    """A market of snapshots, each kind oldest first."""
    newest = [*advisor[-1:], *prices[-1:]]
    return tidy_market(
        MarketData(
            market=MarketName.RECORDED,
            as_of=as_of,
            advisor=_table(advisor[-1:], FeedKind.ADVISOR),
            advisor_past=_table(advisor[:-1], FeedKind.ADVISOR),
            prices=_table(prices[-1:], FeedKind.PRICE_HISTORY),
            price_history=_table(prices, FeedKind.PRICE_HISTORY),
            specs=specs,
            origins={snapshot.kind: snapshot.origin for snapshot in newest},
        )
    )


def archived_dataset(
    archive: Archive, market: MarketName, as_of: datetime, label_at: datetime
) -> Dataset:
    """Rows from the app's own archive: features as of a day, and a later advisor bucket.

    Args:
        archive: all snapshots that the app has collected.
        market: in the archive.
        as_of: time of the features, aware UTC.
        label_at: the newest advisor snapshot up to this time has the label.
    Raises:
        NoMarketData: the archive has no prices at `as_of`.
        NotAvailable: the archive has no advisor snapshot up to `label_at`.
        InvalidInput: the label's trailing month overlaps the features.
    """
    later = archive.latest(FeedKind.ADVISOR, market, at=label_at)
    if later is None:
        raise NotAvailable(
            f"The archive has no advisor snapshot of {label_at:%Y-%m-%d} or earlier.",
            remedy="Collect the market for more than a month before training on it.",
        )
    return with_labels(compute(read_market(archive, market, as_of)), later)


def pools_of(snapshot: Snapshot) -> list[Pool]:
    """The region-level Linux pools in an advisor snapshot."""
    rows = snapshot.rows[snapshot.rows["operating_system"] == LINUX]
    pairs = rows[["region", "instance_type"]].itertuples(index=False, name=None)
    return [Pool(region, None, instance_type) for region, instance_type in pairs]


def _read_prices(path: Path) -> Snapshot:
    origin = _origin("AWS public spot price feed", path)
    return parse_spot_prices(_read(path), origin, MarketName.RECORDED)


def _read_specs(folder: Path) -> pd.DataFrame:
    """vCPU, memory and architecture, which the public feeds publish for every type.

    Specifications of a type never change, so a later file leaks nothing about the market. Columns
    that need an AWS account stay unknown, as they are in most installations.
    """
    path = folder / SPECS_FILE
    _require(path)
    table = pd.read_csv(path)
    specs: Mapping[str, pd.Series] = {
        "instance_type": table["instance_type"],
        "vcpu": table["vcpu"].astype("float64"),
        "memory_gb": table["memory_mib"] / 1024.0,
        "architecture": table["arch"],
    }
    return pd.DataFrame(specs).reindex(columns=[*FEED_COLUMNS[FeedKind.SPECS]])


def _table(snapshots: Sequence[Snapshot], kind: FeedKind) -> pd.DataFrame:
    columns = dict.fromkeys([*FEED_COLUMNS[kind], "event_time"])
    parts = [
        snapshot.rows.assign(event_time=pd.Timestamp(snapshot.origin.event_time))
        for snapshot in snapshots
    ]
    combined = pd.concat(parts) if parts else pd.DataFrame(columns=[*columns])
    return combined.reindex(columns=[*columns])


def _files_until(folder: Path, kind: str, as_of: datetime) -> list[Path]:
    _require(folder / kind)
    dated = sorted((folder / kind).glob("*.json.gz"), key=_day)
    found = [path for path in dated if _day(path) <= as_of]
    if not found:
        raise NotAvailable(
            f"The recorded data has no {kind} of {as_of:%Y-%m-%d} or earlier.",
            remedy=f"Set {DATA_VARIABLE} to the folder of recorded data.",
        )
    return found


def _day(path: Path) -> datetime:
    return datetime.fromisoformat(path.name.partition(".")[0]).replace(tzinfo=UTC)


def _origin(source: str, path: Path) -> Provenance:
    return Provenance(source, event_time=_day(path), fetched_at=_day(path))


def _read(path: Path) -> bytes:
    _require(path)
    return path.read_bytes()


def _require(path: Path) -> None:
    if not path.exists():
        raise NotAvailable(
            f"Recorded data is not available: {path.parent.name}/{path.name} is missing.",
            remedy=f"Set {DATA_VARIABLE} to the folder of recorded data.",
        )
