"""The model card as types: what the code relies on.

A card may say more (metrics, limits, sources): those parts are for people and are kept as they are.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import msgspec

from spotlab.domain.risk import BUCKET_RATES
from spotlab.errors import ArtefactRefused
from spotlab.inference.calibrators import Calibrator, problem

CARD_FORMAT: Final = 1
MAX_CARD_BYTES: Final = 2**20
"""Twenty times the largest shipped; it is kept in memory and in SQL, where it takes more."""
CAPACITY: Final = "capacity"
"""The task of models that say whether capacity will be lost."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class FeatureSpec(msgspec.Struct, frozen=True):
    """One column the model wants.

    Args:
        name: the column's name.
        unit: for the screens.
        low, high: smallest and largest valid value; None: unbounded.
        nullable: whether NaN (unknown) is an answer the model was trained to take.
        meaning: one sentence.
        typical: mean over the training rows, the reference of a linear model's contributions.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    nullable: bool
    meaning: str = ""
    typical: float | None = None


class Calibration(msgspec.Struct, frozen=True):
    """From the booster's raw score to probabilities.

    Args:
        rate: to the position of the monthly rate between those of the lowest and highest bucket.
        high_bucket: to P(next bucket >= 3).
    """

    rate: Calibrator
    high_bucket: Calibrator


class LevelDrift(msgspec.Struct, frozen=True):
    """How far the level moved across the gap the model was trained across, log-odds.

    What has not had the time to happen is taken back: all of it at a gap of 0, nothing at the gap
    of training. 0: the level stayed, or an older card does not say.

    Args:
        rate: of the calibrated score of the monthly rate.
        high_bucket: of the calibrated score of P(next bucket >= 3).
    """

    rate: float = 0.0
    high_bucket: float = 0.0


class Persistence(msgspec.Struct, frozen=True):
    """How far a fresh advisor bucket is believed to stay as it is.

    Args:
        bucket_feature, age_feature: columns that hold the bucket (0..4) and its age in hours.
        lead_h: the risk is about the month ahead: added to the age.
        gap_h: increasing gaps, hours; the last is the gap the model was trained across.
        unchanged: share of buckets that are the same after each of those gaps.
        level_drift: what the model expects of all buckets across its own gap.
    """

    bucket_feature: str
    age_feature: str
    lead_h: float
    gap_h: tuple[float, ...]
    unchanged: tuple[float, ...]
    level_drift: LevelDrift = LevelDrift()


class CardHead(msgspec.Struct, frozen=True):
    """What the card of every task says, for the code."""

    format: int
    name: str
    version: str
    task: str
    kind: Literal["lightgbm", "sklearn"]
    file: str
    features: tuple[FeatureSpec, ...]


class CardSpec(CardHead, frozen=True, kw_only=True):
    """The part of an advisor card that the code relies on."""

    calibration: Calibration
    persistence: Persistence | None = None
    rate_low: float = BUCKET_RATES[0]
    rate_high: float = BUCKET_RATES[-1]


class CapacityColumn(msgspec.Struct, frozen=True):
    """How a feature enters the logistic part: (clip(scale(x), low, high) - centre) / spread.

    Args:
        scale: "as_is"; "log": ln(x + offset); "log_odds": ln((x + offset) / (1 - x + offset)).
        offset: above 0 for the last two.
        low, high: the range seen in training, on the scale.
        centre, spread: on the scale; an unknown value enters as 0.
        of_others: known only where other pools are.
    """

    scale: Literal["as_is", "log", "log_odds"]
    offset: float
    low: float
    high: float
    centre: float
    spread: float
    of_others: bool


class CapacityKnot(msgspec.Struct, frozen=True):
    """The logistic part and the calibration of one horizon.

    Args:
        horizon_h: hours ahead.
        with_others, alone: intercept, then a weight a feature: where other pools are known, and
            where they are not.
        trees: whether the trees correct this horizon.
        calibration: of the whole score.
    """

    horizon_h: float
    with_others: tuple[float, ...]
    alone: tuple[float, ...]
    trees: bool
    calibration: Calibrator


class CapacitySpec(CardHead, frozen=True, kw_only=True):
    """The part of a capacity card that the code relies on.

    Args:
        columns: one a feature, in the features' order.
        knots: by increasing horizon, at least two.
        horizon_feature: the booster's last column, ln(horizon in hours).
    """

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    horizon_feature: str


@dataclass(frozen=True, slots=True)
class Card:
    """A parsed card: `spec` for the code, `text` everything it says."""

    spec: CardHead
    text: dict[str, Any]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns the model wants, in order."""
        return tuple(feature.name for feature in self.spec.features)


def parse_card(content: bytes) -> Card:
    """Read card.json.

    Raises:
        ArtefactRefused: too large, malformed, of a newer format, or inconsistent in itself; says
            where.
    """
    if len(content) > MAX_CARD_BYTES:
        raise _refused(f"it is larger than {MAX_CARD_BYTES // 2**20} MB")
    try:
        text = msgspec.json.decode(content, type=dict[str, Any])
        _check_format(text)
        kind = _SPECS.get(str(text.get("task")), CardSpec)
        spec = msgspec.convert(with_kinds(text), kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _refused(f"{exc}") from exc
    _check_consistent(spec)
    return Card(spec, text)


def _refused(problem: str) -> ArtefactRefused:
    return ArtefactRefused(
        f"card.json: {problem.rstrip('.')}.",
        remedy=f"A card of format {CARD_FORMAT} as docs/adr/0005-model-artefacts.md describes.",
    )


def _check_format(text: dict[str, Any]) -> None:
    found = text.get("format")
    if isinstance(found, int) and found > CARD_FORMAT:
        raise _refused(f"format {found} is newer than this SpotLab reads (up to {CARD_FORMAT})")


def with_kinds(text: dict[str, Any]) -> dict[str, Any]:
    """A calibration that names no kind is Platt's: the first cards knew no other."""
    calibration = text.get("calibration")
    if not isinstance(calibration, dict):
        return text
    named = {
        use: {"kind": "platt", **said} if isinstance(said, dict) else said
        for use, said in calibration.items()
    }
    return text | {"calibration": named}


_SPECS: Final[dict[str, type[CardSpec] | type[CapacitySpec]]] = {CAPACITY: CapacitySpec}
"""A task that is not named here is read as the advisor's."""


def _check_consistent(spec: CardSpec | CapacitySpec) -> None:
    names = [feature.name for feature in spec.features]
    if spec.format != CARD_FORMAT:
        raise _refused(f"format {spec.format} is unknown")
    for what, word in (("name", spec.name), ("version", spec.version), ("task", spec.task)):
        if not _NAME.fullmatch(word):
            raise _refused(f"{what} {word!r} is no plain word")
    if not names or len(set(names)) != len(names):
        raise _refused("features is empty or names one twice")
    for feature in spec.features:
        if (feature.low is not None and feature.high is not None) and feature.low > feature.high:
            raise _refused(f"feature {feature.name}: low {feature.low} is over high {feature.high}")
    if isinstance(spec, CapacitySpec):
        _check_capacity(spec)
    else:
        _check_advisor(spec, names)


def _check_advisor(spec: CardSpec, names: list[str]) -> None:
    if not 0.0 <= spec.rate_low < spec.rate_high < 1.0:
        raise _refused(f"rate_low {spec.rate_low} and rate_high {spec.rate_high} are no range")
    for use, calibrator in msgspec.structs.asdict(spec.calibration).items():
        if wrong := problem(calibrator):
            raise _refused(f"calibration.{use} {wrong}")
    if spec.persistence is not None:
        _check_persistence(spec.persistence, names)


def _check_capacity(spec: CapacitySpec) -> None:
    if spec.kind != "lightgbm":
        raise _refused(f"a model of the task {CAPACITY} is of kind lightgbm, not {spec.kind}")
    if len(spec.columns) != len(spec.features):
        raise _refused("columns has not one entry a feature")
    for feature, column in zip(spec.features, spec.columns, strict=True):
        numbers = msgspec.structs.astuple(column)[1:6]
        sound = all(math.isfinite(number) for number in numbers) and column.spread > 0.0
        if not sound or column.low > column.high:
            raise _refused(f"columns: that of {feature.name} holds numbers that cannot be")
        if column.scale != "as_is" and (column.offset <= 0.0 or (feature.low or 0.0) < 0.0):
            raise _refused(f"columns: that of {feature.name} has no {column.scale} everywhere")
    horizons = [knot.horizon_h for knot in spec.knots]
    rising = all(a < b for a, b in pairwise(horizons))
    if len(horizons) < 2 or not rising or horizons[0] <= 0.0 or not math.isfinite(horizons[-1]):
        raise _refused("knots: at least two, by increasing horizon above 0")
    for knot in spec.knots:
        weights = (*knot.with_others, *knot.alone)
        sized = len(knot.with_others) == len(knot.alone) == len(spec.features) + 1
        if not sized or not all(math.isfinite(weight) for weight in weights):
            raise _refused(f"knots: that of {knot.horizon_h:g} h has not one weight a feature")
        if wrong := problem(knot.calibration):
            raise _refused(f"knots: the calibration of {knot.horizon_h:g} h {wrong}")


def _check_persistence(rule: Persistence, names: list[str]) -> None:
    if rule.bucket_feature not in names or rule.age_feature not in names:
        raise _refused("persistence names a feature that the model has not")
    rising = all(a < b for a, b in zip(rule.gap_h, rule.gap_h[1:], strict=False))
    falling = all(a >= b for a, b in zip(rule.unchanged, rule.unchanged[1:], strict=False))
    shares = all(0.0 <= share < 1.0 for share in rule.unchanged)
    sized = len(rule.gap_h) == len(rule.unchanged) >= 2 and rule.gap_h[0] > 0
    if not (rising and falling and shares and sized and math.isfinite(rule.lead_h)):
        raise _refused("persistence: gap_h must rise and unchanged must fall within 0..1")
