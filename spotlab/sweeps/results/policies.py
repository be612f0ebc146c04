"""Sections about policies replayed on recorded campaigns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spotlab.errors import SpotlabError
from spotlab.gym.results import differences, summarise
from spotlab.gym.windows import CHANGEOVERS_H, DEADLINES_H, WORK_H
from spotlab.runtime.lab import Lab
from spotlab.sweeps.backtest import start_or_resume
from spotlab.sweeps.results import held_out
from spotlab.sweeps.results.capacity import CAMPAIGN_16_NODES, CAMPAIGN_2022, CAMPAIGN_2023
from spotlab.sweeps.results.document import Figure, Section, Table, Target, interval, number
from spotlab.sweeps.spec import RECORDED_PRICES, Jobs, Services, SweepSpec, TraceChoice
from spotlab.training.saved_version import Step

Document = dict[str, Any]

WINDOWS: Final = 30
SERVICE_H: Final = 168.0
SEED: Final = 7
UNIFORM: Final = "uniform_progress_multi"
GREEDY: Final = "spot_greedy"
CHEAPEST: Final = "cheapest_pool"
ORACLE: Final = "oracle"
SPOTLAB_PREFIX: Final = "spotlab:"
CAMPAIGNS: Final = (
    ("2023-02-15, which the champion learned from", CAMPAIGN_2023),
    ("2022-10-26, which it never saw", CAMPAIGN_2022),
    ("2023-08-27, which it never saw", CAMPAIGN_16_NODES),
)
JOBS: Final = Jobs(WORK_H, DEADLINES_H, CHANGEOVERS_H)
SERVICES: Final = Services(SERVICE_H, RECORDED_PRICES.on_demand_usd_per_hour, CHANGEOVERS_H)


@dataclass(frozen=True, slots=True)
class Replay:
    """Results of a sweep.

    Args:
        summary: from `gym.results.summarise`.
        differences: from `gym.results.differences`.
    """

    summary: Document
    differences: Sequence[Document]

    @property
    def spotlab_policies(self) -> list[str]:
        """Names of SpotLab's policies."""
        return [name for name in self.summary["policies"] if name.startswith(SPOTLAB_PREFIX)]


def held_out_sections(folder: Path, step: Step) -> list[Section]:
    """Sections of both workloads in held-out time, with their targets."""
    titles = ("Jobs with a deadline, held out", "A service that should always be up, held out")
    if not (folder / CAMPAIGN_2023).is_dir() or not (folder / held_out.PRICES).is_file():
        skipped = f"{CAMPAIGN_2023} or {held_out.PRICES} is not in the data folder."
        return [Section(title, "", skipped=skipped) for title in titles]
    step("policies, held out: fitting the recipe")
    world = held_out.held_out_world(folder)
    block_ticks = max(1, round(held_out.BLOCK_H / world.tick_h))
    sections = []
    for title, windows, make_figures in zip(
        titles,
        (held_out.jobs(world.panel), held_out.services(world.panel)),
        (_job_figures, _service_figures),
        strict=True,
    ):
        results = held_out.replay(world, windows, _prefixed(step, title))
        replay = Replay(
            summarise(results, seed=SEED, block_ticks=block_ticks),
            differences(results, seed=SEED, block_ticks=block_ticks),
        )
        figures = make_figures(title.lower(), replay, True)
        sections.append(
            Section(title, held_out.DESCRIPTION, figures, [_policy_table("2023-02-15", replay)])
        )
    return sections


def _prefixed(step: Step, title: str) -> Step:
    return lambda text: step(f"{title}: {text}")


def deadline_section(folder: Path, lab: Lab, step: Step) -> Section:
    """Section of jobs with a deadline, with the shipped champion."""
    return _section("Jobs with a deadline, shipped champion", folder, lab, JOBS, step, _job_figures)


def service_section(folder: Path, lab: Lab, step: Step) -> Section:
    """Section of a service that should always be up, with the shipped champion."""
    title = "A service that should always be up, shipped champion"
    return _section(title, folder, lab, SERVICES, step, _service_figures)


def _section(
    title: str,
    folder: Path,
    lab: Lab,
    workloads: Jobs | Services,
    step: Step,
    make_figures: Callable[[str, Replay, bool], list[Figure]],
) -> Section:
    figures: list[Figure] = []
    tables: list[Table] = []
    descriptions = [RECORDED_PRICES.told]
    for name, path in CAMPAIGNS:
        if not (folder / path).is_dir():
            return Section(title, "", skipped=f"{path} is not in the data folder.")
        spec = SweepSpec(
            traces=TraceChoice(folder / path),
            workloads=workloads,
            policies=("all",),
            models=(),
            windows=WINDOWS,
            seed=SEED,
            prices=RECORDED_PRICES,
        )

        def progress(text: str, share: float, name: str = name) -> None:
            step(f"{title}, {name}: {text} ({share:.0%})")

        try:
            report = start_or_resume(lab, spec, progress, lambda: False)
        except SpotlabError as exc:
            return Section(title, "", skipped=str(exc))
        replay = Replay(report.summary, report.differences)
        figures += make_figures(f"{title.lower()}, {name}", replay, False)
        tables.append(_policy_table(name, replay))
        descriptions += [f"Models: {', '.join(report.sweep.models.values()) or 'none'}."]
    return Section(title, " ".join(dict.fromkeys(descriptions)), figures, tables)


def _job_figures(what: str, replay: Replay, is_target: bool) -> list[Figure]:
    policies = replay.summary["policies"]
    figures = []
    for name in replay.spotlab_policies:
        against = _ratio(replay, name, UNIFORM)
        hindsight = _ratio(replay, name, ORACLE)
        figures += [
            Figure(
                what,
                f"{name}, cost of {UNIFORM}'s",
                against["cost"],
                against["low"],
                against["high"],
                Target(0.80, at_least=False) if is_target else None,
            ),
            Figure(
                what,
                f"{name}, cost of the oracle's",
                hindsight["cost"],
                hindsight["low"],
                hindsight["high"],
                Target(1.10, at_least=False) if is_target else None,
            ),
            Figure(
                what,
                f"{name}, deadlines missed",
                float(policies[name]["misses"]),
                target=Target(0.0, at_least=False) if is_target else None,
            ),
            *_hindsight_figures(what, replay, name),
        ]
    return figures


def _service_figures(what: str, replay: Replay, is_target: bool) -> list[Figure]:
    policies = replay.summary["policies"]
    figures = []
    for name in replay.spotlab_policies:
        greedy, cheapest = _ratio(replay, name, GREEDY), _ratio(replay, name, CHEAPEST)
        regret = policies[name]
        figures += [
            Figure(
                what,
                f"{name}, downtime of {GREEDY}'s",
                greedy["downtime"],
                greedy["downtime_low"],
                greedy["downtime_high"],
                Target(0.5, at_least=False) if is_target else None,
            ),
            Figure(
                what,
                f"{name}, cost of {GREEDY}'s",
                greedy["cost"],
                greedy["low"],
                greedy["high"],
                Target(1.05, at_least=False) if is_target else None,
            ),
            Figure(
                what,
                f"{name}, regret",
                regret["regret"],
                regret["low"],
                regret["high"],
                Target(0.15, at_least=False) if is_target else None,
            ),
            Figure(
                what,
                f"{name}, cost of {CHEAPEST}'s",
                cheapest["cost"],
                cheapest["low"],
                cheapest["high"],
            ),
            *_hindsight_figures(what, replay, name),
        ]
    return figures


def _hindsight_figures(what: str, replay: Replay, name: str) -> list[Figure]:
    """Cost, with downtime valued, beside the simple policy that was best in these windows."""
    policies = replay.summary["policies"]
    simple = [one for one in policies if not one.startswith(SPOTLAB_PREFIX) and one != ORACLE]
    best = min(simple, key=lambda one: (float(policies[one]["regret"]), one != GREEDY))
    ratio = (1.0 + policies[name]["regret"]) / (1.0 + policies[best]["regret"])
    moves = (
        policies[name]["moves"] / policies[GREEDY]["moves"] if policies[GREEDY]["moves"] else None
    )
    return [
        Figure(
            what,
            f"{name}, cost with downtime of the best simple policy's, {best}",
            ratio,
            target=Target(1.02, at_least=False),
        ),
        Figure(what, f"{name}, moves of {GREEDY}'s", moves, target=Target(1.5, at_least=False)),
    ]


def _ratio(replay: Replay, name: str, other: str) -> Document:
    """Cost and downtime of one policy relative to another, with paired intervals."""
    for pair in replay.differences:
        if (pair["first"], pair["second"]) == (name, other):
            return {
                "cost": pair["cost_ratio"],
                "low": pair["low"],
                "high": pair["high"],
                "downtime": pair["downtime_ratio"],
                "downtime_low": pair["downtime_low"],
                "downtime_high": pair["downtime_high"],
            }
        if (pair["first"], pair["second"]) == (other, name):
            return {
                "cost": _inverse(pair["cost_ratio"]),
                "low": _inverse(pair["high"]),
                "high": _inverse(pair["low"]),
                "downtime": _inverse(pair["downtime_ratio"]),
                "downtime_low": _inverse(pair["downtime_high"]),
                "downtime_high": _inverse(pair["downtime_low"]),
            }
    return dict.fromkeys(("cost", "low", "high", "downtime", "downtime_low", "downtime_high"))


def _inverse(value: float | None) -> float | None:
    return 1.0 / value if value else None


def _policy_table(name: str, replay: Replay) -> Table:
    summary = replay.summary
    ranked = sorted(summary["policies"].items(), key=lambda item: item[1]["cost_usd"])
    rows = [
        (
            policy,
            number(figures["cost_usd"], 2),
            number(figures["relative_to_on_demand"]),
            number(figures["regret"]),
            interval(figures["low"], figures["high"]),
            str(figures["misses"]),
            number(figures["moves"], 1),
            number(figures["downtime_h"], 2),
        )
        for policy, figures in ranked
    ]
    header = (
        "policy",
        "USD",
        "of on-demand",
        "regret",
        "95 %",
        "missed",
        "moves",
        "down h",
    )
    return Table(header, rows, f"{name}: {summary['windows']} windows, means of a window.")
