"""The fields of a model card that the code relies on, as types.

A card may contain more (metrics, limitations, sources) for readers; that is stored unchanged.
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
from spotlab.inference.calibrators import Calibrator, calibrator_problem

CARD_FORMAT: Final = 1
MAX_CARD_BYTES: Final = 2**20
"""Twenty times the size of the largest shipped card. A card is stored in memory and in SQL, where
it takes more space."""
CAPACITY: Final = "capacity"
"""The task of models that predict capacity loss."""
RULE: Final = "rule"
"""The kind of models that are one table or curve of one feature."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class FeatureSpec(msgspec.Struct, frozen=True):
    """One input column of the model.

    Args:
        name: the column's name.
        unit: shown on screens.
        low, high: smallest and largest valid value; None: unbounded.
        nullable: whether the model accepts NaN (unknown).
        meaning: one sentence.
        typical: mean over the training rows, the reference for a linear model's contributions.
    """

    name: str
    unit: str
    low: float | None
    high: float | None
    nullable: bool
    meaning: str = ""
    typical: float | None = None


class Calibration(msgspec.Struct, frozen=True):
    """The calibrators from a raw score to probabilities.

    Args:
        rate: to the position of the monthly rate between the rates of the lowest and the highest
            bucket.
        high_bucket: to P(next bucket >= 3).
    """

    rate: Calibrator
    high_bucket: Calibrator


class LevelDrift(msgspec.Struct, frozen=True):
    """The shift of the level across the training gap, in log-odds.

    The part of the shift that has not happened yet is removed: all of it at a gap of 0, none at the
    training gap. 0: the level did not shift, or an older card does not contain it.

    Args:
        rate: shift of the calibrated score of the monthly rate.
        high_bucket: shift of the calibrated score of P(next bucket >= 3).
    """

    rate: float = 0.0
    high_bucket: float = 0.0


class Persistence(msgspec.Struct, frozen=True):
    """How likely an advisor bucket is to persist.

    Args:
        bucket_feature, age_feature: columns with the bucket (0..4) and its age in hours.
        lead_h: added to the age, because the risk refers to the month ahead.
        gap_h: increasing gaps, hours; the last is the training gap.
        unchanged: share of buckets that are the same after each gap.
        level_drift: shift of all buckets' level across the training gap.
    """

    bucket_feature: str
    age_feature: str
    lead_h: float
    gap_h: tuple[float, ...]
    unchanged: tuple[float, ...]
    level_drift: LevelDrift = LevelDrift()


class CardHead(msgspec.Struct, frozen=True):
    """Fields of a card for any task."""

    format: int
    name: str
    version: str
    task: str
    kind: Literal["lightgbm", "sklearn", "rule"]
    file: str
    features: tuple[FeatureSpec, ...]


class CardSpec(CardHead, frozen=True, kw_only=True):
    """Fields of an advisor card."""

    calibration: Calibration
    persistence: Persistence | None = None
    rate_low: float = BUCKET_RATES[0]
    rate_high: float = BUCKET_RATES[-1]


class CapacityColumn(msgspec.Struct, frozen=True):
    """How a feature enters the logistic term: (clip(scale(x), low, high) - centre) / spread.

    Args:
        scale: "as_is"; "log": ln(x + offset); "log_odds": ln((x + offset) / (1 - x + offset)).
        offset: above 0 for "log" and "log_odds".
        low, high: the range seen in training, on the scale.
        centre, spread: on the scale; an unknown value enters as 0.
        of_others: whether it is known only if other pools are known.
    """

    scale: Literal["as_is", "log", "log_odds"]
    offset: float
    low: float
    high: float
    centre: float
    spread: float
    of_others: bool


class CapacityKnot(msgspec.Struct, frozen=True):
    """The logistic term and the calibration of one horizon.

    Args:
        horizon_h: hours ahead.
        with_others, alone: the intercept and one weight per feature, for rows where other pools
            are known and for rows where they are not.
        trees: whether the trees correct this horizon.
        calibration: applied to the whole score.
    """

    horizon_h: float
    with_others: tuple[float, ...]
    alone: tuple[float, ...]
    trees: bool
    calibration: Calibrator


class CapacitySpec(CardHead, frozen=True, kw_only=True):
    """Fields of a capacity card.

    Args:
        columns: one per feature, in the features' order.
        knots: at least two, by increasing horizon.
        horizon_feature: the booster's last column, ln(horizon in hours).
    """

    columns: tuple[CapacityColumn, ...]
    knots: tuple[CapacityKnot, ...]
    horizon_feature: str


@dataclass(frozen=True, slots=True)
class Card:
    """A parsed card: `spec` has the fields that the code relies on, `text` the whole card."""

    spec: CardHead
    text: dict[str, Any]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The model's input columns, in order."""
        return tuple(feature.name for feature in self.spec.features)


def parse_card(content: bytes) -> Card:
    """Read card.json.

    Raises:
        ArtefactRefused: it is too large, malformed, inconsistent or in a newer format; names the
            field.
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
        remedy=f"Write a card in format {CARD_FORMAT}; see docs/adr/0005-model-artefacts.md.",
    )


def _check_format(text: dict[str, Any]) -> None:
    version = text.get("format")
    if isinstance(version, int) and version > CARD_FORMAT:
        raise _refused(
            f"format {version} is newer than this version of SpotLab reads (up to {CARD_FORMAT})"
        )


def with_kinds(text: dict[str, Any]) -> dict[str, Any]:
    """The card with the kind of each calibrator: the first cards had only Platt's and no kind."""
    calibration = text.get("calibration")
    if not isinstance(calibration, dict):
        return text
    with_kind = {
        use: {"kind": "platt", **fields} if isinstance(fields, dict) else fields
        for use, fields in calibration.items()
    }
    return text | {"calibration": with_kind}


_SPECS: Final[dict[str, type[CardSpec] | type[CapacitySpec]]] = {CAPACITY: CapacitySpec}
"""Any other task is read as an advisor card."""


def _check_consistent(spec: CardSpec | CapacitySpec) -> None:
    names = [feature.name for feature in spec.features]
    if spec.format != CARD_FORMAT:
        raise _refused(f"format {spec.format} is unknown")
    for field, value in (("name", spec.name), ("version", spec.version), ("task", spec.task)):
        if not _NAME.fullmatch(value):
            raise _refused(f"{field} {value!r} is not a valid name")
    if not names or len(set(names)) != len(names):
        raise _refused("features is empty or contains a name twice")
    for feature in spec.features:
        if (feature.low is not None and feature.high is not None) and feature.low > feature.high:
            raise _refused(
                f"feature {feature.name}: low {feature.low} is above high {feature.high}"
            )
    if isinstance(spec, CapacitySpec):
        _check_capacity(spec)
    else:
        _check_advisor(spec, names)


def _check_advisor(spec: CardSpec, names: list[str]) -> None:
    if not 0.0 <= spec.rate_low < spec.rate_high < 1.0:
        raise _refused(
            f"rate_low {spec.rate_low} and rate_high {spec.rate_high} are not a valid range"
        )
    for use, calibrator in msgspec.structs.asdict(spec.calibration).items():
        if message := calibrator_problem(calibrator):
            raise _refused(f"calibration.{use} {message}")
    if spec.persistence is not None:
        _check_persistence(spec.persistence, names)


def _check_capacity(spec: CapacitySpec) -> None:
    if spec.kind not in ("lightgbm", RULE):
        raise _refused(
            f"a model of the task {CAPACITY} is of kind lightgbm or {RULE}, not {spec.kind}"
        )
    if spec.kind == RULE and any(knot.trees for knot in spec.knots):
        raise _refused(f"knots: a model of kind {RULE} has no trees")
    if len(spec.columns) != len(spec.features):
        raise _refused("columns does not have one entry per feature")
    for feature, column in zip(spec.features, spec.columns, strict=True):
        numbers = msgspec.structs.astuple(column)[1:6]
        sound = all(math.isfinite(number) for number in numbers) and column.spread > 0.0
        if not sound or column.low > column.high:
            raise _refused(f"columns: the entry of {feature.name} has invalid numbers")
        if column.scale != "as_is" and (column.offset <= 0.0 or (feature.low or 0.0) < 0.0):
            raise _refused(
                f"columns: the scale {column.scale} of {feature.name} is not defined on its range"
            )
    horizons = [knot.horizon_h for knot in spec.knots]
    rising = all(a < b for a, b in pairwise(horizons))
    if len(horizons) < 2 or not rising or horizons[0] <= 0.0 or not math.isfinite(horizons[-1]):
        raise _refused("knots: there must be at least two, with increasing horizons above 0")
    for knot in spec.knots:
        weights = (*knot.with_others, *knot.alone)
        sized = len(knot.with_others) == len(knot.alone) == len(spec.features) + 1
        if not sized or not all(math.isfinite(weight) for weight in weights):
            raise _refused(f"knots: the knot of {knot.horizon_h:g} h needs one weight per feature")
        if message := calibrator_problem(knot.calibration):
            raise _refused(f"knots: the calibration of {knot.horizon_h:g} h {message}")


def _check_persistence(rule: Persistence, names: list[str]) -> None:
    if rule.bucket_feature not in names or rule.age_feature not in names:
        raise _refused("persistence names a feature that the model does not have")
    rising = all(a < b for a, b in zip(rule.gap_h, rule.gap_h[1:], strict=False))
    falling = all(a >= b for a, b in zip(rule.unchanged, rule.unchanged[1:], strict=False))
    shares = all(0.0 <= share < 1.0 for share in rule.unchanged)
    sized = len(rule.gap_h) == len(rule.unchanged) >= 2 and rule.gap_h[0] > 0
    if not (rising and falling and shares and sized and math.isfinite(rule.lead_h)):
        raise _refused("persistence: gap_h must increase, and unchanged must decrease within 0..1")
