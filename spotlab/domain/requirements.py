"""What a replacement pool must offer."""

from __future__ import annotations

from dataclasses import dataclass

from spotlab.domain.market import LINUX


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a pool must offer. None: no requirement; an empty tuple: any.

    Args:
        regions: allowed regions.
        zones: allowed availability zones.
        families: allowed instance families.
        vcpu_min, vcpu_max: virtual CPUs.
        memory_gb_min, memory_gb_max: GiB.
        architecture: "x86_64" or "arm64".
        accelerator: True: required; False: not allowed; None: either.
        burstable: True: only t series types; False: none of them; None: either.
        max_advisor_bucket: highest allowed advisor bucket, 0..4.
        operating_system: "Linux" or "Windows".
    """

    regions: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    vcpu_min: float | None = None
    vcpu_max: float | None = None
    memory_gb_min: float | None = None
    memory_gb_max: float | None = None
    architecture: str | None = None
    accelerator: bool | None = None
    burstable: bool | None = None
    max_advisor_bucket: int | None = None
    operating_system: str = LINUX
