"""Text for numbers, times, states and decisions; escaping of text for Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from spotlab.domain.decision import Decision, Lifecycle
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.inference.explanation_text import percent as _percent
from spotlab.telemetry.invisible_characters import visible

UNKNOWN: Final = "—"
MINUS: Final = "−"
DECISION_MARKS: Final = {
    Decision.STAY: "● STAY",
    Decision.SWITCH: "▲ SWITCH",
    Decision.FALLBACK_ONDEMAND: "■ FALLBACK",
}
NOT_DECIDED: Final = "○ not decided"
STATE_MARKS: Final = {
    "healthy": "● healthy",
    "degraded": "▲ degraded",
    "down": "■ down",
    "unknown": "○ unknown",
}
MARKET_WORDS: Final = {
    MarketName.SIMULATED: "Simulated market",
    MarketName.RECORDED: "Recorded feeds",
    MarketName.PUBLIC: "Public AWS feeds",
    MarketName.ACCOUNT: "AWS account",
}


class RiskLevel(StrEnum):
    """Level of a risk; the limits are the advisor's 5 % and 20 % a month."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


LOW_BELOW, HIGH_FROM = 0.05, 0.20


_CODE: Final = re.compile(r"((?<![`\\])`(?!`)[^`]+`(?!`))")
"""Text between two backticks is shown unchanged."""
_MARKUP: Final = re.compile(
    r"([\\`*\[\]<$~|]|(?<!\w)_|_(?!\w)|(?<!\w):(?=[A-Za-z])|:(?=[A-Za-z][\w-]*[\[{])|&(?=#?\w+;)"
    r"|^\s*(?:[>=]|[-+](?=[\s+-])|#{1,6}(?=\s|$)|[0-9]+[.)](?=\s)))"
)


def plain(text: str) -> str:
    r"""Text for Markdown without markup; invisible characters become escapes.

    Code between backticks stays code, as in the remedies of errors.

    >>> plain("[x](http://y) *z*")
    '\\[x\\](http://y) \\*z\\*'
    """
    parts = _CODE.split(visible(text))
    return "".join(
        part if number % 2 else _MARKUP.sub(_escape, part) for number, part in enumerate(parts)
    )


def _escape(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\{found[0][-1]}"


def known(value: float | None) -> bool:
    """Whether a number is neither None, NaN nor infinite."""
    return value is not None and math.isfinite(value)


def usd(value: float | None, *, sign: bool = False, finer: int = 0) -> str:
    """USD per hour without the unit: 4 decimals below 1, 3 below 100, else 2.

    Args:
        value: USD per hour; None or NaN: unknown.
        sign: also show a plus sign.
        finer: additional decimals, for values that are compared.

    >>> usd(0.0432), usd(12.3456), usd(-0.5, sign=True), usd(None)
    ('0.0432', '12.346', '−0.5000', '—')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    size = abs(value)
    digits = finer + (4 if size < 1 else 3 if size < 100 else 2)
    return _signs(f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}", sign)


def saving(value: float | None) -> str:
    """What a decision saves, USD per hour: `0` for a STAY, with a sign otherwise.

    >>> saving(0.0), saving(0.0224), saving(-0.1252)
    ('0', '+0.0224', '−0.1252')
    """
    return "0" if value == 0.0 else usd(value, sign=True)


def usd_finer(value: float | None) -> str:
    """USD per hour with one more decimal: an expected cost next to the price it includes."""
    return usd(value, finer=1)


def usd_per_hour(value: float | None, *, sign: bool = False) -> str:
    """USD per hour with the unit: `0.0432 USD/h`."""
    text = usd(value, sign=sign)
    return text if text == UNKNOWN else f"{text} USD/h"


def percent(share: float | None) -> str:
    """A share as percent with sensible digits: `0.41 %`, `12 %`."""
    return _percent(share) if share is not None and math.isfinite(share) else UNKNOWN


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 pool`, `2,104 pools`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(items: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most:,} more"


def age(age_s: float | None) -> str:
    """An age in seconds as text: `12 s`, `5 min`, `3.2 h`, `4 days`."""
    if age_s is None or not math.isfinite(age_s):
        return UNKNOWN
    if age_s < 90:
        return f"{max(0.0, age_s):.0f} s"
    if age_s < 90 * 60:
        return f"{age_s / 60:.0f} min"
    if age_s < 36 * 3600:
        return f"{age_s / 3600:.1f} h"
    return f"{age_s / 86400:.0f} days"


def ago(then: datetime | None, now: datetime) -> str:
    """`5 min ago`; `never` for None."""
    if then is None:
        return "never"
    age_s = (now - then).total_seconds()
    return f"{age(age_s)} ago" if age_s >= 1 else "just now"


def moment(then: datetime | None) -> str:
    """The absolute time: `2026-03-01 12:00:00 UTC`."""
    return UNKNOWN if then is None else f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def milliseconds(value: float | None) -> str:
    """`0.4 ms`, `128 ms`, `2.1 s`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"


def decision_mark(decision: Decision | None) -> str:
    """A decision as a shape and a word, readable without colour."""
    return DECISION_MARKS[decision] if decision is not None else NOT_DECIDED


def place(pool: Pool, lifecycle: Lifecycle) -> str:
    """Where an instance runs: `m5.large in us-east-1a`, or `on-demand m5.large`."""
    return f"on-demand {pool.instance_type}" if lifecycle is Lifecycle.ON_DEMAND else pool.label


def state_mark(state: str) -> str:
    """A component's state as a shape and a word."""
    return STATE_MARKS.get(state, STATE_MARKS["unknown"])


def interruptions_a_month(risk: float, horizon_h: float) -> float:
    """Expected interruptions in an average month at this risk, with a constant hazard."""
    return -math.log1p(-min(risk, 0.999_999)) / horizon_h * HOURS_PER_MONTH


def risk_level(risk: float | None, horizon_h: float) -> RiskLevel | None:
    """The level of a risk within its horizon; None if it is unknown."""
    if risk is None or not math.isfinite(risk):
        return None
    monthly = -math.expm1(-interruptions_a_month(risk, horizon_h))
    if monthly < LOW_BELOW:
        return RiskLevel.LOW
    return RiskLevel.MEDIUM if monthly < HIGH_FROM else RiskLevel.HIGH


def _signs(text: str, sign: bool) -> str:
    if sign and not text.strip("+-0.,"):
        return text.lstrip("+-")
    return text.replace("-", MINUS, 1)
