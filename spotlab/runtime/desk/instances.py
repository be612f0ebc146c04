"""Instances: who sees them, what is set on them, and evaluating them. Runtime floor."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance, PipelineMode, PolicyParams, Requirements
from spotlab.domain.ports import ModelRecord, Topic
from spotlab.errors import NotFound
from spotlab.pipeline.collect import Progress
from spotlab.runtime.desk.base import DeskPart
from spotlab.runtime.registry import ModelDesk


class InstancesDesk(DeskPart):
    """The instances of the accounts that somebody sees."""

    __slots__ = ()

    def list(self, *, active_only: bool = True) -> list[Instance]:
        """By account, then name, then id. Raises Forbidden."""
        self.require(Right.READ)
        every = self.lab.store.fleet.instances(active_only=active_only)
        return [instance for instance in every if self.who.sees(instance.account)]

    def get(self, instance_id: str) -> Instance:
        """One of them.

        Raises:
            NotFound: not in the fleet, or of an account that they do not see.
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        instance = self.lab.store.fleet.instance(instance_id)
        if not self.who.sees(instance.account):
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet.",
                remedy="Check its id, or collect its account first.",
            )
        return instance

    def set_shadow(self, instance_id: str, shadow: bool, reason: str = "") -> Instance:
        """Shadow on: record only. Raises NotFound, Forbidden."""
        self._may_change(instance_id)
        self.lab.store.fleet.set_shadow(instance_id, shadow, self.by(reason))
        return self._changed(instance_id)

    def set_mode(self, instance_id: str, mode: PipelineMode, reason: str = "") -> Instance:
        """Which pipeline evaluates it. Raises NotFound, Forbidden."""
        self._may_change(instance_id)
        self.lab.store.fleet.set_mode(instance_id, mode, self.by(reason))
        return self._changed(instance_id)

    def set_requirements(
        self, instance_id: str, requirements: Requirements | None, reason: str = ""
    ) -> Instance:
        """What a replacement must offer; None: derived from its own type.

        Raises:
            NotFound, Forbidden: as in `get`, or they may not change instances.
        """
        self._may_change(instance_id)
        self.lab.store.fleet.set_requirements(instance_id, requirements, self.by(reason))
        return self._changed(instance_id)

    def assign(
        self, instance_id: str, reference: str | None, reason: str = ""
    ) -> ModelRecord | None:
        """Let an instance be evaluated by a version of its own; see `ModelDesk.assign`.

        Raises:
            NotFound, InvalidInput, Forbidden: nothing changed.
        """
        self._may_change(instance_id)
        record = ModelDesk.of(self.lab).assign(instance_id, reference, self.who, reason)
        self.lab.bus.publish(Topic.FLEET)
        return record

    def evaluate(
        self,
        instance_ids: Sequence[str] | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        policy: PolicyParams | None = None,
    ) -> Sequence[Experiment]:
        """Decide about instances, and record each decision; see `Lab.evaluate`.

        Args:
            instance_ids: which; None: every active one that they see and whose pipeline is on.
            progress, cancelled, policy: as in `Lab.evaluate`.
        Raises:
            Forbidden, NotFound: before anything is decided.
        """
        self.require(Right.EVALUATE)
        if instance_ids is None:
            every = self.who.accounts is None
            on = [i.instance_id for i in self.list() if i.mode is not PipelineMode.OFF]
            return self.lab.evaluate(None if every else on, progress, cancelled, policy)
        chosen = [self.get(instance_id).instance_id for instance_id in instance_ids]
        return self.lab.evaluate(chosen, progress, cancelled, policy)

    def _may_change(self, instance_id: str) -> None:
        self.require(Right.CHANGE_INSTANCES, self.get(instance_id).account)

    def _changed(self, instance_id: str) -> Instance:
        self.lab.bus.publish(Topic.FLEET)
        return self.get(instance_id)
