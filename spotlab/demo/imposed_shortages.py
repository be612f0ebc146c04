"""Shortages that a drill imposes on the emulated AWS: a region runs short of a family for a while.

Launches there are refused, placement scores count its pools as full, and some of the running spot
instances are interrupted with the usual warning. Prices and advisor buckets stay as they are: they
are a function of the seed and the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models import ec2_backends

from spotlab.demo.catalogue import REGIONS, TYPES
from spotlab.demo.signals import Signal, SignalKind, emit
from spotlab.demo.world import World
from spotlab.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class ImposedShortage:
    """A shortage.

    Args:
        family: such as "m5".
        region: such as "us-east-1".
        hours: how long it lasts, above 0.
        interrupted: how many running spot instances of it are interrupted when it begins.
    """

    family: str
    region: str
    hours: float = 6.0
    interrupted: int = 0

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> ImposedShortage:
        """A shortage from its JSON document.

        Raises:
            InvalidInput: a field is missing, unknown or wrong.
        """
        try:
            shortage = cls(**document)
            families = sorted({spec.family.name for spec in TYPES})
            if shortage.family not in families:
                raise ValueError(f"the family must be one of {', '.join(families)}")
            if shortage.region not in {region.name for region in REGIONS}:
                raise ValueError(f"there is no region {shortage.region!r}")
            if not 0.0 < shortage.hours <= 1_000.0 or shortage.interrupted < 0:
                raise ValueError("hours must be above 0 and up to 1,000, interrupted 0 or more")
            return shortage
        except TypeError as exc:
            raise InvalidInput(
                f"The shortage {dict(document)!r} is not valid: {exc}.",
                remedy="Give family and region, and optionally hours and interrupted.",
            ) from exc
        except ValueError as exc:
            raise InvalidInput(
                f"The shortage {dict(document)!r} is not valid: {exc}.",
                remedy="Give family and region, and optionally hours and interrupted.",
            ) from exc


def impose(world: World, shortage: ImposedShortage) -> int:
    """Begin a shortage; returns how many instances get an interruption warning."""
    key = (shortage.region, shortage.family)
    world.short.add(key)
    world.timeline.after(shortage.hours * 3600, lambda: world.short.discard(key))
    warned = 0
    for account in world.accounts:
        for instance in ec2_backends[account.account_id][shortage.region].all_running_instances():
            family = instance.instance_type.partition(".")[0]
            if warned == shortage.interrupted or family != shortage.family:
                continue
            if instance.lifecycle == "spot":
                kind = SignalKind.INTERRUPTION
                emit(world, Signal(kind, account.account_id, shortage.region, instance.id))
                warned += 1
    return warned
