"""A what-if as a headline, rows, columns, points of the chart and an export."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from spotlab.domain.decision import Decision
from spotlab.domain.market import Pool
from spotlab.domain.what_if import KNOBS, RunningCost
from spotlab.pipeline.what_if import Outcome, Totals
from spotlab.services.what_if import SweepPoint, WhatIf
from spotlab.ui.charts import FleetPoint
from spotlab.ui.common import formatting
from spotlab.ui.common.tables import Column
from spotlab.ui.common.theme import Palette

TARGET_PX = 150
TARGET_HELP = "The decision {}: where it would run, in its own region unless another is named."


def headline(what_if: WhatIf) -> str:
    """What would be decided, and its effect on price and interruptions."""
    changed = bool(what_if.changes.as_dict())
    after = what_if.totals_after
    if not after.instances:
        return "0 instances: there is nothing to decide about"
    settings = "With these settings" if changed else "With today's settings"
    if after.instances == 1:
        return f"{settings} {_one(what_if.after[0])}{_effect(after)}"
    return (
        f"{settings} {after.moves} of {formatting.count(after.instances, 'instance')} would move"
        f"{_effect(after)}"
    )


def small_print(what_if: WhatIf) -> str:
    """Today's settings beside the headline's, and what is not counted."""
    before, after, parts = what_if.totals_before, what_if.totals_after, []
    if what_if.changes.as_dict() and before.instances > 1:
        parts.append(
            f"With today's settings {before.moves} would move: "
            f"{formatting.usd_per_hour(before.after.price_usd_per_hour)}, "
            f"{_interruptions(before.after)} expected interruptions a month."
        )
    if after.unknown:
        parts.append(
            f"The cost of {formatting.count(after.unknown, 'instance')} is unknown and not counted."
        )
    return " ".join([*parts, "Price without interruptions. Nothing is recorded or carried out."])


def _one(outcome: Outcome) -> str:
    name = outcome.instance.name or outcome.instance.instance_id
    decision, pool = outcome.target
    if decision is None:
        return f"no decision about 1 instance, {name}, can be made"
    if pool is not None:
        return f"{name} would move to {pool.label}"
    return f"{name} would {'stay' if decision is Decision.STAY else 'fall back to on-demand'}"


def _effect(totals: Totals) -> str:
    if totals.unknown == totals.instances:
        return "; its cost is unknown" if totals.instances == 1 else "; their cost is unknown"
    now, after = totals.now, totals.after
    return (
        f": {formatting.usd(now.price_usd_per_hour)} → "
        f"{formatting.usd_per_hour(after.price_usd_per_hour)}, {_interruptions(now)} → "
        f"{_interruptions(after)} expected interruptions a month"
    )


def _interruptions(cost: RunningCost) -> str:
    return f"{cost.interruptions_a_month:.2f}"


def rows(pairs: Sequence[tuple[Outcome, Outcome]]) -> pd.DataFrame:
    """One row for each instance, with the decisions before and after."""
    return pd.DataFrame(
        [_row(before, after) for before, after in pairs],
        columns=["name", "on", "today", "changed", "saving", "why", "instance_id", "account"],
    )


def _row(before: Outcome, after: Outcome) -> dict[str, object]:
    verdict = after.verdict
    return {
        "name": after.instance.name or after.instance.instance_id,
        "on": f"{after.instance.pool.instance_type} {_place(after.instance.pool)}",
        "today": _target(before),
        "changed": _target(after),
        "saving": verdict.saving_usd_per_hour if verdict and after.moves else None,
        "why": verdict.reason if verdict else after.error,
        "instance_id": after.instance.instance_id,
        "account": after.instance.account,
    }


def _target(outcome: Outcome) -> str:
    decision, pool = outcome.target
    mark = formatting.decision_mark(decision)
    if pool is None:
        return mark
    here = pool.region == outcome.instance.pool.region
    place = "" if pool.availability_zone is None and here else f" {_place(pool)}"
    return f"{mark.partition(' ')[0]} {pool.instance_type}{place}"


def _place(pool: Pool) -> str:
    return pool.availability_zone or pool.region


def columns(palette: Palette) -> dict[str, Column]:
    """The columns of the table of instances that are decided about otherwise."""
    shapes = {mark[0]: decision for decision, mark in formatting.DECISION_MARKS.items()}

    def colour(text: str) -> str:
        return palette.of_decision(shapes.get(text[:1]))

    return {
        "name": Column("instance"),
        "on": Column("runs on"),
        "today": Column(
            "today's settings",
            help=TARGET_HELP.format("today"),
            colour=colour,
            width=TARGET_PX,
        ),
        "changed": Column(
            "these settings",
            help=TARGET_HELP.format("with the changes"),
            colour=colour,
            width=TARGET_PX,
        ),
        "saving": Column(
            "saving USD/h",
            formatting.usd,
            "Expected cost of staying minus that of the move, with interruptions and the cost of "
            "the switch. “—”: STAY, or unknown.",
            number=True,
        ),
        "why": Column("why", help="The policy's reason with these settings.", width="large"),
    }


def exported(what_if: WhatIf) -> pd.DataFrame:
    """Every instance with both decisions, plain column names and units."""
    pairs = list(zip(what_if.before, what_if.after, strict=True))
    table = rows(pairs).rename(columns={"saving": "saving_usd_per_hour", "why": "reason"})
    for name, outcomes in (("today", what_if.before), ("changed", what_if.after)):
        table[name] = [str(each.target[0] or "") for each in outcomes]
        pools = [each.target[1] for each in outcomes]
        table[f"{name}_pool"] = [pool.key if pool is not None else None for pool in pools]
        costs = [each.after for each in outcomes]
        table[f"{name}_price_usd_per_hour"] = [c.price_usd_per_hour if c else None for c in costs]
        table[f"{name}_interruptions_a_month"] = [
            c.interruptions_a_month if c else None for c in costs
        ]
    table["settings"] = "; ".join(
        f"{KNOBS[name].label}: {KNOBS[name].text(value)}"
        for name, value in what_if.changes.as_dict().items()
    )
    table["as_of"] = what_if.moment.as_of if what_if.moment else None
    return table


def curve(knob: str, points: Sequence[SweepPoint]) -> list[FleetPoint]:
    """The points of the chart's curve."""
    return [point(KNOBS[knob].text(each.value), each.totals) for each in points]


def point(text: str, totals: Totals) -> FleetPoint:
    """A fleet after its decisions, for the chart."""
    cost = totals.after
    return FleetPoint(text, cost.interruptions_a_month, cost.price_usd_per_hour, totals.moves)


def running_point(totals: Totals) -> FleetPoint:
    """The fleet where it runs now, for the chart."""
    cost = totals.now
    return FleetPoint("as it runs now", cost.interruptions_a_month, cost.price_usd_per_hour)
