"""Filtering pools by an instance's requirements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spotlab.domain.decision import DropReason, Instance
from spotlab.domain.hardware import Hardware, HardwareTable, complete
from spotlab.domain.instance_types import parse_type
from spotlab.domain.like_for_like import (
    HardwareFact,
    HardwareRule,
    Shortfall,
    shortfall,
)
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import DEFAULT_WORKLOAD, Workload

Mask = NDArray[np.bool_]


def drop_reasons(
    table: pd.DataFrame,
    requirements: Requirements,
    shortfalls: Mapping[str, Shortfall] = MappingProxyType({}),
) -> NDArray[np.object_]:
    """The first reason that filters out each pool, or None.

    Args:
        table: as in ScoredMarket.table, n rows.
        requirements: what a pool must offer.
        shortfalls: types that are not like for like, by name; checked after the requirements.
    Returns:
        (n,) DropReason or None.
    """
    reasons: NDArray[np.object_] = np.full(len(table), None, dtype=object)
    for reason, filtered in _checks(table, requirements):
        reasons[filtered & (reasons == None)] = reason  # noqa: E711  elementwise
    if shortfalls:
        by_type = {name: HARDWARE_REASONS[each.fact] for name, each in shortfalls.items()}
        codes, names = table["instance_type"].factorize()
        worse = np.array([by_type.get(name) for name in names], dtype=object)[codes]
        worse_only = (reasons == None) & (worse != None)  # noqa: E711  elementwise
        reasons[worse_only] = worse[worse_only]
    return reasons


def hardware_shortfalls(
    instance_type: str,
    hardware: HardwareTable,
    rule: HardwareRule,
    requirements: Requirements | None,
) -> Mapping[str, Shortfall]:
    """The types that may not replace an instance's own, with the fact in which each is worse.

    Args:
        instance_type: of the instance.
        hardware: facts of every type, by name.
        rule: what counts as equal hardware.
        requirements: the instance's or the workload's own, which say its size, architecture and
            whether burstable types will do; None: those of its type apply.
    Returns:
        Read-only; equal arguments give the same object, from a cache.
    Raises:
        ValueError: the type's facts are unknown, and its name is no type's.
    """
    own = compared_hardware(instance_type, hardware, requirements)
    return _shortfalls(own, hardware, compared_rule(rule, requirements))


@lru_cache(maxsize=256)
def _shortfalls(
    own: Hardware, hardware: HardwareTable, rule: HardwareRule
) -> Mapping[str, Shortfall]:
    found = {name: shortfall(own, each, rule) for name, each in hardware.items()}
    return MappingProxyType({name: each for name, each in found.items() if each is not None})


def compared_hardware(
    instance_type: str, hardware: Mapping[str, Hardware], requirements: Requirements | None
) -> Hardware:
    """The facts of an instance's type that a replacement is compared with.

    Args:
        instance_type, hardware, requirements: as in `hardware_shortfalls`.
    Raises:
        ValueError: the type's facts are unknown, and its name is no type's.
    """
    own = hardware.get(instance_type)
    if own is None:
        own = complete(Hardware(instance_type))
    if requirements is not None:
        own = replace(own, vcpu=None, memory_gb=None, architecture=None)
    return own


def compared_rule(rule: HardwareRule, requirements: Requirements | None) -> HardwareRule:
    """A workload's rule; an instance's own requirements say whether burstable types will do."""
    if requirements is None or requirements.burstable is False:
        return rule
    return replace(rule, allow_burstable=True)


HARDWARE_REASONS: Final[Mapping[HardwareFact, DropReason]] = {
    HardwareFact.VCPU: DropReason.VCPU,
    HardwareFact.MEMORY: DropReason.MEMORY,
    HardwareFact.ARCHITECTURE: DropReason.ARCHITECTURE,
    HardwareFact.ACCELERATOR: DropReason.ACCELERATOR,
    HardwareFact.GPU_COUNT: DropReason.GPU,
    HardwareFact.GPU_MODEL: DropReason.GPU,
    HardwareFact.GPU_MEMORY: DropReason.GPU,
    HardwareFact.CPU_GENERATION: DropReason.CPU_GENERATION,
    HardwareFact.CPU_MAKER: DropReason.CPU_MAKER,
    HardwareFact.BURSTABLE: DropReason.BURSTABLE,
    HardwareFact.FLEX: DropReason.FLEX,
    HardwareFact.BARE_METAL: DropReason.BARE_METAL,
    HardwareFact.LOCAL_STORAGE: DropReason.LOCAL_STORAGE,
    HardwareFact.NETWORK: DropReason.BANDWIDTH,
    HardwareFact.EBS: DropReason.BANDWIDTH,
}


def _checks(table: pd.DataFrame, need: Requirements) -> Iterator[tuple[DropReason, Mask]]:
    yield DropReason.OPERATING_SYSTEM, _other(table["operating_system"], (need.operating_system,))
    yield DropReason.REGION, _other(table["region"], need.regions)
    yield DropReason.ZONE, _other(table["availability_zone"], need.zones)
    yield DropReason.FAMILY, _other(table["family"], need.families)
    sized = (need.vcpu_min, need.vcpu_max, need.memory_gb_min, need.memory_gb_max)
    if any(limit is not None for limit in sized):
        yield DropReason.NO_SPECS, table[["vcpu", "memory_gb"]].isna().any(axis=1).to_numpy()
    yield DropReason.VCPU, _outside(table["vcpu"], need.vcpu_min, need.vcpu_max)
    yield DropReason.MEMORY, _outside(table["memory_gb"], need.memory_gb_min, need.memory_gb_max)
    if need.architecture is not None:
        yield DropReason.ARCHITECTURE, _other(table["architecture"], (need.architecture,))
    if need.accelerator is not None:
        yield DropReason.ACCELERATOR, (table["accelerated"] != need.accelerator).to_numpy()
    if need.burstable is not None:
        yield DropReason.BURSTABLE, (table["burstable"] != need.burstable).to_numpy()
    price = table["spot_price_usd_per_hour"].to_numpy(dtype=np.float64)
    yield DropReason.NO_PRICE, ~(np.isfinite(price) & (price > 0))
    if need.max_advisor_bucket is not None:
        yield DropReason.UNSAFE_RATE, (table["advisor_bucket"] > need.max_advisor_bucket).to_numpy()
    yield DropReason.NO_RISK, ~np.isfinite(table["hazard_per_hour"].to_numpy(dtype=np.float64))


def _other(values: pd.Series, allowed: tuple[str, ...]) -> Mask:
    if not allowed:
        return np.zeros(len(values), dtype=bool)
    return np.asarray(~values.isin(allowed).to_numpy(), dtype=bool)


def _outside(values: pd.Series, low: float | None, high: float | None) -> Mask:
    numbers = values.to_numpy(dtype=np.float64)
    outside = np.zeros(len(numbers), dtype=bool)
    if low is not None:
        outside |= numbers < low
    if high is not None:
        outside |= numbers > high
    return outside


def requirements_of(
    instance: Instance, table: pd.DataFrame, workload: Workload = DEFAULT_WORKLOAD
) -> Requirements:
    """Requirements of a replacement: the instance's own, else the workload's, else derived.

    The workload's regions and zones (by default its own region) and the instance's operating
    system complete the workload's requirements. Derived: the same architecture, no less vCPU,
    memory within the workload's tolerance, an accelerator only for an accelerated one, and
    burstable types only for a burstable one or where the workload allows them. What else makes
    hardware equal is in `hardware_shortfalls`.

    Args:
        instance: the instance.
        table: ScoredMarket.table; if it lacks the specs of the instance's type, the derived
            requirements have no minimum size.
        workload: the one that applies to the instance.
    """
    if instance.requirements is not None:
        return instance.requirements
    regions = workload.regions or (instance.pool.region,)
    if workload.requirements is not None:
        return replace(
            workload.requirements,
            regions=regions,
            zones=workload.zones,
            operating_system=instance.pool.operating_system,
        )
    name = parse_type(instance.pool.instance_type)
    own = table.loc[table["instance_type"] == instance.pool.instance_type, ["vcpu", "memory_gb"]]
    specs = own.dropna()
    rule = workload.hardware
    least_memory = 1.0 - rule.memory_tolerance
    return Requirements(
        regions=regions,
        zones=workload.zones,
        vcpu_min=float(specs["vcpu"].iloc[0]) if len(specs) else None,
        memory_gb_min=least_memory * float(specs["memory_gb"].iloc[0]) if len(specs) else None,
        architecture=name.architecture.value,
        accelerator=name.accelerated,
        burstable=None if name.burstable or rule.allow_burstable else False,
        operating_system=instance.pool.operating_system,
    )
