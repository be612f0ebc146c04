"""Registry of the capacity features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from spotlab.domain.features import Feature
from spotlab.features.capacity_model.history import DAYS

Direction = Literal[-1, 0, 1]

WINDOWS_H: Final = (1, 3, 24)
TIMES_OF_DAY_H: Final = (1, 3)
_LONG_H: Final = 876_600.0
_MANY: Final = 1e4
_NO_DAY: Final = "NaN: less than a day of records"
_ALONE: Final = "NaN: no other pool is known at this tick"
_NONE_YET: Final = "NaN: none has ended"


@dataclass(frozen=True, slots=True)
class CapacityFeature:
    """A capacity feature, and the direction in which it may change the risk.

    Args:
        feature: the feature.
        direction: -1: a higher value never raises the risk; 1: never lowers it; 0: no constraint.
    """

    feature: Feature
    direction: Direction


def _feature(
    name: str,
    direction: Direction,
    meaning: str,
    unit: str = "share",
    missing: str = "NaN: no record",
    low: float = 0.0,
    high: float = 1.0,
) -> CapacityFeature:
    return CapacityFeature(Feature(name, meaning, unit, (), 3600.0, missing, low, high), direction)


CAPACITY_FEATURES: Final = (
    _feature(
        "streak_h", -1, "Hours since capacity was last found back.", "h", "never", 0.0, _LONG_H
    ),
    _feature("last_outage_h", 0, "Length of the last outage.", "h", _NONE_YET, 0.0, _LONG_H),
    _feature(
        "last_stay_h", -1, "Length of the last stay of capacity.", "h", _NONE_YET, 0.0, _LONG_H
    ),
    *(
        _feature(f"available_{h}h", -1, f"Share of the last {h} h's ticks that were available.")
        for h in WINDOWS_H
    ),
    _feature(
        "yesterday_available",
        -1,
        "Share of yesterday's ticks available within the hour after this time of day.",
        missing=_NO_DAY,
    ),
    *(
        _feature(
            f"daily_available_{h}h",
            -1,
            f"Share of ticks available within {h} h after this time of day, over {DAYS} days.",
            missing=_NO_DAY,
        )
        for h in TIMES_OF_DAY_H
    ),
    *(
        _feature(
            f"daily_loss_rate_{h}h",
            1,
            f"Losses per available hour within {h} h after this time of day, over {DAYS} days; "
            "0.2 losses in an hour are added as a prior.",
            "1/h",
            "the prior",
            0.0,
            _MANY,
        )
        for h in TIMES_OF_DAY_H
    ),
    _feature(
        "daily_change",
        -1,
        f"Share available in the 1.5 h after this time of day less that in the hour before, over "
        f"{DAYS} days.",
        missing="0: less than a day of records",
        low=-1.0,
    ),
    *(
        _feature(
            f"daily_lost_{h}h",
            1,
            f"Share of available ticks around this time of day (0.5 h; 1.5 h for the longer one) "
            f"that lost capacity within {h} h, over {DAYS} days fading by a tenth a day, mixed "
            "with that share over the whole past.",
            missing="the prior, 0.2",
        )
        for h in TIMES_OF_DAY_H
    ),
    _feature(
        "others_surprise",
        -1,
        "Others available now, less their share of the last 24 h.",
        missing=_ALONE,
        low=-1.0,
    ),
    *(
        _feature(
            f"others_change_{h}h",
            -1,
            f"Others' share available over {h} h, less that over 24 h.",
            missing=_ALONE,
            low=-1.0,
        )
        for h in (1, 3)
    ),
    _feature(
        "others_daily_change",
        -1,
        "Others' daily_change.",
        missing=_ALONE,
        low=-1.0,
    ),
    *(
        _feature(
            f"others_loss_rate_{name}",
            1,
            f"Others' losses per available hour, both fading by half in {name}; 0.05 losses in 0.3 "
            "h are added as a prior.",
            "1/h",
            _ALONE,
            0.0,
            _MANY,
        )
        for name in ("20min", "1h")
    ),
)
"""All features, in column order. Others are the panel's other pools, weighted by their correlation
with this pool: see `sibling_zones`."""

NAMES: Final = tuple(entry.feature.name for entry in CAPACITY_FEATURES)
HORIZON: Final = "ln_horizon"
"""Last column of a booster's matrix: ln(horizon in hours)."""
OTHERS: Final = tuple(name for name in NAMES if name.startswith("others_"))
"""Features that are unknown in a panel with a single trace."""
