"""Instances: their settings and evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance, PipelineMode
from spotlab.domain.instance_facts import InstanceFacts
from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary, ModelRecord, Topic
from spotlab.domain.requirements import Requirements
from spotlab.domain.simultaneous_losses import FleetLosses, LossCorrelation, fleet_losses
from spotlab.domain.workload import applied_workload
from spotlab.errors import InvalidInput, NotFound
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.spread import group_of
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.model_catalogue import find_one_version
from spotlab.runtime.model_selection import RISK_TASK, select_model
from spotlab.services.base import Service
from spotlab.settings import Settings
from spotlab.switching.preflight.reader import account_of, reader_of


@dataclass(frozen=True, slots=True)
class Pipeline:
    """State of an instance's evaluation.

    Args:
        instance: the instance.
        model: "name@version" of the model that decides; None: no model can be used.
        note: why it is not the assigned model, or why there is none; else "".
        latest: the newest decision, or None.
    """

    instance: Instance
    model: str | None
    note: str
    latest: ExperimentSummary | None

    @property
    def state(self) -> str:
        """off, never evaluated, failed, degraded or decided."""
        if self.instance.mode is PipelineMode.OFF:
            return "off"
        if self.latest is None:
            return "never evaluated"
        if self.latest.error:
            return "failed"
        return "degraded" if self.latest.degraded else "decided"


def loss_correlation(settings: Settings) -> LossCorrelation:
    """The correlation of losses that the settings give."""
    return LossCorrelation(
        settings.loss_same_pool,
        settings.loss_same_type,
        settings.loss_same_zone,
        settings.loss_within_min,
        settings.loss_source,
    )


class InstanceService(Service):
    """The instances of the accounts that the user sees."""

    __slots__ = ()

    def list(self, *, active_only: bool = True) -> list[Instance]:
        """Instances by account, name and id. Raises Forbidden."""
        self.require(Right.READ)
        instances = self.lab.store.fleet.instances(active_only=active_only)
        return [instance for instance in instances if self.principal.sees(instance.account)]

    def get(self, instance_id: str) -> Instance:
        """One instance.

        Raises:
            NotFound: not in the fleet, or of an account that the user does not see.
            Forbidden: the user may not read.
        """
        self.require(Right.READ)
        instance = self.lab.store.fleet.instance(instance_id)
        if not self.principal.sees(instance.account):
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet.",
                remedy="Check its id, or collect its account first.",
            )
        return instance

    def set_shadow(
        self, instance_id: str, shadow: bool, reason: str = "", expected: Instance | None = None
    ) -> Instance:
        """Turn shadow mode on or off.

        Args:
            instance_id: the instance.
            shadow: True: its decisions are only recorded.
            reason: for the audit log.
            expected: the instance when the change was prepared; None: in any state.
        Raises:
            NotFound, Forbidden: as in `get`, or the user may not change instances.
            ChangedMeanwhile: the instance is not as expected.
        """
        self._may_change(instance_id)
        self.lab.store.fleet.set_shadow(instance_id, shadow, self.by(reason), expected)
        return self._changed(instance_id)

    def set_mode(
        self,
        instance_id: str,
        mode: PipelineMode,
        reason: str = "",
        expected: Instance | None = None,
    ) -> Instance:
        """Set the pipeline that evaluates it. Raises NotFound, Forbidden, ChangedMeanwhile."""
        self._may_change(instance_id)
        self.lab.store.fleet.set_mode(instance_id, mode, self.by(reason), expected)
        return self._changed(instance_id)

    def set_requirements(
        self,
        instance_id: str,
        requirements: Requirements | None,
        reason: str = "",
        expected: Instance | None = None,
    ) -> Instance:
        """Set the requirements of a replacement; None: derived from the instance's type.

        Raises:
            NotFound, Forbidden: as in `get`, or the user may not change instances.
            ChangedMeanwhile: the instance is not as expected.
        """
        self._may_change(instance_id)
        self.lab.store.fleet.set_requirements(instance_id, requirements, self.by(reason), expected)
        return self._changed(instance_id)

    def assign(
        self,
        instance_id: str,
        reference: str | None,
        reason: str = "",
        expected: Instance | None = None,
    ) -> ModelRecord | None:
        """Assign a model version to an instance.

        Args:
            instance_id: the instance.
            reference: "name@version"; None or "champion": whichever model is the champion.
            reason: why.
            expected: the instance as it was when the change was prepared; None: in any state.
        Returns:
            The version, or None for the champion.
        Raises:
            NotFound: no such instance or version.
            InvalidInput: the version is disabled, rejected, archived or for another task.
            Forbidden: the user may not change instances.
            ChangedMeanwhile: the instance is not as expected.
        """
        self._may_change(instance_id)
        record = None
        if reference is not None and reference != ModelState.CHAMPION:
            record = find_one_version(self.lab.store.registry, reference)
            if record.task != RISK_TASK:
                raise InvalidInput(
                    f"Model {record.reference} is for the task {record.task}.",
                    remedy=f"An instance is evaluated by a model of the task {RISK_TASK}.",
                )
        self.lab.store.registry.assign(instance_id, record, self.by(reason), expected)
        self.lab.bus.publish(Topic.FLEET)
        return record

    def evaluate(
        self,
        instance_ids: Sequence[str] | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Sequence[Experiment]:
        """Evaluate instances and record each decision; see `evaluate_instances`.

        Args:
            instance_ids: the instances; None: every active one that the user sees and whose
                pipeline is on.
            progress, cancelled: as in `evaluate_instances`.
        Raises:
            Forbidden, NotFound: no decision was made.
        """
        self.require(Right.EVALUATE)
        if instance_ids is None:
            if self.sees_all():
                return evaluate_instances(self.lab, None, progress, cancelled)
            on = [i.instance_id for i in self.list() if i.mode is not PipelineMode.OFF]
            return evaluate_instances(self.lab, on, progress, cancelled)
        chosen = [self.get(instance_id).instance_id for instance_id in instance_ids]
        return evaluate_instances(self.lab, chosen, progress, cancelled)

    def evaluate_summaries(self, instance_ids: Sequence[str] | None) -> Sequence[ExperimentSummary]:
        """Evaluate instances and return the summaries. Raises as `evaluate`."""
        ids = [experiment.experiment_id for experiment in self.evaluate(instance_ids)]
        summaries = {each.experiment_id: each for each in self.lab.store.ledger.of(ids)}
        return [summaries[experiment_id] for experiment_id in ids]

    def losses(
        self,
        instances: Sequence[Instance] | None = None,
        decisions: Mapping[str, ExperimentSummary] | None = None,
    ) -> FleetLosses:
        """Instances lost together, now and after the newest decisions. Raises Forbidden.

        Args:
            instances: as from `list`; None: read now.
            decisions: newest decision of each, by instance_id; None: read now.
        """
        self.require(Right.READ)
        if instances is None:
            instances = self.list()
        if decisions is None:
            decisions = self.lab.store.ledger.latest_per_instance()
        store = self.lab.store.workloads
        assignments, workloads = store.assignments(), store.newest()

        def group(instance: Instance) -> tuple[str, float]:
            workload = applied_workload(instance, assignments, workloads).workload
            return group_of(instance, workload).full_label, workload.max_pool_share

        return fleet_losses(instances, decisions, loss_correlation(self.lab.settings), group)

    def discover(self, instance_id: str) -> InstanceFacts:
        """What a switch of the instance must keep, read in AWS now; nothing is changed.

        Returns:
            Its facts; those that could not be read say why.
        Raises:
            NotFound: as in `get`, or EC2 has no such instance.
            Forbidden: the user may not read from AWS.
            AwsError: the instance itself could not be read.
        """
        instance = self.get(instance_id)
        self.require(Right.COLLECT, instance.account)
        account = account_of(self.lab, instance.account)
        return reader_of(self.lab).facts(account, instance.pool.region, instance_id)

    def pipeline(self, instance_id: str) -> Pipeline:
        """State of its evaluation. Raises NotFound, Forbidden."""
        instance = self.get(instance_id)
        where = ExperimentFilter(instance_id=instance_id)
        latest = next(iter(self.lab.store.ledger.list(where, limit=1)), None)
        try:
            model, note = select_model(self.lab.store.registry, self.lab.predictor, instance.model)
        except (InvalidInput, NotFound) as exc:
            return Pipeline(instance, None, str(exc), latest)
        return Pipeline(instance, f"{model.name}@{model.version}", note, latest)

    def _may_change(self, instance_id: str) -> None:
        self.require(Right.CHANGE_INSTANCES, self.get(instance_id).account)

    def _changed(self, instance_id: str) -> Instance:
        self.lab.bus.publish(Topic.FLEET)
        return self.get(instance_id)
