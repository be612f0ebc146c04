"""Parser of EC2 instance type names.

Source: "Amazon EC2 instance type naming conventions" in the EC2 instance types guide: series,
generation, options, ".", size. `m7gd.2xlarge` is series m, generation 7, options g (AWS Graviton)
and d (local NVMe).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

_NAME = re.compile(r"^(?P<series>u-[0-9a-z]+|[a-z]+)(?P<generation>\d+)?(?P<options>[a-z0-9-]*)$")
_SIZE = re.compile(r"^(?P<factor>\d+)?(?P<word>nano|micro|small|medium|large|xlarge|metal)")
_LONGEST: Final = 64
_SMALL_SIZES: Final = {
    "nano": 0.0625,
    "micro": 0.125,
    "small": 0.25,
    "medium": 0.5,
    "large": 1.0,
    "xlarge": 2.0,
}
_GRACE: Final = re.compile(r"-g[bh]\d")
"""Options of types with NVIDIA's Grace processor, such as p6e-gb200; p6-b200 has Intel's."""
_APPLE_SILICON: Final = re.compile(r"mac2.*|mac-m\d.*")
_ACCELERATED_SERIES: Final = frozenset({"p", "g", "gr", "inf", "trn", "dl", "f", "vt"})


class Architecture(StrEnum):
    """Processor architecture, spelled as EC2 does."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


@dataclass(frozen=True, slots=True)
class TypeName:
    """The parts of an instance type's name.

    Args:
        family: before the dot, such as "m7gd".
        series: letters before the generation, such as "m".
        generation: such as 7; None if the name has none.
        options: letters after it, such as "gd".
        size: after the dot, such as "2xlarge".
        size_factor: in units of a "large" (2xlarge = 4.0); None for metal.
        architecture: arm64 for Graviton, NVIDIA Grace and Apple silicon, else x86_64.
        accelerated: series with a GPU, inference or training chip, or an FPGA.
        burstable: t series.
        metal: bare metal.
        local_storage: the options contain "d".
    """

    family: str
    series: str
    generation: int | None
    options: str
    size: str
    size_factor: float | None
    architecture: Architecture
    accelerated: bool
    burstable: bool
    metal: bool
    local_storage: bool


@lru_cache(maxsize=8192)
def parse_type(instance_type: str) -> TypeName:
    """Parse an instance type's name.

    Raises:
        ValueError: the name has no dot, or starts with no letter.

    >>> parse_type("m7gd.2xlarge").architecture
    <Architecture.ARM64: 'arm64'>
    >>> families = "p6e-gb200", "mac-m4", "p6-b200"
    >>> [parse_type(f"{family}.metal").architecture.value for family in families]
    ['arm64', 'arm64', 'x86_64']
    """
    family, dot, size = instance_type.partition(".")
    match = _NAME.match(family) if len(instance_type) <= _LONGEST else None
    if not dot or not size or match is None:
        raise ValueError(f"{instance_type!r} is not an instance type such as 'm6i.xlarge'")
    series, options = match["series"], match["options"]
    generation = int(match["generation"]) if match["generation"] else None
    return TypeName(
        family=family,
        series=series,
        generation=generation,
        options=options,
        size=size,
        size_factor=_size_factor(size),
        architecture=_architecture(family, generation, options),
        accelerated=series in _ACCELERATED_SERIES,
        burstable=series == "t",
        metal=size.startswith("metal"),
        local_storage="d" in options and series not in {"u"},
    )


def family_of(instance_type: str) -> str:
    """The family: the part before the dot.

    >>> family_of("c6in.large")
    'c6in'
    """
    return instance_type.partition(".")[0]


def _size_factor(size: str) -> float | None:
    match = _SIZE.match(size)
    if match is None or match["word"] == "metal":
        return None
    factor = float(match["factor"]) if match["factor"] else 1.0
    return factor * _SMALL_SIZES[match["word"]]


def _architecture(family: str, generation: int | None, options: str) -> Architecture:
    graviton = generation is not None and options.startswith("g")
    grace = _GRACE.search(options) is not None
    if graviton or grace or family == "a1" or _APPLE_SILICON.fullmatch(family):
        return Architecture.ARM64
    return Architecture.X86_64
