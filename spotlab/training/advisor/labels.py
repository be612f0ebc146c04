"""What is learned: the advisor bucket of a later month.

The advisor's bucket is how often all customers' instances of a type in a region were interrupted
during the trailing month. So a label tells of the 30 days before its snapshot, and features must
be older than those.
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
"""The window a bucket tells of."""


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
        known_until: the newest event_time of any feature.
        overlap: how much of the label's window features may know; only for measuring, and said.
    Returns:
        (n,) bucket 0..4, NaN where the snapshot has none.
    Raises:
        InvalidInput: the label's window overlaps what the features know.
    """
    if later.origin.event_time - known_until <= TRAILING - overlap:
        raise InvalidInput(
            f"A label of {later.origin.event_time:%Y-%m-%d} tells of the {TRAILING.days} days "
            f"before it, and features reach to {known_until:%Y-%m-%d}.",
            remedy="Leave more than that between them. A file is as old as the date in its name, "
            "such as 2022-04-22.json, else as it was last changed.",
        )
    linux = later.rows[later.rows["operating_system"] == LINUX]
    bucket = pd.Series(
        linux["bucket"].to_numpy(dtype=np.float64),
        index=pd.MultiIndex.from_frame(linux[["region", "instance_type"]]),
    )
    wanted = pd.MultiIndex.from_tuples([(pool.region, pool.instance_type) for pool in pools])
    return np.asarray(bucket.reindex(wanted), dtype=np.float64)


def high(bucket: FloatArray) -> FloatArray:
    """1.0 where the bucket is 3 or 4 (over 15 % of instances interrupted in a month)."""
    return np.asarray(bucket >= HIGH_BUCKET, dtype=np.float64)


def rate_position(bucket: FloatArray) -> FloatArray:
    """Where the bucket's monthly rate lies between the lowest and the highest bucket's, 0..1."""
    return bucket_position(bucket, BUCKET_RATES[0], BUCKET_RATES[-1])
