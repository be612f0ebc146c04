"""Decisions about instances that a user sees."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.policy import DEFAULT_POLICY, PolicyParams, with_changes
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.domain.workload import AppliedWorkload, AssignmentScope
from spotlab.errors import InvalidInput, NotFound
from spotlab.runtime.replay import Replay, open_experiment, replay_experiment
from spotlab.services.base import Service
from spotlab.services.policies import PolicyService
from spotlab.services.workloads import WorkloadService
from spotlab.telemetry.invisible_characters import visible

CHANGED_POLICY: Final = "changed@0"
"""Stands for parameters that have no version."""


_REFERENCE: Final = re.compile(r"[A-Za-z0-9_-]+(@[0-9]+)?")


class ExperimentService(Service):
    """The experiments of the accounts that the user sees."""

    __slots__ = ()

    def list(
        self, where: ExperimentFilter | None = None, *, limit: int = 100, offset: int = 0
    ) -> Sequence[ExperimentSummary]:
        """Experiments, newest first. Raises Forbidden."""
        return self.lab.store.ledger.list(self._visible(where), limit=limit, offset=offset)

    def count(self, where: ExperimentFilter | None = None) -> int:
        """Number of experiments. Raises Forbidden."""
        return self.lab.store.ledger.count(self._visible(where))

    def get(self, experiment_id: int) -> Experiment:
        """One complete experiment, with its candidates.

        They are derived from the market of its run; if that was deleted, there are none.

        Raises:
            NotFound: not in the ledger, or of an account that the user does not see.
            Forbidden: the user may not read.
        """
        return open_experiment(self.lab, self.recorded(experiment_id))

    def recorded(self, experiment_id: int) -> Experiment:
        """One experiment without candidates. Raises NotFound, Forbidden: see `get`."""
        self.require(Right.READ)
        return self.if_visible(self.lab.store.ledger.get(experiment_id))

    def replay(
        self,
        experiment_id: int,
        model: str | None = None,
        policy: str | None = None,
        workload: str | None = None,
    ) -> Replay:
        """Make a decision again, as it was or with another model, policy or workload.

        Args:
            experiment_id: of the decision.
            model: "name" or "name@version"; None: the recorded predictions.
            policy: "name" or "name@version", or changed parameters as a JSON object, such as
                {"risk_ceiling": 0.02}; None: the recorded ones.
            workload: "name" or "name@version"; None: the recorded one.
        Raises:
            NotFound: no such decision, model, policy or workload, or its market was deleted.
            NotAvailable: it was recorded before the markets of runs were, without what is needed.
            InvalidInput: `policy` names no parameter, or gives it no valid number.
            Forbidden: the user may not read.
        """
        experiment = self.recorded(experiment_id)
        applied = None
        if workload is not None:
            found = WorkloadService(self.lab, self.principal).get(workload)
            applied = AppliedWorkload(
                found, AssignmentScope.INSTANCE, experiment.instance.instance_id
            )
        if policy is None:
            return replay_experiment(self.lab, experiment, model, applied=applied)
        if _REFERENCE.fullmatch(policy):
            version = PolicyService(self.lab, self.principal).get(policy).policy
            return replay_experiment(
                self.lab, experiment, model, version.params, version.reference, applied
            )
        parameters = _changed(experiment.policy, policy)
        return replay_experiment(self.lab, experiment, model, parameters, CHANGED_POLICY, applied)

    def if_visible(self, experiment: Experiment) -> Experiment:
        """The experiment, if the user sees its account. Raises NotFound."""
        if not self.principal.sees(experiment.instance.account):
            raise NotFound(
                f"Experiment {experiment.experiment_id} is not in the ledger.",
                remedy="The history lists all experiments.",
            )
        return experiment

    def correlation_id(self, experiment: Experiment) -> str:
        """Correlation id of a decision's log lines; "": unknown. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return self.lab.store.ledger.correlation_id(self.if_visible(experiment).experiment_id)

    def oldest(self) -> ExperimentSummary | None:
        """The oldest experiment that the user sees, or None. Raises Forbidden."""
        oldest = self.list(limit=1, offset=max(0, self.count() - 1))
        return oldest[0] if oldest else None

    def latest_per_instance(self) -> Mapping[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id. Raises Forbidden."""
        self.require(Right.READ)
        latest = self.lab.store.ledger.latest_per_instance()
        return {key: each for key, each in latest.items() if self.principal.sees(each.account)}

    def _visible(self, where: ExperimentFilter | None) -> ExperimentFilter:
        self.require(Right.READ)
        where, visible = where or ExperimentFilter(), self.principal.accounts
        if visible is None:
            return where
        requested = visible if where.accounts is None else where.accounts
        return replace(where, accounts=tuple(name for name in requested if name in visible))


def _changed(policy: PolicyParams, changes: str) -> PolicyParams:
    """A policy with some parameters changed. Raises InvalidInput: see `replay`."""
    try:
        values = msgspec.json.decode(changes.encode(), type=dict[str, float])
    except (msgspec.MsgspecError, UnicodeEncodeError):
        values = {}
    if not values:
        raise InvalidInput(
            f"{visible(changes[:80])!r} is no JSON object of numbers.",
            remedy='Use the parameters to change, such as {"risk_ceiling": 0.02}.',
            field="policy",
        )
    recorded = replace(DEFAULT_POLICY, params=policy)
    return replace(recorded, params=with_changes(recorded, values)).params
