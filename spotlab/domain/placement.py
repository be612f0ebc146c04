"""AWS's spot placement scores: groups of types to request, responses, and the score of a pool.

A score is AWS's estimate of whether a spot request for some instance types would be fulfilled now,
from 1 (unlikely) to 10, without a guarantee. For fewer than three types it is always low, so types
are requested in groups, and a score belongs to a group. It is no feature: no model was trained on
it. Where it falls below what is usual, the hazard of the group's pools is raised for a while.

Source: "Spot placement score" in the EC2 user guide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from statistics import median
from typing import Final

from spotlab.domain.hazard_curve import ShortCause, ShortSignal
from spotlab.domain.market import Pool, Provenance

MIN_TYPES: Final = 3
MAX_TYPES: Final = 5
TARGET_CAPACITY: Final = 1
FRESH_FOR: Final = timedelta(hours=12)
"""An older score is stale."""
USUAL_FOR: Final = timedelta(days=14)
"""What is usual is taken from the scores of this time."""
LEAST_SCORES: Final = 3
LEAST_FALL: Final = 2
SHOWN_FOR: Final = timedelta(days=2)
"""An older score is not shown: the score is unknown."""


class PlacementState(StrEnum):
    """Whether a score is known."""

    SCORED = "scored"
    REFUSED = "refused by quota"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What types have in common that can replace each other.

    Args:
        architecture: "x86_64" or "arm64".
        accelerated: it has a GPU or another accelerator.
        vcpu: virtual CPUs.
        memory_gb: GiB.
    """

    architecture: str
    accelerated: bool
    vcpu: float
    memory_gb: float


@dataclass(frozen=True, slots=True)
class PlacementResponse:
    """AWS's response for one group of types in one region.

    Args:
        emulated: from the emulated AWS; never mixed with real scores.
        account: that sent the request; zone names are this account's.
        region: of the request.
        instance_types: of the request, sorted.
        asked_at: aware UTC.
        source: name for a person.
        refused: the account's quota of configurations was used up.
        scores: 1..10 by zone; a missing zone is unknown.
    """

    emulated: bool
    account: str
    region: str
    instance_types: tuple[str, ...]
    asked_at: datetime
    source: str
    refused: bool
    scores: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PlacementScore:
    """The placement score of one pool, or why there is none.

    Args:
        state: scored, refused by quota or unknown.
        reason: why there is no score; "" if there is one.
        score: 1..10, of the whole group; None unless scored.
        zone: of the score; for a pool without a zone, the zone with the highest score.
        instance_types: the group that was requested; empty if none was.
        origin: source and time; None if no score was requested.
    """

    state: PlacementState
    reason: str = ""
    score: int | None = None
    zone: str | None = None
    instance_types: tuple[str, ...] = ()
    origin: Provenance | None = None


def groups(shapes: Mapping[str, Shape]) -> list[tuple[str, ...]]:
    """Partition types into groups of similar types, of at least three types each.

    Types of one shape are grouped; shapes with too few types are joined with the next larger shape
    of the same architecture. Groups depend only on the types, because a configuration that was
    requested before does not count against the quota. If there are fewer than three types of an
    architecture (with or without accelerator), they are in no group.

    Args:
        shapes: by instance type, of one region.
    """
    partition: list[tuple[str, ...]] = []
    ordered = sorted(shapes, key=lambda name: (shapes[name], name))
    for _, kind in groupby(ordered, lambda name: _kind(shapes[name])):
        pending: list[str] = []
        of_kind: list[list[str]] = []
        for _, same_shape in groupby(kind, shapes.__getitem__):
            pending += same_shape
            if len(pending) >= MIN_TYPES:
                of_kind += _split_evenly(pending)
                pending = []
        if of_kind:
            of_kind[-1] += pending
        partition += [tuple(sorted(group)) for group in of_kind]
    return partition


def _kind(shape: Shape) -> tuple[str, bool]:
    return shape.architecture, shape.accelerated


def _split_evenly(names: Sequence[str]) -> Iterator[list[str]]:
    """Parts of about equal length, from MIN_TYPES to MAX_TYPES."""
    parts = -(-len(names) // MAX_TYPES)
    for part in range(parts):
        yield list(names[part * len(names) // parts : (part + 1) * len(names) // parts])


def relevant_groups(
    shapes: Mapping[str, Shape], in_use: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """The groups that are relevant to a fleet: with its own types, or types of the same shape.

    Args:
        shapes: by instance type, of one region.
        in_use: number of instances by type.
    Returns:
        Groups with the most instances first.
    """
    shapes_in_use = {shapes[name] for name in in_use if name in shapes}
    relevant = [
        group
        for group in groups(shapes)
        if any(name in in_use or shapes[name] in shapes_in_use for name in group)
    ]
    return sorted(relevant, key=lambda group: (-sum(in_use.get(name, 0) for name in group), group))


@dataclass(frozen=True, slots=True)
class Placements:
    """The placement scores of all pools.

    Args:
        by_type: responses by (region, type), newest first.
        now: aware UTC.
        why_none: why no scores are requested; "" if they are.
    """

    by_type: Mapping[tuple[str, str], Sequence[PlacementResponse]]
    now: datetime
    why_none: str = ""

    @classmethod
    def from_responses(
        cls, answers: Iterable[PlacementResponse], now: datetime, why_none: str = ""
    ) -> Placements:
        """From responses in any order; without those that are too old to be shown."""
        by_type: dict[tuple[str, str], list[PlacementResponse]] = {}
        for answer in sorted(answers, key=lambda each: each.asked_at, reverse=True):
            if now - answer.asked_at <= SHOWN_FOR:
                for name in answer.instance_types:
                    by_type.setdefault((answer.region, name), []).append(answer)
        return cls(by_type, now, why_none)

    def score_of(self, pool: Pool) -> PlacementScore:
        """The newest score of the pool's group; a refusal counts if no score is fresh."""
        answers = self.by_type.get((pool.region, pool.instance_type), ())
        if not answers:
            reason = self.why_none or "It was not requested in the last two days."
            return PlacementScore(PlacementState.UNKNOWN, reason)
        newest = answers[0]
        scored = next((each for each in answers if not each.refused), newest)
        answer = scored if self.now - scored.asked_at <= FRESH_FOR else newest
        origin = Provenance(
            answer.source,
            answer.asked_at,
            answer.asked_at,
            stale=self.now - answer.asked_at > FRESH_FOR,
        )
        if answer.refused:
            reason = "The daily quota of placement configurations of the account was used up."
            return PlacementScore(
                PlacementState.REFUSED,
                reason,
                instance_types=answer.instance_types,
                origin=origin,
            )
        zone = pool.availability_zone or _highest(answer.scores)
        if zone is None or zone not in answer.scores:
            reason = "AWS returned no score for it."
            return PlacementScore(
                PlacementState.UNKNOWN, reason, None, zone, answer.instance_types, origin
            )
        return PlacementScore(
            PlacementState.SCORED, "", answer.scores[zone], zone, answer.instance_types, origin
        )


def _highest(scores: Mapping[str, int]) -> str | None:
    return max(sorted(scores), key=scores.__getitem__, default=None)


def score_falls(
    answers: Iterable[PlacementResponse], now: datetime
) -> dict[Pool, tuple[ShortSignal, ...]]:
    """Pools whose newest score is lower than usual, at most FRESH_FOR old.

    Usual is the median of the group's earlier scores there, of which there must be LEAST_SCORES. A
    fall by less than LEAST_FALL points is noise: scores are whole numbers.

    Args:
        answers: of the last weeks, in any order.
        now: aware UTC.
    Returns:
        A signal for each pool, weighted by its fall as a share of the whole scale of 9 points.
    """
    scores: dict[tuple[str, tuple[str, ...], str], list[tuple[datetime, int]]] = {}
    for answer in answers:
        for zone, score in answer.scores.items():
            key = (answer.region, answer.instance_types, zone)
            scores.setdefault(key, []).append((answer.asked_at, score))
    found: dict[Pool, tuple[ShortSignal, ...]] = {}
    for (region, names, zone), each in sorted(scores.items()):
        *earlier, (at, newest) = sorted(each)
        if len(earlier) < LEAST_SCORES or now - at > FRESH_FOR:
            continue
        usual = median(score for _, score in earlier)
        if usual - newest >= LEAST_FALL:
            detail = f"a placement score of {newest}, usually {usual:g},"
            weight = (usual - newest) / 9.0
            signal = ShortSignal(ShortCause.PLACEMENT, at, weight, detail)
            for name in names:
                found[Pool(region, zone, name)] = (signal,)
    return found


def configurations(
    asked: Collection[PlacementResponse],
) -> set[tuple[str, tuple[str, ...]]]:
    """The different configurations that count against the quota; refused requests do not."""
    return {(each.region, each.instance_types) for each in asked if not each.refused}
