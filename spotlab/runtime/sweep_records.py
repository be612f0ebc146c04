"""What is written down of a sweep beside its id, and the same asked again. Runtime floor: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spotlab.errors import NotAvailable
from spotlab.gym.world import World
from spotlab.runtime.sweep_specs import Jobs, Prices, Services, SweepSpec, TraceChoice


def described(spec: SweepSpec, world: World, left_out: Mapping[str, str]) -> dict[str, Any]:
    """What a reader of the results wants to know, though it changes none; plain values.

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


def spec_of(config: Mapping[str, Any]) -> SweepSpec:
    """What was asked for, as it can be asked for again.

    Args:
        config: of a sweep's record.
    Raises:
        NotAvailable: it was written by a version that did not write all of it down.
    """
    try:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in config["workloads"].items()
        }
        kinds: dict[str, type[Jobs | Services]] = {"Jobs": Jobs, "Services": Services}
        kind = kinds[str(fields.pop("kind"))]
        prices = dict(config["prices"])
        file = prices.pop("file")
        return SweepSpec(
            traces=TraceChoice(Path(config["trace_dir"]), *config["read_as"]),
            workloads=kind(**fields),
            policies=tuple(config["policies"]),
            models=(),
            windows=config["windows"],
            seed=config["seed"],
            prices=Prices(**prices, file=Path(file) if file else None),
        )
    except (KeyError, TypeError) as exc:
        raise NotAvailable(
            "This sweep was kept by a version of SpotLab that did not write down all that was "
            "asked.",
            remedy="Its figures can be read; to go on or to replay, set it up anew.",
        ) from exc
