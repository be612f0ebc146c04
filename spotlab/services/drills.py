"""Drills in the emulated AWS of this installation, which a user can watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import httpx

from spotlab.domain.access import Right
from spotlab.domain.decision import MOVES, Instance, Lifecycle
from spotlab.domain.drills import DrillKind
from spotlab.domain.switch_guards import SwitchingMode
from spotlab.domain.switches import Switch
from spotlab.errors import Conflict, Forbidden, NotAvailable, SpotlabError
from spotlab.services.base import Service
from spotlab.services.switches import SwitchService
from spotlab.switching.drill import confirmed_preflight, decision_on, other_pools
from spotlab.switching.guards import levels_of
from spotlab.switching.preflight.reader import account_of

Tell = Callable[[str, float], None]
REASON: Final = "drill"
_SIGNALS: Final = {
    DrillKind.NOTICE: "interruption_warning",
    DrillKind.REBALANCE: "rebalance_recommendation",
}


class DrillService(Service):
    """Drills: a signal of EC2 is sent, and what follows is the real thing."""

    __slots__ = ()

    @property
    def possible(self) -> bool:
        """Whether the AWS is emulated: a drill takes an instance."""
        return self.lab.mode.aws == "emulated"

    def run(self, kind: DrillKind, tell: Tell = lambda _text, _share: None) -> Switch:
        """Send a signal about an instance, and request the switch that its evaluation leads to.

        The switch is approved at once if the user may approve it; otherwise it waits.

        Args:
            kind: of the signal.
            tell: called with the current step and the share done.
        Returns:
            The switch.
        Raises:
            Forbidden: the user may not request switches.
            Conflict: AWS is not emulated, switching is not on, or no instance can be switched.
            NotAvailable: the emulated AWS does not answer, or the event led to no decision.
        """
        self.require(Right.REQUEST_SWITCHES)
        if not self.possible:
            raise Conflict(
                "A drill takes an instance, so it runs on an emulated AWS only.",
                remedy="Use `spotlab drill`, which has an emulated AWS of its own.",
            )
        tell("looking for an instance that can be switched", 0.1)
        instance = self._subject()
        tell(f"sending the signal about {instance.instance_id}", 0.4)
        event_id = self._emit(kind, instance)
        tell("reading the event and evaluating the instance", 0.6)
        experiment = decision_on(self.lab, event_id)
        tell("requesting the switch", 0.8)
        switches = SwitchService(self.lab, self.principal)
        moves = experiment.verdict is not None and experiment.verdict.decision in MOVES
        pool = None if moves else other_pools(self.lab, instance)[0].pool
        number = experiment.experiment_id if moves else None
        plan = switches.plan(instance.instance_id, pool=pool, experiment_id=number)
        switch = switches.request(
            instance.instance_id,
            pool=pool,
            experiment_id=number,
            confirmed=[each.code for each in plan.preflight.questions],
            reason=REASON,
        )
        try:
            return switches.approve(switch.switch_id, REASON)
        except (Conflict, Forbidden):
            return switch

    def _subject(self) -> Instance:
        """A visible spot instance that may be switched and that preflight does not refuse."""
        why = "there is no running spot instance."
        for instance in self.lab.store.fleet.instances():
            if instance.lifecycle is not Lifecycle.SPOT or instance.state != "running":
                continue
            if not self.principal.sees(instance.account):
                continue
            if self.lab.store.switches.open_of(instance.instance_id) is not None:
                continue
            levels = levels_of(self.lab, instance)
            if levels.mode is not SwitchingMode.ON:
                why = f"{levels.decisive.sentence} {levels.decisive.remedy}"
                continue
            try:
                preflight = confirmed_preflight(self.lab, instance, other_pools(self.lab, instance))
            except SpotlabError as exc:
                why = exc.message
                continue
            if not preflight.refused:
                return instance
            why = preflight.blocking[0].text
        raise Conflict("No instance can be switched in a drill.", remedy=f"The last one: {why}")

    def _emit(self, kind: DrillKind, instance: Instance) -> str:
        """Ask the emulated AWS to send the event; returns the event's id."""
        cloud = self.lab.cloud()
        address = httpx.URL(cloud.feeds.advisor).copy_with(path="/emulator/signals")
        document = {
            "kind": _SIGNALS[kind],
            "account_id": account_of(self.lab, instance.account).aws_account_id,
            "region": instance.pool.region,
            "instance_id": instance.instance_id,
        }
        try:
            answer = self.lab.http.post(address, json=document).raise_for_status()
            return str(answer.json()["event_id"])
        except (httpx.HTTPError, ValueError, KeyError) as exc:
            raise NotAvailable(
                "The emulated AWS did not send the signal.", remedy="Look at its log."
            ) from exc
