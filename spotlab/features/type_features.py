"""Features of an instance type, from its specifications and its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from spotlab.domain.coded_texts import Texts
from spotlab.domain.features import Feature
from spotlab.domain.instance_types import Architecture, TypeName
from spotlab.domain.market import FeedKind
from spotlab.features.panel import Floats, Panel, Vocabulary, ratio, tally

_UNPUBLISHED: Final = "NaN: not in the type's specifications"
_UNNAMED: Final = "NaN: not in the type's name"
_MORE_THAN_ANY_VCPU: Final = 2.0**20
_SPECS: Final = (
    "vcpu",
    "memory_gb",
    "architecture",
    "local_nvme_gb",
    "gpu_count",
    "accelerator_count",
    "network_mbps",
)
"""Columns of the specifications that are read here."""


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


def columns(panel: Panel) -> Mapping[str, Floats]:
    """Each feature of this module, (n,)."""
    return panel.unchanged(panel.market.specs, _SPECS, _of_types)


def _of_types(panel: Panel) -> dict[str, Floats]:
    vcpu, memory, named = panel.vcpu, panel.of_types("memory_gb"), _from_names(panel.types)
    generation = named["generation"]
    nvme, gpus = panel.of_types("local_nvme_gb"), panel.of_types("gpu_count")
    chips = np.fmax(gpus, panel.of_types("accelerator_count"))
    by_type = {
        "vcpu_count": vcpu,
        "memory_gb": memory,
        "memory_per_vcpu": ratio(memory, vcpu),
        "generation": generation,
        "generations_behind": _newest_of_series(panel, generation) - generation,
        "size_factor": named["size_factor"],
        "size_rank_in_family": _rank_in_family(panel, vcpu),
        "is_metal": named["metal"],
        "is_burstable": named["burstable"],
        "is_network_optimised": named["network_optimised"],
        "has_local_storage": np.where(np.isfinite(nvme), nvme > 0.0, named["local_storage"]),
        "architecture_arm": _arm(panel, named["arm"]),
        "accelerated": np.where(chips > 0.0, 1.0, named["accelerated"]),
        "gpu_count": gpus,
        "network_mbps_per_vcpu": ratio(panel.of_types("network_mbps"), vcpu),
    }
    at_pools = np.array(list(by_type.values()))[:, panel.type_]
    return dict(zip(by_type, at_pools, strict=True))


_OF_NAMES: Final[Mapping[str, Callable[[TypeName], float | None]]] = {
    "generation": lambda name: name.generation,
    "size_factor": lambda name: name.size_factor,
    "metal": lambda name: name.metal,
    "burstable": lambda name: name.burstable,
    "network_optimised": lambda name: "n" in name.options,
    "local_storage": lambda name: name.local_storage,
    "accelerated": lambda name: name.accelerated,
    "arm": lambda name: name.architecture is Architecture.ARM64,
}


@lru_cache(maxsize=8)
def _from_names(types: Vocabulary) -> Mapping[str, Floats]:
    """(T,) attributes of the types' parsed names; NaN if unknown. Read-only."""
    found = {}
    for attribute, read in _OF_NAMES.items():
        values = [None if name is None else read(name) for name in types.parsed]
        column = [np.nan if answer is None else answer for answer in values]
        found[attribute] = np.array(column, dtype=np.float64)
    return found


def _newest_of_series(panel: Panel, generation: Floats) -> Floats:
    """(T,) newest generation of the type's series, among the types in the market only: a requested
    pool must not change the feature of others."""
    series = panel.types.series
    newest = np.full(len(panel.types) + 1, np.nan)
    listed = panel.listed
    np.fmax.at(newest, series[listed], generation[listed])
    return newest[series]


def _rank_in_family(panel: Panel, vcpu: Floats) -> Floats:
    known = np.isfinite(vcpu)
    family_offset = panel.types.family * _MORE_THAN_ANY_VCPU
    offset_vcpu = family_offset + vcpu
    ranked = np.sort(offset_vcpu[known])
    fewer = np.searchsorted(ranked, offset_vcpu) - np.searchsorted(ranked, family_offset)
    others = tally(panel.types.family[known], len(vcpu))[panel.types.family] - 1.0
    return np.where(known, ratio(fewer.astype(np.float64), others), np.nan)


def _arm(panel: Panel, named: Floats) -> Floats:
    specs = panel.market.specs
    published = Texts.of(specs["architecture"])
    is_arm = [float(text.startswith(Architecture.ARM64)) for text in published.names]
    values = np.full(len(panel.types), np.nan)
    values[panel.columns(specs)] = np.array([*is_arm, np.nan])[published.codes]
    return np.where(np.isnan(values), named, values)
