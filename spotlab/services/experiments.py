"""Decisions, of the instances that somebody sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment
from spotlab.domain.ports import ExperimentFilter, ExperimentSummary
from spotlab.errors import NotFound
from spotlab.services.base import DeskPart


class DecisionsDesk(DeskPart):
    """The experiments of the accounts that somebody sees."""

    __slots__ = ()

    def list(
        self, where: ExperimentFilter | None = None, *, limit: int = 100, offset: int = 0
    ) -> Sequence[ExperimentSummary]:
        """Newest first. Raises Forbidden."""
        return self.lab.store.ledger.list(self._seen(where), limit=limit, offset=offset)

    def count(self, where: ExperimentFilter | None = None) -> int:
        """How many there are. Raises Forbidden."""
        return self.lab.store.ledger.count(self._seen(where))

    def get(self, experiment_id: int) -> Experiment:
        """One decision, whole.

        Raises:
            NotFound: not in the ledger, or of an account that they do not see.
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        return self.shown(self.lab.store.ledger.get(experiment_id))

    def shown(self, experiment: Experiment) -> Experiment:
        """The same, if they see its account; for one that was read already. Raises NotFound."""
        if not self.who.sees(experiment.instance.account):
            raise NotFound(
                f"Experiment {experiment.experiment_id} is not in the ledger.",
                remedy="The history lists the ones there are.",
            )
        return experiment

    def correlation_id(self, experiment: Experiment) -> str:
        """Which log lines belong to a decision; "": unknown. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return self.lab.store.ledger.correlation_id(self.shown(experiment).experiment_id)

    def oldest(self) -> ExperimentSummary | None:
        """The first decision about an instance that they see; None: there is none.

        Raises:
            Forbidden: they may not read.
        """
        found = self.list(limit=1, offset=max(0, self.count() - 1))
        return found[0] if found else None

    def latest_per_instance(self) -> Mapping[str, ExperimentSummary]:
        """The newest experiment of each instance, by instance_id. Raises Forbidden."""
        self.require(Right.READ)
        every = self.lab.store.ledger.latest_per_instance()
        return {key: found for key, found in every.items() if self.who.sees(found.account)}

    def _seen(self, where: ExperimentFilter | None) -> ExperimentFilter:
        self.require(Right.READ)
        asked, seen = where or ExperimentFilter(), self.who.accounts
        if seen is None:
            return asked
        wanted = seen if asked.accounts is None else asked.accounts
        return replace(asked, accounts=tuple(name for name in wanted if name in seen))
