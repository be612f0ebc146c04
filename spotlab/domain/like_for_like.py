"""Whether the hardware of one instance type may replace that of another.

A replacement is like for like when no fact of it is worse than the instance's own: fewer or weaker
GPUs, less memory, an older CPU generation. A workload says which facts matter (`HardwareRule`).
What is unknown on either side never filters: it counts as equal, and `unknown_facts` names it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spotlab.domain.hardware import GPUS, Hardware

EQUAL_WITHIN: Final = 0.005
"""Relative difference of two sizes that counts as none: sources round differently."""


class HardwareFact(StrEnum):
    """A fact that can be worse in a replacement. The value is what a person reads."""

    VCPU = "fewer vCPU"
    MEMORY = "less memory"
    ARCHITECTURE = "another processor architecture"
    ACCELERATOR = "another accelerator"
    GPU_COUNT = "fewer GPUs"
    GPU_MODEL = "weaker GPU"
    GPU_MEMORY = "less GPU memory"
    CPU_GENERATION = "older CPU generation"
    CPU_MAKER = "another CPU maker"
    BURSTABLE = "burstable CPU"
    FLEX = "flex CPU"
    BARE_METAL = "bare metal on one side only"
    LOCAL_STORAGE = "less local storage"
    NETWORK = "less network bandwidth"
    EBS = "less EBS bandwidth"


@dataclass(frozen=True, slots=True)
class HardwareRule:
    """What counts as equal hardware for a workload.

    Args:
        memory_tolerance: share of its memory that a replacement may lack; 0.07 lets 7.5 GiB
            stand for 8.
        allow_weaker_gpu: a weaker GPU model, or less memory per GPU, is no obstacle.
        equal_gpus: GPU models that count as equal to each other, such as {"a10g", "l4"}.
        allow_older_generation: an older CPU generation is no obstacle.
        allow_burstable: a burstable or flex CPU may replace a fixed one.
        same_cpu_maker: an AMD CPU does not replace an Intel one.
        uses_local_storage: a replacement needs as much local NVMe storage.
        keeps_bandwidth: a replacement needs as much network and EBS bandwidth.
        use_claims: faster hardware finishes the work sooner, and what AWS claims about its
            performance counts where nothing was measured.
    """

    memory_tolerance: float = 0.0
    allow_weaker_gpu: bool = False
    equal_gpus: frozenset[str] = frozenset()
    allow_older_generation: bool = False
    allow_burstable: bool = False
    same_cpu_maker: bool = False
    uses_local_storage: bool = False
    keeps_bandwidth: bool = False
    use_claims: bool = False


@dataclass(frozen=True, slots=True)
class Shortfall:
    """The first fact in which a type is worse than another.

    Args:
        fact: which.
        detail: with both values, such as "T4 instead of A10G".
    """

    fact: HardwareFact
    detail: str

    def __str__(self) -> str:
        return f"{self.fact.value}: {self.detail}" if self.detail else self.fact.value


def shortfall(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    """The first fact that keeps one type from replacing another; None: it is like for like.

    Args:
        own: the instance's type.
        other: the candidate's type.
        rule: what matters to the workload.

    >>> a10g = Hardware("g5.xlarge", 4, 16, "x86_64", "a10g", 1, 24)
    >>> t4 = Hardware("g4dn.xlarge", 4, 16, "x86_64", "t4", 1, 16)
    >>> str(shortfall(a10g, t4, HardwareRule()))
    'weaker GPU: T4 instead of A10G'
    """
    if own.instance_type == other.instance_type:
        return None
    for check in _CHECKS:
        found = check(own, other, rule)
        if found is not None:
            return found
    return None


STRICT_RULE: Final = HardwareRule(
    same_cpu_maker=True, uses_local_storage=True, keeps_bandwidth=True
)
"""Every fact matters."""


def strict_shortfalls(own: Hardware, other: Hardware) -> tuple[HardwareFact, ...]:
    """Every fact in which a type is worse under STRICT_RULE; see `waived_facts`."""
    if own.instance_type == other.instance_type:
        return ()
    found = (check(own, other, STRICT_RULE) for check in _CHECKS)
    return tuple(each.fact for each in found if each is not None)


def waived_facts(rule: HardwareRule) -> frozenset[HardwareFact]:
    """The facts that a rule does not look at.

    A type is like for like under a rule if each of its `strict_shortfalls` is waived, if the rule
    counts its GPU as equal, or if it lacks no more memory than the rule tolerates.

    >>> sorted(waived_facts(HardwareRule(allow_burstable=True, same_cpu_maker=True)))[:2]
    [<HardwareFact.BURSTABLE: 'burstable CPU'>, <HardwareFact.FLEX: 'flex CPU'>]
    """
    waived: set[HardwareFact] = set()
    if rule.allow_weaker_gpu:
        waived |= {HardwareFact.GPU_MODEL, HardwareFact.GPU_MEMORY}
    if rule.allow_older_generation:
        waived.add(HardwareFact.CPU_GENERATION)
    if rule.allow_burstable:
        waived |= {HardwareFact.BURSTABLE, HardwareFact.FLEX}
    if not rule.same_cpu_maker:
        waived.add(HardwareFact.CPU_MAKER)
    if not rule.uses_local_storage:
        waived.add(HardwareFact.LOCAL_STORAGE)
    if not rule.keeps_bandwidth:
        waived |= {HardwareFact.NETWORK, HardwareFact.EBS}
    return frozenset(waived)


def least_memory_gb(own_gb: float, rule: HardwareRule) -> float:
    """Memory that a replacement needs, GiB."""
    return own_gb * (1.0 - max(rule.memory_tolerance, EQUAL_WITHIN))


def unknown_facts(own: Hardware, other: Hardware) -> tuple[str, ...]:
    """Facts that could not be compared and so count as equal."""
    unknown = [
        label
        for label, attribute in _COMPARED
        if getattr(own, attribute) is None or getattr(other, attribute) is None
    ]
    if _is_cpu_only(own) and _is_cpu_only(other):
        unknown = [each for each in unknown if each != "GPUs"]
    if has_gpu(own) and has_gpu(other):
        if own.gpu_model is None or other.gpu_model is None:
            unknown.append("GPU model")
        if own.gpu_memory_gb is None or other.gpu_memory_gb is None:
            unknown.append("GPU memory")
    elif _is_cpu_only(own) and (own.cpu_generation is None or other.cpu_generation is None):
        unknown.append("CPU generation")
    return tuple(unknown)


_COMPARED: Final = (
    ("vCPU", "vcpu"),
    ("memory", "memory_gb"),
    ("architecture", "architecture"),
    ("GPUs", "gpu_count"),
)


def _vcpu(own: Hardware, other: Hardware, _rule: HardwareRule) -> Shortfall | None:
    return _less(HardwareFact.VCPU, own.vcpu, other.vcpu, "")


def _memory(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    return _less(HardwareFact.MEMORY, own.memory_gb, other.memory_gb, " GiB", rule.memory_tolerance)


def _architecture(own: Hardware, other: Hardware, _rule: HardwareRule) -> Shortfall | None:
    return _differs(HardwareFact.ARCHITECTURE, own.architecture, other.architecture)


def _bare_metal(own: Hardware, other: Hardware, _rule: HardwareRule) -> Shortfall | None:
    if own.name.metal == other.name.metal:
        return None
    kinds = {True: "bare metal", False: "virtual"}
    return Shortfall(
        HardwareFact.BARE_METAL, f"{kinds[other.name.metal]} instead of {kinds[own.name.metal]}"
    )


def _accelerator(own: Hardware, other: Hardware, _rule: HardwareRule) -> Shortfall | None:
    """Accelerated for not accelerated counts too: an idle GPU is paid for nothing."""
    if has_gpu(own) and has_gpu(other):
        return None
    if own.name.accelerated != other.name.accelerated:
        return Shortfall(
            HardwareFact.ACCELERATOR, f"{_accelerators(other)} instead of {_accelerators(own)}"
        )
    if not own.name.accelerated:
        return None
    if has_gpu(own) != has_gpu(other) or own.accelerator != other.accelerator:
        return Shortfall(
            HardwareFact.ACCELERATOR, f"{_accelerators(other)} instead of {_accelerators(own)}"
        )
    return _less(HardwareFact.ACCELERATOR, own.accelerator_count, other.accelerator_count, "")


def _gpu_model(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if rule.allow_weaker_gpu or own.gpu_model is None or other.gpu_model is None:
        return None
    if own.gpu_model == other.gpu_model or {own.gpu_model, other.gpu_model} <= rule.equal_gpus:
        return None
    ours, theirs = GPUS.get(own.gpu_model), GPUS.get(other.gpu_model)
    detail = f"{_gpu_label(other.gpu_model)} instead of {_gpu_label(own.gpu_model)}"
    if ours is None or theirs is None:
        return Shortfall(HardwareFact.GPU_MODEL, f"{detail}, whose figures are unknown")
    return None if theirs.covers(ours) else Shortfall(HardwareFact.GPU_MODEL, detail)


def _gpu_memory(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if rule.allow_weaker_gpu or not (has_gpu(own) and has_gpu(other)):
        return None
    return _less(HardwareFact.GPU_MEMORY, own.gpu_memory_gb, other.gpu_memory_gb, " GiB a GPU")


def _gpu_count(own: Hardware, other: Hardware, _rule: HardwareRule) -> Shortfall | None:
    return _less(HardwareFact.GPU_COUNT, own.gpu_count, other.gpu_count, "")


def _burstable(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if rule.allow_burstable or own.name.burstable or not other.name.burstable:
        return None
    return Shortfall(HardwareFact.BURSTABLE, "its CPU is limited by credits")


def _flex(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if rule.allow_burstable or own.flex or own.name.burstable or not other.flex:
        return None
    return Shortfall(HardwareFact.FLEX, "full CPU performance 95 % of the time")


def _cpu_generation(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if rule.allow_older_generation or not _is_cpu_only(own):
        return None  # with an accelerator, the accelerator does the work
    ours, theirs = own.cpu_generation, other.cpu_generation
    if ours is None or theirs is None or theirs >= ours:
        return None
    return Shortfall(
        HardwareFact.CPU_GENERATION,
        f"{other.name.family} (generation {theirs}) instead of {own.name.family} ({ours})",
    )


def _cpu_maker(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if not rule.same_cpu_maker:
        return None
    return _differs(HardwareFact.CPU_MAKER, own.cpu_maker, other.cpu_maker)


def _local_storage(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if not rule.uses_local_storage:
        return None
    return _less(HardwareFact.LOCAL_STORAGE, own.local_nvme_gb, other.local_nvme_gb, " GB NVMe")


def _network(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if not rule.keeps_bandwidth:
        return None
    return _less(HardwareFact.NETWORK, own.network_mbps, other.network_mbps, " Mbit/s")


def _ebs(own: Hardware, other: Hardware, rule: HardwareRule) -> Shortfall | None:
    if not rule.keeps_bandwidth:
        return None
    return _less(HardwareFact.EBS, own.ebs_mbps, other.ebs_mbps, " Mbit/s")


_CHECKS: Final[tuple[Callable[[Hardware, Hardware, HardwareRule], Shortfall | None], ...]] = (
    _architecture,
    _accelerator,
    _gpu_count,
    _gpu_model,
    _gpu_memory,
    _vcpu,
    _memory,
    _bare_metal,
    _burstable,
    _flex,
    _cpu_generation,
    _cpu_maker,
    _local_storage,
    _network,
    _ebs,
)


def _less(
    fact: HardwareFact, own: float | None, other: float | None, unit: str, tolerance: float = 0.0
) -> Shortfall | None:
    if own is None or other is None or other >= own * (1.0 - max(tolerance, EQUAL_WITHIN)):
        return None
    return Shortfall(fact, f"{other:g} instead of {own:g}{unit}")


def _differs(fact: HardwareFact, own: str | None, other: str | None) -> Shortfall | None:
    if own is None or other is None or own == other:
        return None
    return Shortfall(fact, f"{other} instead of {own}")


def has_gpu(hardware: Hardware) -> bool:
    """Whether a type is known to have a GPU."""
    return bool(hardware.gpu_count) or hardware.gpu_model is not None


def _is_cpu_only(hardware: Hardware) -> bool:
    return not hardware.name.accelerated


def _accelerators(hardware: Hardware) -> str:
    if has_gpu(hardware):
        return _gpu_label(hardware.gpu_model or "GPU")
    if hardware.accelerator:
        return hardware.accelerator
    return "an accelerator" if hardware.name.accelerated else "no accelerator"


def _gpu_label(model: str) -> str:
    return GPUS[model].label if model in GPUS else model
