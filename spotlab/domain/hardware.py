"""Hardware of an instance type: size, GPU or accelerator, CPU generation, storage, bandwidth.

Sources: "Amazon EC2 instance types guide" (processors by family); NVIDIA data sheets of T4, A10,
L4, L40S, V100, A100, H100 and H200 (dense FP16 tensor throughput, memory bandwidth); NVIDIA CUDA
GPU compute capability; AMD Radeon Pro V520 data sheet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from spotlab.domain.instance_types import TypeName, parse_type


@dataclass(frozen=True, slots=True)
class Gpu:
    """What a GPU model can do.

    Args:
        label: as its maker writes it.
        fp16_tflops: dense FP16 tensor throughput.
        memory_gb_per_s: memory bandwidth.
        capability: major CUDA compute capability: code for a newer one does not run on an older
            one; None: not CUDA.
    """

    label: str
    fp16_tflops: float
    memory_gb_per_s: float
    capability: int | None

    def covers(self, other: Gpu) -> bool:
        """Whether it runs the same code, at least as fast in both respects."""
        if self.capability is None or other.capability is None:
            return self == other
        return (
            self.capability >= other.capability
            and self.fp16_tflops >= other.fp16_tflops
            and self.memory_gb_per_s >= other.memory_gb_per_s
        )


GPUS: Final[Mapping[str, Gpu]] = {
    "radeon-pro-v520": Gpu("Radeon Pro V520", 14.8, 512.0, None),
    "t4": Gpu("T4", 65.0, 320.0, 7),
    "t4g": Gpu("T4G", 65.0, 320.0, 7),
    "v100": Gpu("V100", 125.0, 900.0, 7),
    "a10g": Gpu("A10G", 70.0, 600.0, 8),
    "l4": Gpu("L4", 121.0, 300.0, 8),
    "l40s": Gpu("L40S", 362.0, 864.0, 8),
    "a100": Gpu("A100", 312.0, 1555.0, 8),
    "h100": Gpu("H100", 989.0, 3350.0, 9),
    "h200": Gpu("H200", 989.0, 4800.0, 9),
}
"""Models whose data sheets give both figures. Another model replaces only itself."""

_FAMILY_GPUS: Final[Mapping[str, tuple[str, float]]] = {
    # model and GiB of each GPU, as DescribeInstanceTypes says them
    "p3": ("v100", 16.0),
    "p3dn": ("v100", 32.0),
    "p4d": ("a100", 40.0),
    "p4de": ("a100", 80.0),
    "p5": ("h100", 80.0),
    "p5e": ("h200", 141.0),
    "p5en": ("h200", 141.0),
    "g4dn": ("t4", 16.0),
    "g4ad": ("radeon-pro-v520", 8.0),
    "g5": ("a10g", 22.352),
    "g5g": ("t4g", 16.0),
    "g6": ("l4", 22.352),
    "gr6": ("l4", 22.352),
    "g6e": ("l40s", 44.703),
}
_FAMILY_ACCELERATORS: Final[Mapping[str, str]] = {
    "inf1": "inferentia",
    "inf2": "inferentia2",
    "trn1": "trainium",
    "trn1n": "trainium",
    "trn2": "trainium2",
    "dl1": "gaudi",
    "dl2q": "qualcomm-ai100",
    "vt1": "u30",
    "f1": "fpga",
    "f2": "fpga",
}
"""Which chip a family has is part of its name in the instance types guide; feeds that know only
vCPU and memory are completed by it."""

_CPU_GENERATIONS: Final[Mapping[str, int]] = {
    # families whose number is not that of the m, c and r families with the same processor
    "t1": 1,
    "t2": 4,
    "t3": 5,
    "t3a": 5,
    "t4g": 6,
    "a1": 5,
    "d2": 4,
    "d3": 5,
    "d3en": 5,
    "h1": 4,
    "i2": 3,
    "i3": 4,
    "i3en": 5,
    "i4i": 6,
    "i4g": 6,
    "im4gn": 6,
    "is4gen": 6,
    "x1": 4,
    "x1e": 4,
    "x2gd": 6,
    "x2idn": 6,
    "x2iedn": 6,
    "x2iezn": 5,
    "z1d": 5,
}
_NUMBERED_SERIES: Final = frozenset({"m", "c", "r", "i", "x", "hpc"})


@dataclass(frozen=True, slots=True)
class Hardware:
    """Facts of one instance type; None where unknown.

    Args:
        instance_type: such as "g5.xlarge".
        vcpu: virtual CPUs.
        memory_gb: GiB.
        architecture: "x86_64" or "arm64".
        gpu_model: key of GPUS, or another model's name in lower case; None: no GPU, or unknown.
        gpu_count: 0 without a GPU; a share of one for fractional GPUs.
        gpu_memory_gb: GiB of each GPU.
        accelerator: model of the inference or training chip or FPGA; None: none, or unknown.
        accelerator_count: 0 without one.
        cpu_maker: "intel", "amd" or "aws".
        clock_mhz: sustained clock.
        local_nvme_gb: GB of instance store; 0 without.
        network_mbps, ebs_mbps: bandwidth, Mbit/s.
    """

    instance_type: str
    vcpu: float | None = None
    memory_gb: float | None = None
    architecture: str | None = None
    gpu_model: str | None = None
    gpu_count: float | None = None
    gpu_memory_gb: float | None = None
    accelerator: str | None = None
    accelerator_count: float | None = None
    cpu_maker: str | None = None
    clock_mhz: float | None = None
    local_nvme_gb: float | None = None
    network_mbps: float | None = None
    ebs_mbps: float | None = None

    @property
    def name(self) -> TypeName:
        """What the type's name says. Raises ValueError: it is no type's name."""
        return parse_type(self.instance_type)

    @property
    def cpu_generation(self) -> int | None:
        """Generation of the CPU, counted as the m, c and r families count; None where unknown.

        >>> Hardware("t3.large").cpu_generation, Hardware("m5.large").cpu_generation
        (5, 5)
        """
        name = self.name
        if name.family in _CPU_GENERATIONS:
            return _CPU_GENERATIONS[name.family]
        return name.generation if name.series in _NUMBERED_SERIES else None

    @property
    def flex(self) -> bool:
        """Whether full CPU performance is limited in time (the -flex families)."""
        return "flex" in self.name.options


def complete(hardware: Hardware) -> Hardware:
    """The same facts, with the GPU or accelerator that the type's family is known for.

    >>> complete(Hardware("g5.xlarge", 4, 16)).gpu_model
    'a10g'
    """
    family = hardware.name.family
    if hardware.gpu_model is None and hardware.gpu_count != 0.0 and family in _FAMILY_GPUS:
        model, memory_gb = _FAMILY_GPUS[family]
        known_gb = hardware.gpu_memory_gb
        return replace(
            hardware, gpu_model=model, gpu_memory_gb=memory_gb if known_gb is None else known_gb
        )
    if hardware.accelerator is None and family in _FAMILY_ACCELERATORS:
        return replace(hardware, accelerator=_FAMILY_ACCELERATORS[family])
    return hardware


class HardwareTable(Mapping[str, Hardware]):
    """Hardware by the name of the type. It never changes; tables with equal facts are equal, so
    that what is computed from one can be cached by its content.

    >>> HardwareTable({"m5.large": Hardware("m5.large", 2, 8)})["m5.large"].vcpu
    2
    """

    __slots__ = ("_by_type", "_hash")

    def __init__(self, by_type: Mapping[str, Hardware]) -> None:
        """Copy the facts; the hash is computed once."""
        self._by_type = dict(by_type)
        self._hash = hash(frozenset(self._by_type.values()))

    def __getitem__(self, instance_type: str) -> Hardware:
        """The facts of a type. Raises KeyError."""
        return self._by_type[instance_type]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._by_type)

    def __len__(self) -> int:
        """Number of types."""
        return len(self._by_type)

    def __hash__(self) -> int:
        """Of the content."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Whether both have the same facts."""
        if self is other:
            return True
        if not isinstance(other, HardwareTable):
            return NotImplemented
        return self._hash == other._hash and self._by_type == other._by_type
