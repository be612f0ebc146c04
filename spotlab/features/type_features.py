"""Features of an instance type, from its specifications and its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd

from spotlab.domain.features import Feature
from spotlab.domain.instance_types import Architecture, TypeName
from spotlab.domain.market import FeedKind
from spotlab.features.panel import Floats, Panel, ratio, tally

_UNPUBLISHED: Final = "NaN: not in the type's specifications"
_UNNAMED: Final = "NaN: not in the type's name"
_MORE_THAN_ANY_VCPU: Final = 2.0**20


def _type(name: str, meaning: str, unit: str, low: float, high: float, missing: str) -> Feature:
    return Feature(name, meaning, unit, (FeedKind.SPECS,), 86_400, missing, low, high)


FEATURES: Final = (
    _type("vcpu_count", "Virtual CPUs.", "count", 0, 10_000, _UNPUBLISHED),
    _type("memory_gb", "Memory.", "GiB", 0, 1_000_000, _UNPUBLISHED),
    _type("memory_per_vcpu", "memory_gb / vcpu_count.", "GiB", 0, 1_000_000, _UNPUBLISHED),
    _type(
        "generation",
        "Hardware generation: the number after the series' letters (m6i: 6).",
        "1",
        0,
        99,
        _UNNAMED,
    ),
    _type(
        "generations_behind",
        "Newest generation of the series among the market's types − generation: old hardware is "
        "retired, not extended.",
        "count",
        -99,
        99,
        _UNNAMED,
    ),
    _type(
        "size_factor",
        "Size in units of a 'large' (2xlarge: 4): larger ones need more room on one host.",
        "1",
        0.0625,
        4096,
        "NaN: bare metal has no such size",
    ),
    _type(
        "size_rank_in_family",
        "Share of the family's other types that have fewer virtual CPUs.",
        "share",
        0,
        1,
        "NaN: vCPU unknown, or the only type of its family",
    ),
    _type("is_metal", "1 for bare metal, else 0.", "0 or 1", 0, 1, _UNNAMED),
    _type("is_burstable", "1 for the t series (CPU credits), else 0.", "0 or 1", 0, 1, _UNNAMED),
    _type(
        "is_network_optimised",
        "1 where the name's options carry 'n' (c6in), else 0.",
        "0 or 1",
        0,
        1,
        _UNNAMED,
    ),
    _type(
        "has_local_storage",
        "1 with local NVMe: local_nvme_gb > 0, or where that is unknown 'd' in the name's options.",
        "0 or 1",
        0,
        1,
        _UNNAMED,
    ),
    _type(
        "architecture_arm",
        "1 for arm64, 0 for any other architecture; read from the name where not published.",
        "0 or 1",
        0,
        1,
        _UNNAMED,
    ),
    _type(
        "accelerated",
        "1 with a GPU, an inference or training chip or an FPGA: published, or by the series.",
        "0 or 1",
        0,
        1,
        _UNNAMED,
    ),
    _type("gpu_count", "GPUs.", "count", 0, 64, _UNPUBLISHED),
    _type(
        "network_mbps_per_vcpu",
        "Network bandwidth / vcpu_count.",
        "Mbit/s",
        0,
        10_000_000,
        _UNPUBLISHED,
    ),
)


def columns(panel: Panel) -> dict[str, Floats]:
    """Each feature of this module, (n,)."""
    vcpu, memory = vcpu_of(panel), panel.of_types("memory_gb")
    generation = _from_names(panel, lambda name: name.generation)
    nvme, gpus = panel.of_types("local_nvme_gb"), panel.of_types("gpu_count")
    chips = np.fmax(gpus, panel.of_types("accelerator_count"))
    named_accelerated = _from_names(panel, lambda name: name.accelerated)
    by_type = {
        "vcpu_count": vcpu,
        "memory_gb": memory,
        "memory_per_vcpu": ratio(memory, vcpu),
        "generation": generation,
        "generations_behind": _newest_of_series(panel, generation) - generation,
        "size_factor": _from_names(panel, lambda name: name.size_factor),
        "size_rank_in_family": _rank_in_family(panel, vcpu),
        "is_metal": _from_names(panel, lambda name: name.metal),
        "is_burstable": _from_names(panel, lambda name: name.burstable),
        "is_network_optimised": _from_names(panel, lambda name: "n" in name.options),
        "has_local_storage": np.where(
            np.isfinite(nvme), nvme > 0.0, _from_names(panel, lambda name: name.local_storage)
        ),
        "architecture_arm": _arm(panel),
        "accelerated": np.where(chips > 0.0, 1.0, named_accelerated),
        "gpu_count": gpus,
        "network_mbps_per_vcpu": ratio(panel.of_types("network_mbps"), vcpu),
    }
    return {name: values[panel.type_] for name, values in by_type.items()}


def vcpu_of(panel: Panel) -> Floats:
    """(T,) virtual CPUs."""
    return panel.of_types("vcpu")


def _from_names(panel: Panel, attribute: Callable[[TypeName], float | None]) -> Floats:
    """(T,) an attribute of the types' parsed names; NaN if unknown."""
    values = [None if name is None else attribute(name) for name in panel.type_names]
    return np.array([np.nan if answer is None else answer for answer in values], dtype=np.float64)


def _newest_of_series(panel: Panel, generation: Floats) -> Floats:
    """(T,) newest generation of the type's series, among the types in the market only: a requested
    pool must not change the feature of others."""
    series = pd.factorize(
        np.array([name.series if name else "" for name in panel.type_names], dtype=object)
    )[0]
    newest = np.full(len(panel.types) + 1, np.nan)
    listed = panel.listed
    np.fmax.at(newest, series[listed], generation[listed])
    return newest[series]


def _rank_in_family(panel: Panel, vcpu: Floats) -> Floats:
    known = np.isfinite(vcpu)
    family_offset = panel.family * _MORE_THAN_ANY_VCPU
    offset_vcpu = family_offset + vcpu
    ranked = np.sort(offset_vcpu[known])
    fewer = np.searchsorted(ranked, offset_vcpu) - np.searchsorted(ranked, family_offset)
    others = tally(panel.family[known], len(vcpu))[panel.family] - 1.0
    return np.where(known, ratio(fewer.astype(np.float64), others), np.nan)


def _arm(panel: Panel) -> Floats:
    specs = panel.market.specs
    published = dict(zip(specs["instance_type"], specs["architecture"], strict=True))
    named = _from_names(panel, lambda name: name.architecture is Architecture.ARM64)
    architectures = [published.get(name) for name in panel.types]
    return np.array(
        [
            float(text.startswith(Architecture.ARM64)) if isinstance(text, str) else fallback
            for text, fallback in zip(architectures, named, strict=True)
        ]
    )
