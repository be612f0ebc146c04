"""AWS's placement scores in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import pandas as pd

from spotlab.domain.market import Pool
from spotlab.domain.placement import Placements, PlacementScore, PlacementState
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column

COLUMN: Final = Column(
    "placement",
    "{:.0f}".format,
    "AWS's placement score: 1 (a request is hardly filled now) to 10. It is the score of a group "
    "of types that were asked for together, is no promise, and enters neither risk nor expected "
    "cost. “—”: unknown, or refused by quota; pick a row for the reason, its group and its age.",
    number=True,
)


def of_rows(table: pd.DataFrame, placements: Placements) -> list[PlacementScore]:
    """What is known of each row of a ranking's table."""
    places = table[["region", "availability_zone", "instance_type"]]
    return [
        placements.of(Pool(region, zone if isinstance(zone, str) else None, name))
        for region, zone, name in places.itertuples(index=False, name=None)
    ]


def counted(scores: Sequence[PlacementScore]) -> str:
    """`Placement scores: 4 of 12 known, 1 of them old; 8 refused by quota.`"""
    known = [score for score in scores if score.score is not None]
    old = sum(score.origin is not None and score.origin.stale for score in known)
    first = f"{len(known):,} of {len(scores):,} known" if known else "none known"
    if old:
        first += f", {old:,} of them old"
    states = Counter(score.state for score in scores)
    unscored = (PlacementState.REFUSED, PlacementState.UNKNOWN)
    parts = [f"{states[state]:,} {state.value}" for state in unscored if states[state]]
    return f"Placement scores: {'; '.join([first, *parts])}."


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
        group = formatting.listed(score.instance_types, most=6)
        yield f"{verb} the group of {group}, asked for together."
    yield "It enters neither risk nor decision."


def _when(score: PlacementScore, now: datetime) -> str:
    if score.origin is None:
        return ""
    old = ", which is old" if score.origin.stale else ""
    return f", asked {formatting.ago(score.origin.event_time, now)}{old}"
