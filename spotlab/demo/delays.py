"""How long things take in the emulated AWS, seconds of its monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final


@dataclass(frozen=True, slots=True)
class Delays:
    """Durations in seconds.

    Args:
        boot_s: from a launch or start to "running".
        checks_s: from "running" to 2/2 status checks.
        shutting_down_s: from a termination to "terminated".
        stopping_s: from a stop to "stopped".
        reboot_s: for which status checks fail after a reboot.
        image_s: until an image and its snapshots are complete.
        attach_s: until a volume is attached.
        volume_busy_s: for which a volume stays in use after a request to detach it.
        target_healthy_s: until a registered target is healthy.
        deregistration_share: share of a target group's deregistration delay that is waited.
        terminated_listed_s: for which EC2 lists a terminated instance.
    """

    boot_s: float
    checks_s: float
    shutting_down_s: float
    stopping_s: float
    reboot_s: float
    image_s: float
    attach_s: float
    volume_busy_s: float
    target_healthy_s: float
    deregistration_share: float
    terminated_listed_s: float

    def scaled(self, factor: float) -> Delays:
        """All durations times a factor."""
        return Delays(**{each.name: getattr(self, each.name) * factor for each in fields(self)})


FAST: Final = Delays(
    boot_s=2.0,
    checks_s=4.0,
    shutting_down_s=2.0,
    stopping_s=2.0,
    reboot_s=2.0,
    image_s=4.0,
    attach_s=0.5,
    volume_busy_s=1.0,
    target_healthy_s=2.0,
    deregistration_share=0.01,
    terminated_listed_s=3600.0,
)
"""Long enough to observe, short enough to wait for."""
REALISTIC: Final = Delays(
    boot_s=40.0,
    checks_s=60.0,
    shutting_down_s=30.0,
    stopping_s=30.0,
    reboot_s=40.0,
    image_s=45.0,
    attach_s=3.0,
    volume_busy_s=10.0,
    target_healthy_s=10.0,
    deregistration_share=1.0,
    terminated_listed_s=3600.0,
)
"""Of the order of what AWS takes; AWS promises no times."""
DELAYS: Final[Mapping[str, Delays]] = {"fast": FAST, "realistic": REALISTIC}
