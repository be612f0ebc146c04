"""A replacement is never worse in a fact that matters, and each refusal names the fact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from spotlab.domain.hardware import GPUS, Hardware
from spotlab.domain.like_for_like import (
    HardwareFact,
    HardwareRule,
    shortfall,
    unknown_facts,
)

DEFAULT = HardwareRule()
M6I = Hardware("m6i.large", 2, 8, "x86_64", gpu_count=0, cpu_maker="intel", local_nvme_gb=0)
M6ID = replace(M6I, instance_type="m6id.large", local_nvme_gb=118)
A10G = Hardware("g5.12xlarge", 48, 192, "x86_64", "a10g", 4, 22.35)
L4 = Hardware("g6.12xlarge", 48, 192, "x86_64", "l4", 4, 22.35)
T4 = Hardware("g4dn.12xlarge", 48, 192, "x86_64", "t4", 4, 16)


@pytest.mark.parametrize(
    ("own", "other", "reason"),
    [
        (A10G, T4, "weaker GPU: T4 instead of A10G"),
        (L4, T4, "weaker GPU: T4 instead of L4"),
        (A10G, replace(A10G, instance_type="g5.xlarge", gpu_count=1), "fewer GPUs: 1 instead of 4"),
        (A10G, replace(L4, gpu_model="l40s", gpu_memory_gb=16), "less GPU memory: 16 instead of"),
        (A10G, Hardware("p3dn.24xlarge", 96, 768, "x86_64", "v100", 8, 32), "weaker GPU: V100"),
        (A10G, M6I, "another accelerator: no accelerator instead of A10G"),
        (M6I, A10G, "another accelerator: A10G instead of no accelerator"),
        (M6I, replace(M6I, instance_type="m5.large"), "older CPU generation: m5 (generation 5)"),
        (M6I, replace(M6I, instance_type="t3.large"), "burstable CPU"),
        (M6I, replace(M6I, instance_type="m7i-flex.large"), "flex CPU"),
        (M6I, replace(M6I, instance_type="m6g.large", architecture="arm64"), "another processor"),
        (M6I, replace(M6I, instance_type="c6i.large", memory_gb=4), "less memory: 4 instead of 8"),
        (M6I, replace(M6I, instance_type="m6i.medium", vcpu=1), "fewer vCPU: 1 instead of 2"),
        (M6I, replace(M6I, instance_type="m6i.metal"), "bare metal on one side only"),
        (
            Hardware("inf2.xlarge", 4, 16, accelerator="inferentia2", gpu_count=0),
            A10G,
            "another accelerator: A10G instead of inferentia2",
        ),
        (
            replace(A10G, instance_type="g7.12xlarge", gpu_model="rtx-pro-4500"),
            A10G,
            "weaker GPU: A10G instead of rtx-pro-4500, whose figures are unknown",
        ),
    ],
)
def test_a_worse_replacement_is_refused_with_the_fact(
    own: Hardware, other: Hardware, reason: str
) -> None:
    assert str(shortfall(own, other, DEFAULT)).startswith(reason)


@pytest.mark.parametrize(
    ("own", "other"),
    [
        (M6I, replace(M6I, instance_type="m7i.large")),
        (M6I, replace(M6I, instance_type="m6a.large", cpu_maker="amd")),
        (M6I, replace(M6I, instance_type="r6i.large", memory_gb=16)),
        (M6ID, M6I),
        (replace(M6I, instance_type="t3.large"), replace(M6I, instance_type="m5.large")),
        (replace(M6I, instance_type="t3.large"), replace(M6I, instance_type="m7i-flex.large")),
        (T4, A10G),
        (T4, replace(L4, gpu_model="l40s")),
        (A10G, replace(A10G, instance_type="g5.24xlarge", vcpu=96, memory_gb=384)),
    ],
)
def test_equal_and_better_hardware_is_accepted(own: Hardware, other: Hardware) -> None:
    assert shortfall(own, other, DEFAULT) is None


@pytest.mark.parametrize(
    ("own", "other", "rule", "fact"),
    [
        (M6ID, M6I, HardwareRule(uses_local_storage=True), HardwareFact.LOCAL_STORAGE),
        (
            M6I,
            replace(M6I, instance_type="m6a.large", cpu_maker="amd"),
            HardwareRule(same_cpu_maker=True),
            HardwareFact.CPU_MAKER,
        ),
        (
            replace(M6I, network_mbps=12_500),
            replace(M6I, instance_type="m7i.large", network_mbps=5_000),
            HardwareRule(keeps_bandwidth=True),
            HardwareFact.NETWORK,
        ),
        (
            replace(M6I, ebs_mbps=10_000),
            replace(M6I, instance_type="m7i.large", ebs_mbps=650),
            HardwareRule(keeps_bandwidth=True),
            HardwareFact.EBS,
        ),
    ],
)
def test_a_workload_can_ask_for_more(
    own: Hardware, other: Hardware, rule: HardwareRule, fact: HardwareFact
) -> None:
    assert shortfall(own, other, DEFAULT) is None
    found = shortfall(own, other, rule)
    assert found is not None
    assert found.fact is fact


def test_a_workload_can_allow_more() -> None:
    seven_and_a_half = replace(M6I, instance_type="r6i.medium", memory_gb=7.5)
    assert shortfall(M6I, seven_and_a_half, DEFAULT) is not None
    assert shortfall(M6I, seven_and_a_half, HardwareRule(memory_tolerance=0.07)) is None
    assert shortfall(A10G, T4, HardwareRule(allow_weaker_gpu=True)) is None
    assert shortfall(A10G, L4, DEFAULT) is not None, "half the memory bandwidth"
    assert shortfall(A10G, L4, HardwareRule(equal_gpus=frozenset({"a10g", "l4"}))) is None
    older = replace(M6I, instance_type="m5.large")
    assert shortfall(M6I, older, HardwareRule(allow_older_generation=True)) is None
    burstable = replace(M6I, instance_type="t4.large")
    assert shortfall(M6I, burstable, HardwareRule(allow_burstable=True)) is None


def test_unknown_facts_count_as_equal_and_are_named() -> None:
    unknown = Hardware("g5.12xlarge", gpu_count=4)
    assert shortfall(unknown, L4, DEFAULT) is None
    assert unknown_facts(unknown, L4) == (
        "vCPU",
        "memory",
        "architecture",
        "GPU model",
        "GPU memory",
    )
    assert unknown_facts(M6I, replace(M6I, instance_type="u7i.large")) == ("CPU generation",)
    assert unknown_facts(M6I, M6ID) == ()


def test_replacing_is_transitive_between_gpu_models() -> None:
    for first in GPUS.values():
        for second in GPUS.values():
            for third in GPUS.values():
                if first.covers(second) and second.covers(third):
                    assert first.covers(third)


def test_a_type_always_replaces_itself() -> None:
    strict = HardwareRule(same_cpu_maker=True, uses_local_storage=True, keeps_bandwidth=True)
    for hardware in (M6I, M6ID, A10G, Hardware("m1.small")):
        assert shortfall(hardware, hardware, strict) is None
