"""Signals of EC2 about an instance, for drills: warnings, recommendations, state changes.

After an interruption warning, the instance is reclaimed two minutes later.
Source: EC2 User Guide, "Spot Instance interruption notices" (two minutes; StateReason
Server.SpotInstanceTermination) and "EC2 instance rebalance recommendations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from moto.ec2.models import ec2_backends

from spotlab.demo import event_bus
from spotlab.demo.instance_states import reclaim
from spotlab.demo.world import World
from spotlab.errors import InvalidInput

NOTICE_S: Final = 120.0
"""Time from the warning to the interruption."""


class SignalKind(StrEnum):
    """What EC2 says about an instance."""

    INTERRUPTION = "interruption_warning"
    REBALANCE = "rebalance_recommendation"
    STATE = "state_change"


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal.

    Args:
        kind: what EC2 says.
        account_id: 12 digits.
        region: of the instance.
        instance_id: an instance, which need not exist unless it is to be reclaimed.
        state: for `state_change`; the instance itself stays as it is.
        reclaims: for `interruption_warning`: whether the instance is reclaimed after 120 s.
    """

    kind: SignalKind
    account_id: str
    region: str
    instance_id: str
    state: str = "running"
    reclaims: bool = True

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Signal:
        """A signal from its JSON document.

        Raises:
            InvalidInput: a field is missing, unknown or wrong.
        """
        try:
            return cls(**{**document, "kind": SignalKind(document["kind"])})
        except (TypeError, KeyError, ValueError) as exc:
            raise InvalidInput(
                f"The signal {dict(document)!r} is not valid: {exc}.",
                remedy=f"Give kind ({', '.join(SignalKind)}), account_id, region and instance_id.",
            ) from exc


def emit(world: World, signal: Signal) -> str:
    """Send a signal to EventBridge; reclaim the instance 120 s after a warning.

    Returns:
        The event's id.
    Raises:
        InvalidInput: no such account or region.
    """
    regions = {each.account_id: each.regions for each in world.accounts}
    if signal.region not in regions.get(signal.account_id, ()):
        raise InvalidInput(
            f"The emulated AWS has no account {signal.account_id!r} with {signal.region!r}.",
            remedy=f"Use one of {', '.join(sorted(regions))} and a region of the account.",
        )
    if signal.kind is SignalKind.STATE:
        detail_type = "EC2 Instance State-change Notification"
        detail = {"instance-id": signal.instance_id, "state": signal.state}
    elif signal.kind is SignalKind.REBALANCE:
        detail_type = "EC2 Instance Rebalance Recommendation"
        detail = {"instance-id": signal.instance_id}
    else:
        detail_type = "EC2 Spot Instance Interruption Warning"
        detail = {"instance-id": signal.instance_id, "instance-action": "terminate"}
        if signal.reclaims:
            world.timeline.after(NOTICE_S, lambda: _reclaim(world, signal))
    return event_bus.send(signal.account_id, signal.region, detail_type, detail, world.clock.now())


def _reclaim(world: World, signal: Signal) -> None:
    backend = ec2_backends[signal.account_id][signal.region]
    instance = backend.get_instance_by_id(signal.instance_id)
    if instance is not None:
        reclaim(world, instance)
