"""Features of a type's availability, and of its savings and price compared with others.

A pool is compared with the same type in other regions, and with the other types of its family,
series and region. Every mean excludes the pool's own type. Only the advisor's values, which always
cover every region, are compared across regions: prices are known only for the collected regions,
and a feature must not depend on how many these are.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from spotlab.domain.features import Feature
from spotlab.domain.market import FeedKind
from spotlab.features.panel import Floats, Ints, Panel, mean_of_others, ratio, tally

_SPOT: Final = (FeedKind.SPOT_PRICES, FeedKind.PRICE_HISTORY, FeedKind.SPECS)
_LOG_RANGE: Final = 25.0
_TYPE_UNLISTED: Final = "NaN: the advisor lists the type nowhere"
_REGION_UNLISTED: Final = "NaN: the advisor does not cover the region"


def _advisor(name: str, meaning: str, unit: str, bound: float, missing: str) -> Feature:
    low = 0.0 if unit == "share" else -bound
    return Feature(name, meaning, unit, (FeedKind.ADVISOR,), 86_400, missing, low, bound)


def _gap(name: str, meaning: str, missing: str) -> Feature:
    return Feature(name, meaning, "1", _SPOT, 3600, missing, -_LOG_RANGE, _LOG_RANGE)


FEATURES: Final = (
    _advisor(
        "advisor_region_share",
        "Share of the advisor's regions that list the type: a type that is rolled out everywhere "
        "is one that AWS keeps adding.",
        "share",
        1,
        _TYPE_UNLISTED,
    ),
    _advisor(
        "advisor_type_share",
        "Share of the advisor's types that the region lists: small regions have fewer.",
        "share",
        1,
        _REGION_UNLISTED,
    ),
    _advisor(
        "family_savings_mean",
        "Mean savings of the family's other types in the region.",
        "%",
        100,
        "NaN: no other type of the family listed in the region",
    ),
    _advisor(
        "series_savings_mean",
        "Mean savings of the series' other types in the region (all of m5, m6i, m7gd ...: m).",
        "%",
        100,
        "NaN: no other type of the series listed in the region",
    ),
    _advisor(
        "region_savings_mean",
        "Mean savings of the region's other types.",
        "%",
        100,
        "NaN: no other type listed in the region",
    ),
    _advisor(
        "type_savings_mean_elsewhere",
        "Mean savings of the type in all other regions.",
        "%",
        100,
        "NaN: the type is listed in no other region",
    ),
    _gap(
        "family_price_gap",
        "ln(spot price / vcpu_count) − mean of ln(cheapest zone's price / vcpu_count) over the "
        "family's other types in the region: sizes of a family share hosts and cost alike a CPU.",
        "NaN: spot price or vCPU unknown, or no other type of the family priced in the region",
    ),
    _gap(
        "series_price_gap",
        "The same against the series' other types in the region.",
        "NaN: spot price or vCPU unknown, or no other type of the series priced in the region",
    ),
)


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    advisor = panel.market.advisor
    return {**panel.unchanged(advisor, ("savings_percent",), _of_savings), **_price_gaps(panel)}


def _of_savings(panel: Panel) -> dict[str, Floats]:
    types, savings = panel.types, _advisor_savings(panel)
    listed = np.isfinite(savings)
    cells = np.flatnonzero(listed)
    known, pools = (cells, savings.ravel()[cells]), (panel.cell, panel.at_pools(savings))
    matrices = {
        "advisor_region_share": _share_of(listed, 0),
        "advisor_type_share": _share_of(listed, 1),
        "region_savings_mean": _mean_along(savings, 1),
        "type_savings_mean_elsewhere": _mean_along(savings, 0),
    }
    return {
        **{name: panel.at_pools(matrix) for name, matrix in matrices.items()},
        "family_savings_mean": panel.of_linux(_mean_within(types.family, known, pools)),
        "series_savings_mean": panel.of_linux(_mean_within(types.series, known, pools)),
    }


def _price_gaps(panel: Panel) -> dict[str, Floats]:
    cells = np.flatnonzero(np.isfinite(panel.cheapest))
    per_vcpu = np.full(panel.size, np.nan)
    vcpu = panel.vcpu[cells % max(len(panel.types), 1)]
    per_vcpu[cells] = np.log(ratio(panel.cheapest.ravel()[cells], vcpu))
    cells = np.flatnonzero(np.isfinite(per_vcpu))
    known, pools = (cells, per_vcpu[cells]), (panel.cell, panel.at_pools(per_vcpu))
    own = np.log(ratio(panel.price, panel.vcpu[panel.type_]))
    return {
        "family_price_gap": own - _mean_within(panel.types.family, known, pools),
        "series_price_gap": own - _mean_within(panel.types.series, known, pools),
    }


def _share_of(known: NDArray[np.bool_], axis: int) -> Floats:
    """(R, T) share of regions that have the type (axis 0), or of types in the region (axis 1).

    Only regions and types that are known anywhere count.

    NaN for a type or region that is known nowhere, such as one that was only requested.
    """
    count = known.sum(axis=axis, keepdims=True).astype(np.float64)
    known_anywhere = float(known.any(axis=1 - axis).sum())
    share = np.where(count > 0.0, count / max(known_anywhere, 1.0), np.nan)
    return np.broadcast_to(share, known.shape)


def _advisor_savings(panel: Panel) -> Floats:
    """(R, T) percent."""
    advisor = panel.market.advisor
    savings = advisor["savings_percent"].to_numpy(dtype=np.float64)
    return panel.matrix(panel.cells(advisor), savings)


def _mean_along(matrix: Floats, axis: int) -> Floats:
    """(R, T) mean of the other regions (axis 0) or types (axis 1).

    The sum excludes types that are known nowhere: even zeros would change its last bit.
    """
    known = np.isfinite(matrix)
    somewhere = known.any(axis=0) if axis == 1 else np.ones(matrix.shape[1], dtype=bool)
    total = np.where(known, matrix, 0.0)[:, somewhere].sum(axis=axis, keepdims=True)
    return mean_of_others(total, known.sum(axis=axis, keepdims=True).astype(np.float64), matrix)


def _mean_within(group: Ints, known: tuple[Ints, Floats], pools: tuple[Ints, Floats]) -> Floats:
    """(n,) mean of the other types of the same group in the pool's region.

    Args:
        group: (T,) number of each type's group.
        known: (k,) cells of the (R, T) matrix with a value, ascending, and their values.
        pools: (n,) cell of each pool, and the value of its own type; NaN: unknown.
    """
    groups, width = int(group.max(initial=-1)) + 1, max(len(group), 1)

    def place(cells: Ints) -> Ints:
        return cells // width * groups + group[cells % width]

    (cells, values), (own_cells, own) = known, pools
    size = int(max(cells.max(initial=-1), own_cells.max(initial=-1)) // width + 1) * groups
    # Added in the order of the types, so that a sum does not depend on how it is computed.
    total, count = tally(place(cells), size, values), tally(place(cells), size)
    here = place(own_cells)
    return mean_of_others(total[here], count[here], own)
