"""The market, its candidates and the states of the components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from spotlab.access.name_redaction import name_redactor
from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Instance
from spotlab.domain.market import MarketData
from spotlab.domain.placement import Placements
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import ComponentState, FeedSource, SnapshotInfo
from spotlab.domain.requirements import Requirements
from spotlab.domain.workload import DEFAULT_WORKLOAD, AppliedWorkload, Workload
from spotlab.errors import InvalidInput
from spotlab.monitoring.health.prober import probe_all
from spotlab.pipeline.collect import CollectReport, Progress
from spotlab.pipeline.evaluate import Evaluation, evaluate, rank_for
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.score import ScoredMarket
from spotlab.runtime.lab import Mode
from spotlab.runtime.placement_scores import placements
from spotlab.services.base import Service


class MarketService(Service):
    """Prices, candidates and components, which are the same for all users."""

    __slots__ = ()

    def may_read(self) -> None:
        """Check the right to read, for data from a cache. Raises Forbidden."""
        self.require(Right.READ)

    def read(self) -> MarketData:
        """The active market now. Raises Forbidden, NoMarketData."""
        self.require(Right.READ)
        return self.lab.market()

    def scored(self, model: str | None = None) -> ScoredMarket:
        """The active market scored by a model; see `Lab.scored`. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.scored(model)

    def rank(
        self,
        requirements: Requirements,
        policy: PolicyParams | None = None,
        model: str | None = None,
        instance: Instance | None = None,
        workload: Workload | None = None,
    ) -> Ranking:
        """The pools that meet requirements, by expected cost; see `pipeline.rank`.

        Args:
            requirements: what a pool must offer.
            policy: parameters; None: those of the active policy.
            model: "name" or "name@version"; None: the champion.
            instance: rank for its hardware, its workload and the places that its group has left, as
                its evaluation does; None: rank for nobody in particular.
            workload: instead of the instance's own; None: that one, or the default workload.
        Raises:
            Forbidden: the user may not read.
            NoMarketData: no market has been collected yet.
        """
        scored = self.scored(model)
        parameters = policy or self.lab.store.policies.active().params
        if instance is None:
            return rank(scored, requirements, parameters, workload or DEFAULT_WORKLOAD)
        self._must_see(instance)
        applied = workload or self.lab.workload_of(instance).workload
        performance = self.lab.performance(applied, scored)
        spread = self.lab.spread(parameters, [instance], workload)
        unavailable = spread.unavailable(instance.instance_id)
        return rank_for(
            instance, requirements, scored, parameters, applied, unavailable, performance
        )

    def decide(
        self,
        instance: Instance,
        applied: AppliedWorkload | None = None,
        requirements: Requirements | None = None,
    ) -> tuple[Experiment, Ranking]:
        """What an evaluation of an instance would decide now, and the ranking; nothing is recorded.

        Args:
            instance: the instance.
            applied: its workload, if it was read already; None: read it.
            requirements: instead of its own or derived ones, for a what-if; None: those.
        Raises:
            InvalidInput: its pools cannot be ranked.
            Forbidden: the user may not read, or does not see its account.
            NoMarketData: no market has been collected yet.
        """
        self._must_see(instance)
        model, note = self.lab.deciding_model(instance)
        scored = self.lab.scored(model)
        if note:
            scored = scored.with_degraded(note)
        if requirements is not None:
            instance = replace(instance, requirements=requirements)
        policy, applied = (
            self.lab.store.policies.active(),
            applied or self.lab.workload_of(instance),
        )
        spread = self.lab.spread(policy.params, [instance], applied.workload)
        decided = evaluate(
            instance,
            Evaluation(scored, policy.params, policy_version=policy.reference),
            self.lab.store.ledger.last_switch_at(instance.instance_id),
            self.lab.clock.now(),
            applied,
            spread.unavailable(instance.instance_id),
            self.lab.performance(applied.workload, scored),
        )
        if decided.ranking is None:
            raise InvalidInput(
                f"The pools for {instance.instance_id} cannot be ranked: "
                f"{decided.experiment.error}",
                remedy="Check the instance's type.",
            )
        return decided.experiment, decided.ranking

    def placements(self) -> Placements:
        """AWS's placement scores, which no decision uses. Raises Forbidden."""
        self.require(Right.READ)
        return placements(self.lab)

    def deciding_model(self, instance: Instance | None) -> tuple[str | None, str]:
        """The model that decides about an instance (None: the champion), and a sentence if that is
        not the assigned one, else "". Raises Forbidden."""
        self._must_see(instance)
        return self.lab.deciding_model(instance)

    def requirements_of(
        self, instance: Instance, applied: AppliedWorkload | None = None
    ) -> Requirements:
        """Requirements of a replacement for an instance. Raises Forbidden.

        Args:
            instance: the instance.
            applied: its workload, if it was read already; None: read it.
        """
        self._must_see(instance)
        return self.lab.requirements_of(instance, applied)

    def mode(self) -> Mode:
        """What is emulated and what is real, for visible accounts. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.mode_for(self.principal.accounts)

    def snapshots(self) -> Sequence[SnapshotInfo]:
        """Newest snapshot of each feed and region of the active market. Raises Forbidden."""
        self.require(Right.READ)
        archive = self.lab.store.archive
        active = archive.active_market()
        return archive.newest(active) if active is not None else []

    def collect(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> CollectReport:
        """Collect the live market; see `Lab.collect`. Raises Forbidden."""
        self.require(Right.COLLECT)
        return self._collected(self.lab.collect(progress, cancelled))

    def collect_files(self, files: Sequence[FeedSource]) -> CollectReport:
        """Make recorded feeds the active market; without files, see `collect`. Raises Forbidden."""
        self.require(Right.COLLECT)
        return self._collected(self.lab.collect(files=files))

    def components(
        self, probed: Sequence[ComponentState] | None = None
    ) -> Sequence[ComponentState]:
        """State of each component; names of accounts that the user does not see are redacted.

        Args:
            probed: states from a probe just now; None: probe.
        Raises:
            Forbidden: the user may not read.
        """
        self.require(Right.READ)
        states = probe_all(self.lab) if probed is None else probed
        if self.sees_all():
            return states
        hidden = name_redactor(self.lab, self.principal)
        return [replace(state, reason=hidden(state.reason)) for state in states]

    def _must_see(self, instance: Instance | None) -> None:
        self.require(Right.READ, instance.account if instance is not None else None)

    def _collected(self, report: CollectReport) -> CollectReport:
        after = {"snapshots": len(report.sources), "unchanged": report.unchanged}
        self.lab.store.audit.add(self.by(), "market.collect", str(report.market), None, after)
        if self.sees_all() or not report.errors:
            return report
        hidden = name_redactor(self.lab, self.principal)
        sources = tuple(replace(source, error=hidden(source.error)) for source in report.sources)
        return replace(report, sources=sources)
