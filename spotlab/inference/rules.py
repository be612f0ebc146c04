"""Rules: models that are one table or one curve of one feature, written as JSON.

A `Table` gives the log-odds at some values of its feature; between them it is linear, outside of
them constant. A `Logistic` rule of a capacity model has no numbers of its own: its card has one
intercept and one weight per horizon. A rule has exact contributions: that of its feature, which is
the difference to the base.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from spotlab.errors import ArtefactRefused

FloatArray = NDArray[np.float64]

RULE_FORMAT: Final = 1
MAX_RULE_BYTES: Final = 2**16
MAX_KNOTS: Final = 1000
MAX_LOG_ODDS: Final = 30.0
"""A probability cannot be told from 0 or 1 beyond."""
_REMEDY: Final = "See docs/adr/0005-model-artefacts.md for the format of a rule."


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="form", tag="table"):
    """Log-odds by the value of one feature.

    Args:
        format: RULE_FORMAT.
        feature: the column.
        at: k >= 1 increasing values of the feature.
        log_odds: (k,) score at each of them.
        unknown: score where the feature is unknown; also the base of the contributions.
    """

    format: int
    feature: str
    at: tuple[float, ...]
    log_odds: tuple[float, ...]
    unknown: float

    def score(self, values: FloatArray) -> FloatArray:
        """(n,) log-odds at these values; NaN is unknown."""
        scores = np.interp(values, self.at, self.log_odds)
        return np.asarray(np.where(np.isnan(values), self.unknown, scores), dtype=np.float64)


class Logistic(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="form", tag="logistic"
):
    """The logistic terms of a capacity card, without trees.

    Args:
        format: RULE_FORMAT.
        feature: the card's only column.
    """

    format: int
    feature: str


def parse_table(content: bytes, features: Sequence[str]) -> Table:
    """Read the rule of an advisor model.

    Args:
        content: of its file.
        features: columns of its card.
    Raises:
        ArtefactRefused: names the field and its problem.
    """
    rule = _decoded(content, features)
    if not isinstance(rule, Table):
        raise _refused("form logistic is for models of the task capacity")
    numbers = (*rule.at, *rule.log_odds, rule.unknown)
    if not 1 <= len(rule.at) == len(rule.log_odds) <= MAX_KNOTS:
        raise _refused(f"at and log_odds do not have the same length of 1 to {MAX_KNOTS}")
    if not all(map(math.isfinite, numbers)) or any(a >= b for a, b in pairwise(rule.at)):
        raise _refused("at does not increase, or a number is not finite")
    if any(abs(score) > MAX_LOG_ODDS for score in (*rule.log_odds, rule.unknown)):
        raise _refused(f"a log-odds is outside −{MAX_LOG_ODDS:g} to {MAX_LOG_ODDS:g}")
    return rule


def check_logistic(content: bytes, features: Sequence[str]) -> None:
    """Check the rule of a capacity model.

    Args:
        content: of its file.
        features: columns of its card.
    Raises:
        ArtefactRefused: names the field and its problem.
    """
    if not isinstance(_decoded(content, features), Logistic):
        raise _refused("form table is for models of the task advisor")
    if len(features) != 1:
        raise _refused(f"the card has {len(features)} features, a rule has one")


def _decoded(content: bytes, features: Sequence[str]) -> Table | Logistic:
    if len(content) > MAX_RULE_BYTES:
        raise _refused(f"it is larger than {MAX_RULE_BYTES // 2**10} KB")
    try:
        rule = msgspec.json.decode(content, type=Table | Logistic)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise _refused(f"{exc}") from exc
    if rule.format != RULE_FORMAT:
        raise _refused(f"format {rule.format} is unknown; this version reads {RULE_FORMAT}")
    if rule.feature not in features:
        raise _refused(f"feature {rule.feature!r} is not one of the card's")
    return rule


def _refused(problem: str) -> ArtefactRefused:
    return ArtefactRefused(f"The rule is not valid: {problem.rstrip('.')}.", remedy=_REMEDY)
