"""Planning a sweep: its world, its cells and its id."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from spotlab.domain.ports import ModelRecord
from spotlab.errors import InvalidInput, NotAvailable
from spotlab.gym.policies import ORACLE, SPOTLAB, create_policy, policies_for
from spotlab.gym.sweep_cell import Cell
from spotlab.gym.windows import Window
from spotlab.gym.world import World
from spotlab.recorded.file_reading import digest_of_file
from spotlab.recorded.pool_prices import read_pool_prices
from spotlab.recorded.traces import read_panel, trace_files
from spotlab.recorded.zone_names import NO_ZONE_IDS
from spotlab.runtime.lab import Lab
from spotlab.runtime.model_catalogue import find_model
from spotlab.sweeps.cell_worker import run_planned_cell
from spotlab.sweeps.code_digest import code_digest
from spotlab.sweeps.forecasts import CAPACITY_TASK, forecasts_of
from spotlab.sweeps.run import Plan, canonical
from spotlab.sweeps.spec import Jobs, Prices, Services, SweepSpec, TraceChoice

__all__ = ["ALL_POLICIES", "Sweep", "SweepSpec", "plan_sweep", "spec_of"]

ALL_POLICIES: Final = "all"
NO_DEADLINE: Final = "It needs a deadline, which a service does not have."
NO_CHAMPION: Final = "No champion model of the task capacity is registered."


@dataclass(frozen=True, slots=True)
class Sweep:
    """A planned sweep.

    Args:
        spec: its specification.
        plan: its cells, and the function that builds the world.
        policies: names, the oracle last.
        left_out: policies of "all" that do not fit, with the reason.
        world: without forecasts.
        models: name@version of each name.
    """

    spec: SweepSpec
    plan: Plan
    policies: tuple[str, ...]
    left_out: Mapping[str, str]
    world: World
    models: Mapping[str, str]


def plan_sweep(lab: Lab, spec: SweepSpec) -> Sweep:
    """Read the traces, resolve names and windows, and compute the id of the sweep.

    The id is a digest of the content of traces, prices, workloads, windows, policies, model files
    and code: it changes if and only if something changes that affects the results.

    Raises:
        InvalidInput: a trace, price, window or policy is not valid; the error names it.
        NotFound: there is no such model.
    """
    files = _files(spec.traces)
    world = _world(spec, files)
    models = _models(lab, spec)
    windows = spec.workloads.windows(world, spec.windows, spec.seed)
    policies, left_out = _policies(spec, world, windows[0], tuple(models))
    cells = {
        f"window {number:04d} {policy}": Cell(
            window.workload, window.first_tick, window.ticks, policy, spec.seed
        ).to_json()
        for number, window in enumerate(windows)
        for policy in reversed(policies)  # the oracle takes longest
    }
    identity = _identity(spec, files, world, models, policies)
    sweep_id = hashlib.sha256(canonical(identity).encode()).hexdigest()[:16]

    def build() -> tuple[str, World]:
        return identity["code"], _with_forecasts(lab, world, models)

    config = {**identity, **_description(spec, world, left_out)}
    plan = Plan(sweep_id, config, cells, build, run_planned_cell)
    references = {name: record.reference for name, record in models.items()}
    return Sweep(spec, plan, policies, left_out, world, references)


def spec_of(config: Mapping[str, Any]) -> SweepSpec:
    """The specification of a stored sweep.

    Args:
        config: of the sweep's record.
    Raises:
        NotAvailable: the record is from a version that did not store the whole specification.
    """
    try:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config["workloads"].items()
        }
        kinds: dict[str, type[Jobs | Services]] = {"Jobs": Jobs, "Services": Services}
        kind = kinds[str(fields.pop("kind"))]
        prices = dict(config["prices"])
        file, columns = prices.pop("file"), tuple(prices.pop("columns", ()))
        return SweepSpec(
            traces=_trace_choice(Path(config["trace_dir"]), *config["read_as"]),
            workloads=kind(**fields),
            policies=tuple(config["policies"]),
            models=(),
            windows=config["windows"],
            seed=config["seed"],
            prices=Prices(**prices, file=Path(file) if file else None, columns=columns),
        )
    except (KeyError, TypeError) as exc:
        raise NotAvailable(
            "This sweep was stored by a version of SpotLab that did not store its whole "
            "specification.",
            remedy="Its figures can be viewed; to continue or replay it, set it up again.",
        ) from exc


def _trace_choice(
    folder: Path,
    format_: Any,
    polarity: Any,
    gap_s: float | None,
    columns: Sequence[str] = (),
    zone_ids: Mapping[str, str] = NO_ZONE_IDS,
) -> TraceChoice:
    """The choice that `_identity` stored."""
    return TraceChoice(folder, format_, polarity, gap_s, tuple(columns), tuple(zone_ids.items()))


def _files(traces: TraceChoice) -> list[Path]:
    if not traces.folder.is_dir():
        raise InvalidInput(
            f"There is no folder {traces.folder}.", remedy="Use a folder with trace files."
        )
    return trace_files(traces.folder)


def _world(spec: SweepSpec, files: list[Path]) -> World:
    traces, prices = spec.traces, spec.prices
    ticks = read_panel(
        files,
        polarity=traces.polarity,
        gap_s=traces.gap_s,
        format=traces.format,
        columns=traces.columns,
        zone_ids=dict(traces.zone_ids),
    )
    assumptions = [prices.told]
    buckets = np.full(len(ticks.names), math.nan)
    if prices.file is None:
        spot = np.full(len(ticks.names), prices.spot_usd_per_hour)
        assumptions.append("Every pool has the same spot price, at all times.")
    else:
        read = read_pool_prices(prices.file, ticks.names, prices.columns)
        spot, buckets = read.spot_usd_per_hour, read.buckets
        assumptions.append(f"Spot prices are those of {prices.file.name}, at all times.")
    if np.isnan(buckets).all():
        buckets = np.zeros(len(ticks.names))
        assumptions.append(
            "No advisor bucket of these pools is known: they count as equal, so that "
            "lowest_advisor_bucket chooses by price."
        )
    assumptions.append("A tick without a record counts as not available.")
    return World(ticks, spot, prices.on_demand_usd_per_hour, buckets, {}, tuple(assumptions))


def _models(lab: Lab, spec: SweepSpec) -> dict[str, ModelRecord]:
    names = [name.removeprefix(SPOTLAB) for name in spec.policies if name.startswith(SPOTLAB)]
    if ALL_POLICIES in spec.policies:
        names += spec.models
        champion = lab.store.registry.champion(CAPACITY_TASK)
        if not spec.models and champion is not None:
            names.append(champion.name)
    found = {name: find_model(lab.store.registry, name) for name in dict.fromkeys(names)}
    for name, record in found.items():
        if record.task != CAPACITY_TASK:
            raise InvalidInput(
                f"{name} is a model of the task {record.task}; policies on traces need one of "
                f"the task {CAPACITY_TASK}.",
                remedy="`spotlab models list` shows the available models.",
            )
    return found


def _policies(
    spec: SweepSpec, world: World, window: Window, models: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Names in order, the oracle last, and those of "all" that do not fit."""
    fitting = [name for name in policies_for(world, window.workload) if name != ORACLE]
    left_out: dict[str, str] = {}
    if ALL_POLICIES in spec.policies:
        names = [*fitting, *(f"{SPOTLAB}{model}" for model in models), *spec.policies]
        if not models:
            left_out[f"{SPOTLAB}MODEL"] = NO_CHAMPION
        for name in ("uniform_progress", "uniform_progress_multi"):
            if name not in fitting:
                left_out[name] = NO_DEADLINE
        names.remove(ALL_POLICIES)
    else:
        names = list(spec.policies)
    chosen = [name for name in dict.fromkeys(names) if name != ORACLE]
    for name in chosen:
        if not name.startswith(SPOTLAB):
            create_policy(name, world, window.workload, window.first_tick, window.ticks)
    return (*chosen, ORACLE), left_out


def _with_forecasts(lab: Lab, world: World, models: Mapping[str, ModelRecord]) -> World:
    """The world with the forecasts of each model at each tick."""
    forecasts = {
        name: forecasts_of(lab.predictor.capacity(record.reference), world.panel)
        for name, record in models.items()
    }
    return replace(world, forecasts=forecasts)


def _description(spec: SweepSpec, world: World, left_out: Mapping[str, str]) -> dict[str, Any]:
    """Facts about a sweep that do not change its results, as plain values.

    Returns:
        {trace_dir, prices: {on_demand_usd_per_hour, spot_usd_per_hour, file, told}, gap_s,
        assumptions, sources, left_out}.
    """
    panel = world.panel
    prices = asdict(spec.prices) | {"file": str(spec.prices.file) if spec.prices.file else None}
    return {
        "trace_dir": str(spec.traces.folder),
        "prices": prices,
        "gap_s": panel.gap_s,
        "assumptions": list(world.assumptions),
        "sources": dict(zip(panel.names, panel.sources, strict=True)),
        "left_out": dict(left_out),
    }


def _identity(
    spec: SweepSpec,
    files: list[Path],
    world: World,
    models: Mapping[str, ModelRecord],
    policies: tuple[str, ...],
) -> dict[str, Any]:
    buckets = [] if world.buckets is None else world.buckets.tolist()
    return {
        "code": code_digest(),
        "traces": {path.name: digest_of_file(path) for path in files},
        "read_as": [
            spec.traces.format,
            spec.traces.polarity,
            spec.traces.gap_s,
            *([list(spec.traces.columns)] if spec.traces.columns or spec.traces.zone_ids else []),
            *([dict(spec.traces.zone_ids)] if spec.traces.zone_ids else []),
        ],
        "workloads": {"kind": type(spec.workloads).__name__, **asdict(spec.workloads)},
        "policies": list(policies),
        "models": {name: [record.reference, record.digest] for name, record in models.items()},
        "windows": spec.windows,
        "seed": spec.seed,
        "on_demand_usd_per_hour": world.on_demand_usd_per_hour,
        "spot_usd_per_hour": world.spot_usd_per_hour[0].tolist(),
        "advisor_buckets": [None if math.isnan(bucket) else bucket for bucket in buckets],
    }
