"""Policies: their versions and states, what those in shadow decide, and previews."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from spotlab.domain.access import Right
from spotlab.domain.decision import Experiment, Verdict
from spotlab.domain.plain_names import MAX_NAME
from spotlab.domain.policy import (
    ParameterChange,
    Policy,
    PolicyState,
    PolicyVersion,
    differences,
    find,
    with_changes,
)
from spotlab.domain.ports import ExperimentFilter, Topic
from spotlab.errors import Cancelled, InvalidInput, NotAvailable, NotFound
from spotlab.pipeline.collect import Progress
from spotlab.pipeline.policy_preview import PolicyPreview, PreviewTally
from spotlab.pipeline.shadow import Comparison, compare
from spotlab.runtime.replay import decide_again
from spotlab.services.base import Service
from spotlab.telemetry.invisible_characters import hides_something, visible

MAX_DAYS: Final = 366.0
DEFAULT_DAYS: Final = 30.0
MAX_IN_SHADOW: Final = 100_000
_BATCH: Final = 200


class PolicyService(Service):
    """Policies, which decide about the instances of every account."""

    __slots__ = ()

    def versions(self, name: str | None = None) -> Sequence[PolicyVersion]:
        """Every version (of one name) with its history, by name, then newest first.

        Raises:
            NotFound: no policy of that name.
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        versions = self.lab.store.policies.versions()
        if name is None:
            return versions
        found = [each for each in versions if each.policy.name == name]
        if not found:
            names = sorted({each.policy.name for each in versions})
            raise NotFound(
                f"There is no policy {name!r}.", remedy=f"Available: {', '.join(names)}."
            )
        return found

    def get(self, reference: str | None = None) -> PolicyVersion:
        """A version by "name@version" or "name" (its newest version); None: the active one.

        Raises:
            NotFound: no such policy or version.
            Forbidden: they may not read.
        """
        if reference is None:
            return next(each for each in self.versions() if each.state is PolicyState.ACTIVE)
        name, _, version = reference.partition("@")
        found = find(self.versions(name), name, version)
        if found is None:
            raise NotFound(
                f"Policy {name!r} has no version {version!r}.",
                remedy=f"`spotlab policies show {name}` lists its versions.",
            )
        return found

    def save(
        self,
        name: str,
        changes: Mapping[str, float],
        *,
        base: str | None = None,
        description: str | None = None,
        reason: str = "",
        expected_version: int | None = None,
    ) -> PolicyVersion:
        """Save a draft: a new policy, or the next version of one.

        Args:
            name: of the policy.
            changes: parameters that differ from those of `base`.
            base: reference of the version to start from; None: the newest version of the name.
            description: what it is for; None: as in `base`.
            reason: why.
            expected_version: the newest version when the change was prepared, 0 for a new name;
                None: any.
        Raises:
            InvalidInput: a parameter is unknown or out of range, nothing is changed, or the name is
                new and there is no base.
            NotFound: no such base.
            ChangedMeanwhile: the newest version is another.
            Forbidden: they may not draft policies for every account.
        """
        self.principal.require_everywhere(Right.CHANGE_INSTANCES)
        if description is not None and hides_something(description):
            raise InvalidInput(
                f"The description has invisible characters: {visible(description[:40])!r}.",
                remedy="Leave out what is shown as an escape.",
                field="description",
            )
        start = self._base(name, base)
        policy = replace(
            start,
            name=name,
            params=with_changes(start, changes),
            description=start.description if description is None else description,
        )
        same = policy.params == start.params and description in (None, "", start.description)
        if same and name == start.name:
            raise InvalidInput(
                f"Nothing differs from {start.reference}.",
                remedy="Enter another value of a parameter, or another description.",
            )
        saved = self.lab.store.policies.save(policy, self.by(reason), expected_version)
        self.lab.bus.publish(Topic.POLICIES)
        return saved

    def set_state(
        self,
        reference: str,
        state: PolicyState,
        reason: str = "",
        expected: PolicyState | None = None,
    ) -> PolicyVersion:
        """Change what a version is used for; when one becomes active, the active one retires.

        Args:
            reference: "name@version"; "name" means the newest version.
            state: the new state.
            reason: why; required to activate.
            expected: its state when the change was prepared; None: any.
        Raises:
            NotFound: no such policy or version.
            Conflict: its state does not allow the change.
            InvalidInput: the reason is missing or not valid.
            Forbidden: they may not do this for every account.
        """
        activates = state is PolicyState.ACTIVE
        self.principal.require_everywhere(
            Right.DECIDE_POLICIES if activates else Right.CHANGE_INSTANCES
        )
        policy = self.get(reference).policy
        if activates and not reason.strip():
            raise InvalidInput(
                "A policy is activated with a reason.",
                remedy="Say why; it is recorded with your name.",
                field="reason",
            )
        changed = self.lab.store.policies.set_state(
            policy.name, policy.version, state, self.by(reason), expected
        )
        self.lab.bus.publish(Topic.POLICIES)
        return changed

    def diff(self, reference: str, against: str | None = None) -> Sequence[ParameterChange]:
        """The parameters in which a version differs from another (None: the active one).

        Raises:
            NotFound: no such policy or version.
            Forbidden: they may not read.
        """
        return differences(self.get(against).policy.params, self.get(reference).policy.params)

    def in_shadow(self, days: float = DEFAULT_DAYS) -> Sequence[Comparison]:
        """What policies in shadow decided in the last days, compared with the recorded decisions
        about instances that the user sees; at most the newest MAX_IN_SHADOW. Raises Forbidden."""
        self.require(Right.READ)
        since = self.lab.clock.now() - timedelta(days=days)
        return compare(
            self.lab.store.shadow_decisions.list(
                since=since,
                accounts=self.principal.accounts,
                policies=True,
                limit=MAX_IN_SHADOW,
            )
        )

    def preview(
        self,
        reference: str,
        days: float = DEFAULT_DAYS,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> PolicyPreview:
        """What a version would have decided in the last days, about instances that the user sees.

        Args:
            reference: "name@version"; "name" means the newest version.
            days: how far back, above 0.
            progress: called with the current step and the share done.
            cancelled: checked between decisions.
        Raises:
            NotFound: no such policy or version.
            InvalidInput: the number of days is out of range.
            Cancelled: the preview was cancelled.
            Forbidden: they may not read.
        """
        policy = self.get(reference).policy
        if not 0.0 < days <= MAX_DAYS:
            raise InvalidInput(
                f"days is {days}.", remedy=f"Use above 0, up to {MAX_DAYS:g}.", field="days"
            )
        until = self.lab.clock.now()
        since = until - timedelta(days=days)
        where = ExperimentFilter(since=since, until=until, accounts=self.principal.accounts)
        total = self.lab.store.ledger.count(where)
        tally = PreviewTally()
        for number, experiment in enumerate(self._decisions(where)):
            if cancelled is not None and cancelled():
                raise Cancelled(f"Stopped after {number:,} of {total:,} decisions.")
            if progress is not None:
                progress(f"decision {number + 1:,} of {total:,}", number / max(1, total))
            tally.add(experiment, self._decided_by(policy, experiment))
        return tally.result(policy.reference, since, until)

    def _decisions(self, where: ExperimentFilter) -> Iterator[Experiment]:
        """The recorded decisions, newest first, one at a time."""
        while page := self.lab.store.ledger.list(where, limit=_BATCH):
            for summary in page:
                with suppress(NotFound):  # deleted meanwhile, because it is old
                    yield self.lab.store.ledger.get(summary.experiment_id)
            where = replace(where, before=(page[-1].created_at, page[-1].experiment_id))

    def _decided_by(self, policy: Policy, experiment: Experiment) -> Verdict | None:
        """What a policy decides with the inputs of a decision; None: they were deleted."""
        if experiment.verdict is None:
            return None
        try:
            again, _ = decide_again(
                self.lab, experiment, policy=policy.params, policy_version=policy.reference
            )
        except (NotFound, NotAvailable):
            return None
        return again.experiment.verdict

    def _base(self, name: str, base: str | None) -> Policy:
        if base is not None:
            return self.get(base).policy
        versions = self.versions()
        newest = find(versions, name, "")
        if newest is None:
            known = ", ".join(each.reference for each in versions)
            raise InvalidInput(
                f"There is no policy {name[:MAX_NAME]!r} yet.",
                remedy=f"Name a base to start from: {known}.",
                field="base",
            )
        return newest.policy
