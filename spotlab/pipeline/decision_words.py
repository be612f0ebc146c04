"""A decision's explanation in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from spotlab.domain.decision import Decision, Experiment, Lifecycle, Verdict
from spotlab.domain.decision_explanation import Flip, FlipKind
from spotlab.domain.margin import Margin, MarginRule
from spotlab.domain.policy_parameters import Unit
from spotlab.domain.risk import HOURS_PER_MONTH
from spotlab.domain.workload import describe_cost
from spotlab.inference.explanation_text import format_value
from spotlab.pipeline.policy_text import percent, usd

TOP_FLIPS: Final = 3
_NOTABLE: Final = 5e-7
"""USD per hour below which a part of a margin is left out of the sentence."""


def reasons(experiment: Experiment) -> tuple[str, ...]:
    """Sentences about why a decision was made, the most important first.

    Args:
        experiment: with a verdict.
    """
    verdict = experiment.verdict
    assert verdict is not None, "an explained decision has a verdict"
    sentences = [verdict.reason]
    if verdict.margin is not None:
        sentences.append(margin_sentence(verdict, verdict.margin))
        sentences += _interruption_sentences(experiment, verdict)
    if verdict.runner_up is not None and verdict.decision is not Decision.STAY:
        sentences.append(f"Runner-up: {verdict.runner_up.reason}")
    return tuple(sentences)


def changes(flips: Sequence[Flip]) -> tuple[str, ...]:
    """Sentences about what would change a decision.

    Args:
        flips: smallest relative change first.
    """
    found = [flip for flip in flips if flip.after is not None]
    # A limit on the age of prices can always be set below their age: that explains nothing.
    by_data = [
        flip
        for flip in found
        if flip.kind is not FlipKind.FEATURE and flip.parameter != "policy.max_price_age_h"
    ]
    sentences = [flip_sentence(flip) for flip in by_data[:TOP_FLIPS]]
    if not by_data:
        sentences.append("No single price or parameter within its range changes the decision.")
    fixed = [flip for flip in flips if flip.parameter == "workload.fixed_usd"]
    sentences += [flip_sentence(flip) for flip in fixed if flip.after is None]
    features = [flip for flip in found if flip.kind is FlipKind.FEATURE]
    if features:
        sentences.append(flip_sentence(features[0]))
    elif any(flip.kind is FlipKind.FEATURE for flip in flips):
        sentences.append(
            "No feature of the risk model, changed alone within the market's range, changes the "
            "decision."
        )
    return tuple(sentences)


def margin_sentence(verdict: Verdict, margin: Margin) -> str:
    """What the move is worth and which parts that has."""
    parts = [
        ("the price", margin.price),
        ("performance", margin.performance),
        ("the risk of interruptions", margin.interruption),
        ("the move itself", margin.moving),
    ]
    told = [
        f"{'+' if value >= 0 else '−'}{abs(value):.6f} by {name}"
        for name, value in parts
        if abs(value) >= _NOTABLE
    ]
    move = "The move" if verdict.decision is not Decision.STAY else _alternative(verdict)
    verb = "saves" if verdict.decision is not Decision.STAY else "would save"
    amount = usd(margin.saving)
    if margin.saving < 0:
        verb, amount = verb.replace("save", "cost"), f"{usd(-margin.saving)} more"
    sentence = f"{move} {verb} {amount} ({abs(margin.saving) * HOURS_PER_MONTH:,.2f} USD a month)"
    if told:
        sentence += f": {', '.join(told)}"
    if margin.guards:
        sentence += f"; the policy demands {usd(-margin.guards)}"
    if margin.rule is MarginRule.RISK_CEILING:
        sentence += "; a pool over the risk ceiling is left for that"
    if margin.rule is MarginRule.NOTICE:
        sentence += "; after an interruption notice, that does not matter"
    return f"{sentence}."


def flip_sentence(flip: Flip) -> str:
    """What has to change for another decision, or that nothing does."""
    before = flip_value(flip, flip.before)
    if flip.after is None:
        if flip.low is None or flip.high is None:
            return f"The {flip.label} (now {before}) does not change the decision."
        span = f"{flip_value(flip, flip.low)} to {flip_value(flip, flip.high)}"
        return f"No {flip.label} from {span} changes the decision (now {before})."
    where = f" to {flip.pool.label}" if flip.pool is not None else ""
    change = ""
    was, now = flip.before, flip.after
    if isinstance(was, float) and isinstance(now, float) and was > 0:
        share = now / was - 1
        change = (
            ""
            if flip.kind is FlipKind.FEATURE
            else f" ({'+' if share >= 0 else '−'}{abs(share):.0%})"
        )
    return (
        f"{flip.decision}{where} if the {flip.label} were {flip_value(flip, flip.after)} instead "
        f"of {before}{change}."
    )


def _interruption_sentences(experiment: Experiment, verdict: Verdict) -> list[str]:
    workload = experiment.workload.workload
    current, chosen = verdict.current, verdict.chosen
    risks = []
    if current is not None and experiment.instance.lifecycle is Lifecycle.SPOT:
        risks.append(
            f"{percent(current.risk)} on {current.pool.label} "
            f"({current.interruption_usd_per_hour:.6f} USD/h)"
        )
    if chosen is not None:
        risks.append(
            f"{percent(chosen.risk)} on {chosen.pool.label} "
            f"({chosen.interruption_usd_per_hour:.6f} USD/h)"
        )
    if not risks:
        return [describe_cost(workload)]
    return [f"{describe_cost(workload)} Risk within {workload.horizon_h:g} h: {', '.join(risks)}."]


def _alternative(verdict: Verdict) -> str:
    runner_up = verdict.runner_up
    if runner_up is None:
        return "The best move"
    if runner_up.decision is Decision.FALLBACK_ONDEMAND:
        return "Moving to on-demand"
    return f"Moving to {runner_up.pool.label}"


def flip_value(flip: Flip, value: float | str | None) -> str:
    """A value of a flip with its unit."""
    if value is None:
        return "unknown"
    if isinstance(value, str):
        return value
    if flip.kind is FlipKind.FEATURE:
        return format_value(flip.parameter.rpartition(".")[2], value, flip.unit)
    if flip.unit == Unit.SHARE:
        return f"{100 * value:.3g} %"
    return f"{value:.4g}{f' {flip.unit}' if flip.unit else ''}"
