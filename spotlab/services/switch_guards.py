"""Guards of switches that a user sees and sets: levels, limits, stops, and earned autonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from spotlab.domain.access import Right
from spotlab.domain.decision import Instance
from spotlab.domain.ports import Topic
from spotlab.domain.switch_autonomy import AutonomyFigures
from spotlab.domain.switch_guards import (
    EVERYWHERE,
    AccountGuards,
    GuardVersion,
    InstallationGuards,
    Levels,
    Stop,
    SwitchingMode,
    names_of,
)
from spotlab.errors import InvalidInput, NotFound
from spotlab.services.base import Service
from spotlab.store.switch_guards import Start
from spotlab.switching.earned_autonomy import figures
from spotlab.switching.guards import levels_of

G = TypeVar("G", InstallationGuards, AccountGuards)


@dataclass(frozen=True, slots=True)
class SwitchingOverview:
    """How far switches may go now.

    Args:
        installation: mode by SPOTLAB_SWITCHING.
        accounts: mode of each account that the user sees.
        stops: that are not released and apply to these accounts.
        started: switches in these accounts that began within the last hour or are under way.
        instances: number of instances by their effective mode.
    """

    installation: SwitchingMode
    accounts: Mapping[str, SwitchingMode]
    stops: Sequence[Stop]
    started: Sequence[Start]
    instances: Mapping[SwitchingMode, int]


class SwitchGuardService(Service):
    """Guards, stops and autonomy in the accounts that the user sees."""

    __slots__ = ()

    def overview(self) -> SwitchingOverview:
        """How far switches may go now. Raises Forbidden."""
        self.require(Right.READ)
        store, sees = self.lab.store, self.principal.sees
        guards = store.switch_guards.accounts(
            account.name for account in store.fleet.accounts() if sees(account.name)
        )
        counts = dict.fromkeys(SwitchingMode, 0)
        for instance in store.fleet.instances():
            if instance.account in guards:
                counts[levels_of(self.lab, instance, guards[instance.account]).mode] += 1
        return SwitchingOverview(
            SwitchingMode(self.lab.settings.switching),
            {name: each.mode for name, each in sorted(guards.items())},
            self.stops(),
            [
                each
                for each in store.switch_guards.starts(self.lab.clock.now())
                if sees(each.account)
            ],
            counts,
        )

    def levels(self, instance_id: str) -> Levels:
        """The modes of the three levels for an instance. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return levels_of(self.lab, self._instance(instance_id))

    def installation(self) -> GuardVersion:
        """The guards of the installation. Raises Forbidden."""
        self.require(Right.READ)
        return self.lab.store.switch_guards.newest(EVERYWHERE)

    def account(self, name: str) -> GuardVersion:
        """The guards of an account. Raises NotFound, Forbidden."""
        self.require(Right.READ)
        return self.lab.store.switch_guards.newest(self._account(name))

    def versions(self, account: str = EVERYWHERE) -> Sequence[GuardVersion]:
        """Every version of the guards of an account, or of the installation, newest first.

        Raises:
            NotFound, Forbidden: see `account`.
        """
        self.require(Right.READ)
        scope = self._account(account) if account else EVERYWHERE
        return self.lab.store.switch_guards.versions(scope)

    def set_installation(
        self, changes: Mapping[str, Any], reason: str = "", expected_version: int | None = None
    ) -> GuardVersion:
        """Change guards of the installation.

        Args:
            changes: new values by name; see `InstallationGuards`. Others keep their value.
            reason: for the audit log.
            expected_version: the newest version when the change was prepared; None: any.
        Raises:
            Forbidden: the user may not approve switches in every account.
            InvalidInput: names the guard and what would be right.
            ChangedMeanwhile: the newest version is another.
        """
        self.principal.require_everywhere(Right.APPROVE_SWITCHES)
        store = self.lab.store.switch_guards
        current = store.newest(EVERYWHERE)
        guards = _changed(store.installation(), changes)
        base = current.version if expected_version is None else expected_version
        saved = store.save(EVERYWHERE, guards, self.by(reason), base)
        self.lab.bus.publish(Topic.SWITCHES)
        return saved

    def set_account(
        self,
        name: str,
        changes: Mapping[str, Any],
        reason: str = "",
        expected_version: int | None = None,
    ) -> GuardVersion:
        """Change guards of an account.

        Args:
            name: of the account.
            changes: new values by name; see `AccountGuards`. Others keep their value.
            reason, expected_version: see `set_installation`.
        Raises:
            NotFound: no such account, or one that the user does not see.
            Forbidden: the user may not approve switches.
            InvalidInput, ChangedMeanwhile: see `set_installation`.
        """
        scope = self._account(name)
        self.require(Right.APPROVE_SWITCHES, scope)
        store = self.lab.store.switch_guards
        current = store.newest(scope)
        guards = _changed(store.account(scope), changes)
        base = current.version if expected_version is None else expected_version
        saved = store.save(scope, guards, self.by(reason), base)
        self.lab.bus.publish(Topic.SWITCHES)
        return saved

    def stops(self) -> Sequence[Stop]:
        """The stops that are not released, as far as they apply to visible accounts.

        Raises:
            Forbidden: they may not read.
        """
        self.require(Right.READ)
        return [
            each
            for each in self.lab.store.switch_guards.stops()
            if each.scope == EVERYWHERE or self.principal.sees(each.scope)
        ]

    def stop_all(self, reason: str = "") -> Sequence[Stop]:
        """Stop all switches before their next step that cannot be undone, in every process.

        A user who sees only some accounts stops theirs. No switch begins until the stop is
        released.

        Returns:
            The stops.
        Raises:
            Forbidden: the user may not stop switches.
        """
        self.require(Right.STOP_SWITCHES)
        self.lab.store.switch_guards.stop(self._scopes(), self.by(reason))
        self.lab.bus.publish(Topic.SWITCHES)
        return self.stops()

    def release(self, reason: str = "") -> Sequence[Stop]:
        """Release the stops of all switches; a user who sees only some accounts, those of theirs.

        Returns:
            The stops that remain.
        Raises:
            Forbidden: the user may not approve switches.
                That of the installation needs a user who sees every account.
            Conflict: nothing is stopped.
        """
        self.require(Right.APPROVE_SWITCHES)
        scopes = [each.scope for each in self.stops()]
        if EVERYWHERE in scopes:
            self.principal.require_everywhere(Right.APPROVE_SWITCHES)
        self.lab.store.switch_guards.release(scopes, self.by(reason))
        self.lab.bus.publish(Topic.SWITCHES)
        return self.stops()

    def autonomy(self, account: str | None = None) -> Sequence[AutonomyFigures]:
        """Figures of earned autonomy, by account, policy and workload.

        Args:
            account: its name; None: every account that the user sees.
        Raises:
            NotFound, Forbidden: see `account`.
        """
        self.require(Right.READ)
        names = (
            [each.name for each in self.lab.store.fleet.accounts()]
            if account is None
            else [self._account(account)]
        )
        return [
            each for name in names if self.principal.sees(name) for each in figures(self.lab, name)
        ]

    def _scopes(self) -> list[str]:
        accounts = self.principal.accounts
        return [EVERYWHERE] if accounts is None else list(accounts)

    def _account(self, name: str) -> str:
        """The name of an account that the user sees. Raises NotFound."""
        known = {account.name for account in self.lab.store.fleet.accounts()}
        if name not in known or not self.principal.sees(name):
            raise NotFound(
                f"Account {name!r} does not exist.", remedy="List the accounts for their names."
            )
        return name

    def _instance(self, instance_id: str) -> Instance:
        instance = self.lab.store.fleet.instance(instance_id)
        if not self.principal.sees(instance.account):
            raise NotFound(
                f"Instance {instance_id!r} is not in the fleet.",
                remedy="Check its id, or collect its account first.",
            )
        return instance


def _changed(guards: G, changes: Mapping[str, Any]) -> G:
    """The guards with some values changed. Raises InvalidInput."""
    available = names_of(type(guards))
    for name in changes:
        if name not in available:
            raise InvalidInput(
                f"There is no guard {name!r}.",
                remedy=f"Available: {', '.join(available)}.",
                field=name,
            )
    if not changes:
        raise InvalidInput("No guard is changed.", remedy=f"Available: {', '.join(available)}.")
    return replace(guards, **changes)
