"""AWS's placement scores in words. Screens floor: pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import pandas as pd

from spotlab.domain.market import Pool
from spotlab.domain.placement import Placements, PlacementScore, PlacementState
from spotlab.ui import words
from spotlab.ui.tables import Column

COLUMN: Final = Column(
    "placement score",
    help="AWS: 1 (a request is hardly filled now) to 10. It is the score of a group of types that "
    "were asked for together, is no promise, and enters neither risk nor expected cost. Pick a row "
    "for its group and age. “Refused by quota”: the account may ask no more today. “Unknown”: "
    "nobody asked, or AWS gave none.",
    number=True,
)


def cells(table: pd.DataFrame, placements: Placements) -> Iterator[str]:
    """A cell for each row of a ranking's table."""
    places = table[["region", "availability_zone", "instance_type"]]
    for region, zone, name in places.itertuples(index=False, name=None):
        yield cell(placements.of(Pool(region, zone if isinstance(zone, str) else None, name)))


def cell(score: PlacementScore) -> str:
    """`8`, `8, old`, `refused by quota` or `unknown`."""
    if score.score is None:
        return score.state.value
    return (
        f"{score.score}, old"
        if score.origin is not None and score.origin.stale
        else str(score.score)
    )


def sentence(score: PlacementScore, now: datetime) -> str:
    """What is known of a pool's placement, whose score it is and how old."""
    return " ".join(_parts(score, now))


def _parts(score: PlacementScore, now: datetime) -> Iterator[str]:
    when = _when(score, now)
    if score.score is not None:
        yield f"Placement score {score.score} of 10 in {score.zone}{when}."
    else:
        yield f"Placement score {score.state.value}{when}: {score.reason}"
    if score.instance_types and score.state is not PlacementState.UNKNOWN:
        verb = "It belongs to" if score.score is not None else "Asked for was"
        group = words.listed(score.instance_types, most=6)
        yield f"{verb} the group of {group}, asked for together."
    yield "It enters neither risk nor decision."


def _when(score: PlacementScore, now: datetime) -> str:
    if score.origin is None:
        return ""
    old = ", which is old" if score.origin.stale else ""
    return f", asked {words.ago(score.origin.event_time, now)}{old}"
