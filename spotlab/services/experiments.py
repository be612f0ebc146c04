"""Decisions about instances that a user sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.errors import NotFound
from spotlab.services.base import Service


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
        """One complete experiment.

        Raises:
            NotFound: not in the ledger, or of an account that the user does not see.
            Forbidden: the user may not read.
        """
        self.require(Right.READ)
        return self.if_visible(self.lab.store.ledger.get(experiment_id))

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
