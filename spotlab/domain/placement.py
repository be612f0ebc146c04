"""AWS's spot placement scores: what is asked about together, and what was answered. Domain: pure.

A score is AWS's answer to "how likely is it that a request over these instance types is filled
now?", from 1 (hardly) to 10, and no promise. It is low whatever the capacity is when fewer than
three types are asked for, so types are asked for in groups, and a score belongs to the group. It
enters no feature and no decision: no model was trained on it.

Source: "Spot placement score" in the EC2 user guide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import groupby
from typing import Final

from spotlab.domain.market import Pool, Provenance

FEWEST_TYPES: Final = 3
MOST_TYPES: Final = 5
TARGET_CAPACITY: Final = 1
FRESH_FOR: Final = timedelta(hours=12)
"""An older score is shown as old."""
SHOWN_FOR: Final = timedelta(days=2)
"""An older score says nothing about now: it is unknown again."""


class PlacementState(StrEnum):
    """What is known of a score."""

    SCORED = "scored"
    REFUSED = "refused by quota"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class Shape:
    """What types must have in common to be alternatives of each other.

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
class PlacementAnswer:
    """What AWS answered about one group of types in one region.

    Args:
        emulated: by the emulated AWS; never mixed with Amazon's.
        account: who asked; the zones' names are this account's.
        region: asked about.
        instance_types: asked for together, sorted.
        asked_at: aware UTC.
        source: a person's name for it.
        refused: the account's quota of configurations was used up.
        scores: 1..10 by zone; a zone that AWS left out is unknown.
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
    """What is known of one pool's placement.

    Args:
        state: scored, refused by quota or unknown.
        reason: in words, why there is no score; "" where there is one.
        score: 1..10, of the whole group; None unless scored.
        zone: whose score it is; of a pool without a zone, the easiest of the region.
        instance_types: the group that was asked for together; empty where nobody asked.
        origin: source and time; None where nobody asked.
    """

    state: PlacementState
    reason: str = ""
    score: int | None = None
    zone: str | None = None
    instance_types: tuple[str, ...] = ()
    origin: Provenance | None = None


def groups(shapes: Mapping[str, Shape]) -> list[tuple[str, ...]]:
    """Every type in exactly one group of neighbours, each of them three types at least.

    Types of one shape are together; shapes with too few are joined with the next larger one of the
    same architecture. The same types give the same groups, whoever asks: a configuration that was
    asked for already costs no quota. A kind of which there are fewer than three types has no group.

    Args:
        shapes: of a region's types.
    """
    found: list[tuple[str, ...]] = []
    ordered = sorted(shapes, key=lambda name: (shapes[name], name))
    for _, kind in groupby(ordered, lambda name: _kind(shapes[name])):
        waiting: list[str] = []
        of_kind: list[list[str]] = []
        for _, alike in groupby(kind, shapes.__getitem__):
            waiting += alike
            if len(waiting) >= FEWEST_TYPES:
                of_kind += _even(waiting)
                waiting = []
        if of_kind:
            of_kind[-1] += waiting
        found += [tuple(sorted(group)) for group in of_kind]
    return found


def _kind(shape: Shape) -> tuple[str, bool]:
    return shape.architecture, shape.accelerated


def _even(names: Sequence[str]) -> Iterator[list[str]]:
    """Parts of about the same length, from FEWEST_TYPES to MOST_TYPES."""
    parts = -(-len(names) // MOST_TYPES)
    for part in range(parts):
        yield list(names[part * len(names) // parts : (part + 1) * len(names) // parts])


def worth_asking(shapes: Mapping[str, Shape], in_use: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The groups that say something about a fleet: its own types', then their alternatives'.

    Args:
        shapes: of a region's types.
        in_use: how many instances of each type there are.
    """
    wanted = {shapes[name] for name in in_use if name in shapes}
    near = [
        group
        for group in groups(shapes)
        if any(name in in_use or shapes[name] in wanted for name in group)
    ]
    return sorted(near, key=lambda group: (-sum(in_use.get(name, 0) for name in group), group))


@dataclass(frozen=True, slots=True)
class Placements:
    """What is known of every pool.

    Args:
        by_type: answers about a (region, type), newest first.
        now: aware UTC.
        why_none: why nothing is asked at all; "" where it is.
    """

    by_type: Mapping[tuple[str, str], Sequence[PlacementAnswer]]
    now: datetime
    why_none: str = ""

    @classmethod
    def of_answers(
        cls, answers: Iterable[PlacementAnswer], now: datetime, why_none: str = ""
    ) -> Placements:
        """From answers in any order; those that are too old to be shown are left out."""
        by_type: dict[tuple[str, str], list[PlacementAnswer]] = {}
        for answer in sorted(answers, key=lambda each: each.asked_at, reverse=True):
            if now - answer.asked_at <= SHOWN_FOR:
                for name in answer.instance_types:
                    by_type.setdefault((answer.region, name), []).append(answer)
        return cls(by_type, now, why_none)

    def of(self, pool: Pool) -> PlacementScore:
        """The newest score of the pool's group; a refusal counts where none is fresh."""
        answers = self.by_type.get((pool.region, pool.instance_type), ())
        if not answers:
            reason = self.why_none or "Nobody has asked AWS about its group in the last two days."
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
            reason = "The account's daily quota of placement configurations was used up."
            return PlacementScore(
                PlacementState.REFUSED,
                reason,
                instance_types=answer.instance_types,
                origin=origin,
            )
        zone = pool.availability_zone or _easiest(answer.scores)
        if zone is None or zone not in answer.scores:
            reason = "AWS answered without a score for it."
            return PlacementScore(
                PlacementState.UNKNOWN, reason, None, zone, answer.instance_types, origin
            )
        return PlacementScore(
            PlacementState.SCORED, "", answer.scores[zone], zone, answer.instance_types, origin
        )


def _easiest(scores: Mapping[str, int]) -> str | None:
    return max(sorted(scores), key=scores.__getitem__, default=None)


def configurations(
    asked: Collection[PlacementAnswer],
) -> set[tuple[str, tuple[str, ...]]]:
    """The different questions among answers that AWS counts: a refused one is not counted."""
    return {(each.region, each.instance_types) for each in asked if not each.refused}
