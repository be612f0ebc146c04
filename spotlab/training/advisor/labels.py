"""Labels of the advisor model: the advisor bucket of a later month.

The bucket says how often all customers' instances of a type in a region were interrupted during the
trailing month. So a label covers the 30 days before its snapshot, and features must be older.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.market import LINUX, Pool, Snapshot
from spotlab.domain.risk import BUCKET_RATES
from spotlab.errors import InvalidInput
from spotlab.inference.calibration import HIGH_BUCKET, bucket_position

FloatArray = NDArray[np.float64]

TRAILING: Final = timedelta(days=30)
"""Period that a bucket covers."""


def bucket_labels(
    pools: Sequence[Pool],
    later: Snapshot,
    known_until: datetime,
    overlap: timedelta = timedelta(0),
) -> FloatArray:
    """The later bucket of each pool.

    Args:
        pools: n pools.
        later: an ADVISOR snapshot.
        known_until: newest event time of any feature.
        overlap: allowed overlap of the label's period with the features; only for evaluations that
            report it.
    Returns:
        (n,) bucket 0..4, NaN if the snapshot does not list the pool.
    Raises:
        InvalidInput: the label's period overlaps the features.
    """
    if later.origin.event_time - known_until <= TRAILING - overlap:
        raise InvalidInput(
            f"A label of {later.origin.event_time:%Y-%m-%d} covers the {TRAILING.days} days "
            f"before it, but the features extend to {known_until:%Y-%m-%d}.",
            remedy="Leave a longer gap between them. The age of a file is the date in its name, "
            "such as 2022-04-22.json, or else the time of its last change.",
        )
    linux = later.rows[later.rows["operating_system"] == LINUX]
    bucket = pd.Series(
        linux["bucket"].to_numpy(dtype=np.float64),
        index=pd.MultiIndex.from_frame(linux[["region", "instance_type"]]),
    )
    wanted = pd.MultiIndex.from_tuples([(pool.region, pool.instance_type) for pool in pools])
    return np.asarray(bucket.reindex(wanted), dtype=np.float64)


def high(bucket: FloatArray) -> FloatArray:
    """(n,) 1.0 if the bucket is 3 or 4 (over 15 % of instances interrupted a month), else 0.0."""
    return np.asarray(bucket >= HIGH_BUCKET, dtype=np.float64)


def rate_position(bucket: FloatArray) -> FloatArray:
    """(n,) position of the bucket's monthly rate between the lowest and the highest, 0..1."""
    return bucket_position(bucket, BUCKET_RATES[0], BUCKET_RATES[-1])
