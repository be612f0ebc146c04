"""Explanations as sentences."""

from __future__ import annotations

import math
from typing import Final

from spotlab.domain.risk import BUCKET_LABELS
from spotlab.inference.explain import REST, Change, Difference, Explanation

LOG_ODDS_NOTE: Final = (
    "Contributions are in log-odds. They do not add up in percent, so they are not shares of the "
    "risk."
)
LOG_PRICE: Final = "log_spot_price"
LOG_GAPS: Final = ("family_price_gap", "series_price_gap")
BUCKET: Final = "advisor_bucket"
BUCKET_MEANS: Final = (
    "advisor_bucket_mean_past",
    "family_bucket_mean",
    "family_bucket_mean_elsewhere",
    "region_bucket_mean",
    "type_bucket_mean_elsewhere",
)
_MINUS: Final = "−"
_NEGLIGIBLE: Final = 5e-3
_PHRASES: Final = {
    "advisor_bucket": "interruption bucket last month",
    "advisor_age_h": "age of the interruption bucket",
    "advisor_savings": "advisor's saving compared with on-demand",
    "advisor_bucket_mean_past": "mean bucket of earlier months",
    "family_bucket_mean": "family's mean bucket in the region (other types)",
    "family_bucket_mean_elsewhere": "family's mean bucket in other regions",
    "region_bucket_mean": "region's mean bucket (other types)",
    "type_bucket_mean_elsewhere": "mean bucket in other regions",
    "vcpu_count": "number of virtual CPUs",
    "memory_gb": "memory",
    "memory_per_vcpu": "memory per virtual CPU",
    "generation": "hardware generation",
    "generations_behind": "distance to the newest generation of its series",
    "size_factor": "size in units of a large",
    "size_rank_in_family": "share of its family's types that are smaller",
    "is_metal": "bare-metal size",
    "is_burstable": "burstable type",
    "is_network_optimised": "network-optimised type",
    "advisor_region_share": "share of regions that list the type",
    "advisor_type_share": "share of types that the region lists",
    "family_savings_mean": "family's mean saving in the region",
    "series_savings_mean": "series' mean saving in the region",
    "region_savings_mean": "region's mean saving",
    "type_savings_mean_elsewhere": "mean saving in other regions",
    "family_price_gap": "price per virtual CPU compared with its family",
    "series_price_gap": "price per virtual CPU compared with its series",
    "has_local_storage": "local storage",
    "architecture_arm": "Arm architecture",
    "accelerated": "accelerator",
    LOG_PRICE: "spot price",
    "spot_price_per_vcpu": "spot price per virtual CPU",
    "discount_depth": "discount compared with on-demand",
    "price_position": "spot price as a share of on-demand",
    "family_stress_index": "stress of its family in the region",
}


def explanation_sentences(explanation: Explanation, top: int = 3) -> tuple[str, ...]:
    """The risk in one sentence, one for each of the `top` features, and a note on the unit.

    >>> # ("m6i.large in us-east-1: 0.41 % risk of interruption within 24 h, 11.8 % a month.",
    >>> #  "Its interruption bucket last month (5-10 %) lowers the risk most (−0.62).", …)
    """
    risk = explanation.risk
    head = (
        f"{explanation.pool.label}: {percent(risk.value)} risk of interruption within "
        f"{risk.horizon_h:g} h, {percent(explanation.monthly_rate)} a month."
    )
    moving = [part for part in explanation.contributions[:top] if _is_notable(part.log_odds)]
    steps = [
        f"Its {labelled_value(part.feature, part.value, part.unit)} {_direction(part.log_odds)}"
        f"{' most' if i == 0 else ''} ({format_log_odds(part.log_odds)})."
        for i, part in enumerate(moving)
    ]
    rest = math.fsum(part.log_odds for part in explanation.contributions[len(moving) :])
    if _is_notable(rest):
        steps.append(f"All other features together: {format_log_odds(rest)}.")
    return (head, *steps, LOG_ODDS_NOTE)


def difference_sentences(difference: Difference, top: int = 3) -> tuple[str, ...]:
    """Sentences that explain why the second pool is riskier or safer than the first."""
    before, after = difference.before, difference.after
    than = "riskier than" if difference.log_odds > 0 else "safer than"
    head = (
        f"{after.pool.label} is {than if _is_notable(difference.log_odds) else 'as risky as'} "
        f"{before.pool.label}: {percent(after.risk.value)} compared with "
        f"{percent(before.risk.value)} within {after.risk.horizon_h:g} h "
        f"({format_log_odds(difference.log_odds)} log-odds)."
    )
    steps = [
        _change_sentence(change)
        for change in difference.changes[:top]
        if _is_notable(change.log_odds)
    ]
    return (head, *steps, LOG_ODDS_NOTE)


def _change_sentence(change: Change) -> str:
    before = format_value(change.feature, change.before, change.unit)
    after = format_value(change.feature, change.after, change.unit)
    effect = (
        f"{'riskier' if change.log_odds > 0 else 'safer'} ({format_log_odds(change.log_odds)})."
    )
    label = f"Its {feature_label(change.feature)}"
    if before == after and change.after > change.before:
        return f"{label} is {after} for both, but slightly higher: {effect}"
    if before == after and change.after < change.before:
        return f"{label} is {after} for both, but slightly lower: {effect}"
    if before == after:
        return (
            f"{label} is {after} for both, but has a different effect "
            f"in combination with their other features: {effect}"
        )
    return f"{label} is {after} compared with {before}: {effect}"


def labelled_value(feature: str, value: float, unit: str) -> str:
    """A feature with its value: `memory (16 GiB)`."""
    if feature == REST:
        return feature
    return f"{feature_label(feature)} ({format_value(feature, value, unit)})"


def feature_label(feature: str) -> str:
    """A feature's label."""
    return _PHRASES.get(feature, feature.replace("_", " "))


def format_value(feature: str, value: float, unit: str) -> str:
    """A feature's value with its unit; "unknown" for NaN."""
    if math.isnan(value):
        return "unknown"
    if is_bucket(feature):
        return bucket_label(value)
    if feature == LOG_PRICE:
        return f"{math.exp(value):.3g} USD/h"
    if feature in LOG_GAPS:
        away = math.expm1(value)
        return f"{percent(abs(away))} {'above' if away > 0 else 'below'}" if away else "the same"
    if unit == "0 or 1":
        return "yes" if value else "no"
    if unit == "share":
        return percent(value)
    number = f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return _typographic_minus(number if unit in ("", "1", "count") else f"{number} {unit}")


def is_bucket(feature: str) -> bool:
    """Whether a feature is an advisor bucket or a mean of them."""
    return feature == BUCKET or feature in BUCKET_MEANS


def bucket_label(bucket: float) -> str:
    """The advisor's label of a bucket; a mean of buckets is about the nearest one.

    >>> bucket_label(3.0), bucket_label(3.33), bucket_label(math.nan)
    ('15-20 %', 'about 15-20 %', 'unknown')
    """
    if math.isnan(bucket):
        return "unknown"
    nearest = math.floor(bucket + 0.5)
    label = BUCKET_LABELS[min(max(nearest, 0), len(BUCKET_LABELS) - 1)]
    return label if bucket == nearest else f"about {label}"


def percent(share: float) -> str:
    """A share in percent, with digits by size: 0.0123 is `1.2 %`, 0.00041 is `0.041 %`."""
    value = 100.0 * share
    if value == 0.0:
        return "0 %"
    digits = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2 if abs(value) >= 0.1 else 3
    return _typographic_minus(f"{value:.{digits}f} %")


def format_log_odds(log_odds: float) -> str:
    """`+0.62` or `−0.62`."""
    return _typographic_minus(f"{log_odds:+.2f}")


def _direction(log_odds: float) -> str:
    return "raises the risk" if log_odds > 0 else "lowers the risk"


def _is_notable(log_odds: float) -> bool:
    return abs(log_odds) >= _NEGLIGIBLE


def _typographic_minus(text: str) -> str:
    return text.replace("-", _MINUS, 1) if text.startswith("-") else text
