"""AWS's placement scores as a column, a count and a sentence."""

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
    "AWS's placement score, from 1 (a request is unlikely to be fulfilled now) to 10. It is the "
    "score of a group of types that are requested together. It is no guarantee, and is not used "
    "for risk or expected cost. “—”: unknown, or refused by quota; select a row for the reason, "
    "the group and the age.",
    number=True,
)


def of_rows(table: pd.DataFrame, placements: Placements) -> list[PlacementScore]:
    """The placement score of each row of a ranking's table."""
    places = table[["region", "availability_zone", "instance_type"]]
    return [
        placements.score_of(Pool(region, zone if isinstance(zone, str) else None, name))
        for region, zone, name in places.itertuples(index=False, name=None)
    ]


def counts(scores: Sequence[PlacementScore]) -> str:
    """`Placement scores: 4 of 12 known, 1 of them stale; 8 refused by quota.`"""
    known = [score for score in scores if score.score is not None]
    stale = sum(score.origin is not None and score.origin.stale for score in known)
    first = f"{len(known):,} of {len(scores):,} known" if known else "none known"
    if stale:
        first += f", {stale:,} of them stale"
    states = Counter(score.state for score in scores)
    unscored = (PlacementState.REFUSED, PlacementState.UNKNOWN)
    parts = [f"{states[state]:,} {state.value}" for state in unscored if states[state]]
    return f"Placement scores: {'; '.join([first, *parts])}."


def describe(score: PlacementScore, now: datetime) -> str:
    """A pool's placement score or why there is none, its group and its age."""
    return " ".join(_sentences(score, now))


def _sentences(score: PlacementScore, now: datetime) -> Iterator[str]:
    when = _when(score, now)
    if score.score is not None:
        yield f"Placement score {score.score} of 10 in {score.zone}{when}."
    else:
        yield f"Placement score {score.state.value}{when}: {score.reason}"
    if score.instance_types and score.state is not PlacementState.UNKNOWN:
        group = formatting.listed(score.instance_types, most=6)
        yield f"It was requested for the types {group} together."
    yield "Placement scores are not used for risk or decisions."


def _when(score: PlacementScore, now: datetime) -> str:
    if score.origin is None:
        return ""
    stale = ", stale" if score.origin.stale else ""
    return f", requested {formatting.ago(score.origin.event_time, now)}{stale}"
