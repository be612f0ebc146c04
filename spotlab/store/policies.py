"""Policy versions and their states in SQL."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec
from sqlmodel import Session, col, select

from spotlab.domain.policy import (
    DEFAULT_POLICY,
    Policy,
    PolicyEvent,
    PolicyParams,
    PolicyState,
    PolicyVersion,
    check_move,
    to_parameters,
)
from spotlab.domain.ports import By
from spotlab.errors import ChangedMeanwhile, NotFound
from spotlab.store.audit import append
from spotlab.store.engine import lock_until_commit, reading, writing
from spotlab.store.repository import Repository, next_version
from spotlab.store.tables.policies import PolicyEventRow, PolicyRow

_ONE_WRITER: Final = "policies"


class SqlPolicies(Repository):
    """Policies in SQL; the built-in version has no row, only its changes of state have.

    Exactly one version is active: the one whose row says so, or else the built-in one.
    """

    def versions(self, name: str | None = None) -> list[PolicyVersion]:
        """Every version (of one name) with its history, by name, then newest first."""
        with reading(self._engine) as session:
            found = _versions(session)
        return [each for each in found if name in (None, each.policy.name)]

    def active(self) -> Policy:
        """The policy that decides."""
        query = select(PolicyRow).where(PolicyRow.state == PolicyState.ACTIVE.value)
        with reading(self._engine) as session:
            row = session.exec(query).first()
            return DEFAULT_POLICY if row is None else _policy(row)

    def save(self, policy: Policy, by: By, expected_version: int | None = None) -> PolicyVersion:
        """Store a policy as a draft, the next version of its name.

        Args:
            policy: its version is ignored.
            by: signs the change.
            expected_version: the newest version when the change was prepared, 0 for a new name;
                None: any.
        Raises:
            ChangedMeanwhile: the newest version is another.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            newest = _newest(session, policy.name)
            current = newest.version if newest is not None else 0
            version = next_version(f"Policy {policy.name!r} is", current, expected_version)
            saved = replace(policy, version=version)
            session.add(
                PolicyRow(
                    name=saved.name,
                    version=saved.version,
                    state=PolicyState.DRAFT.value,
                    description=saved.description,
                    parameters=saved.params.as_dict(),
                )
            )
            before = to_parameters(newest) if newest is not None else None
            append(session, by, "policy.save", saved.reference, before, to_parameters(saved))
            event = _record(session, saved, None, PolicyState.DRAFT, by)
        return PolicyVersion(saved, PolicyState.DRAFT, (event,))

    def set_state(
        self,
        name: str,
        version: int,
        state: PolicyState,
        by: By,
        expected: PolicyState | None = None,
    ) -> PolicyVersion:
        """Change the state of a version; when one becomes active, the active one retires.

        Args:
            name, version: of the policy.
            state: the new one.
            by: signs the change.
            expected: the state when the change was prepared; None: any.
        Raises:
            NotFound: no such version.
            ChangedMeanwhile: its state is another.
            Conflict: its state does not allow the change; nothing was changed.
        """
        with writing(self._engine) as session:
            lock_until_commit(session, _ONE_WRITER)
            versions = {each.reference: each for each in _versions(session)}
            found = versions.get(f"{name}@{version}")
            if found is None:
                raise NotFound(
                    f"There is no policy {name}@{version}.",
                    remedy="`spotlab policies list` names them.",
                )
            if expected is not None and found.state is not expected:
                raise ChangedMeanwhile(
                    f"Policy {found.reference} is {found.state}, not {expected}.",
                    remedy="Read it again.",
                )
            check_move(found, state)
            if state is PolicyState.ACTIVE:
                former = next(e for e in versions.values() if e.state is PolicyState.ACTIVE)
                reason = f"{found.reference} became active. {by.reason}".strip()
                _change(session, former, PolicyState.RETIRED, replace(by, reason=reason))
            event = _change(session, found, state, by)
        return replace(found, state=state, history=(event, *found.history))


def _change(session: Session, version: PolicyVersion, state: PolicyState, by: By) -> PolicyEvent:
    policy = version.policy
    row = session.get(PolicyRow, (policy.name, policy.version))
    if row is not None:
        row.state = state.value
        session.flush()  # the index allows one active version at any time
    append(session, by, "policy.state", policy.reference, version.state.value, state.value)
    return _record(session, policy, version.state, state, by)


def _record(
    session: Session, policy: Policy, before: PolicyState | None, after: PolicyState, by: By
) -> PolicyEvent:
    event = PolicyEvent(by.at, by.actor, before, after, by.reason)
    session.add(
        PolicyEventRow(
            at=by.at,
            actor=by.actor,
            name=policy.name,
            version=policy.version,
            before=before.value if before is not None else None,
            after=after.value,
            reason=by.reason,
        )
    )
    session.flush()
    return event


def _newest(session: Session, name: str) -> Policy | None:
    query = select(PolicyRow).where(PolicyRow.name == name)
    row = session.exec(query.order_by(col(PolicyRow.version).desc()).limit(1)).first()
    if row is not None:
        return _policy(row)
    return DEFAULT_POLICY if name == DEFAULT_POLICY.name else None


def _versions(session: Session) -> list[PolicyVersion]:
    histories: dict[tuple[str, int], list[PolicyEvent]] = {}
    for event in session.exec(select(PolicyEventRow).order_by(col(PolicyEventRow.id).desc())):
        histories.setdefault((event.name, event.version), []).append(_event(event))
    found = [
        PolicyVersion(
            _policy(row), PolicyState(row.state), tuple(histories.get((row.name, row.version), ()))
        )
        for row in session.exec(select(PolicyRow))
    ]
    of_default = histories.get((DEFAULT_POLICY.name, DEFAULT_POLICY.version), [])
    state = of_default[0].after if of_default else PolicyState.ACTIVE
    found.append(PolicyVersion(DEFAULT_POLICY, state, tuple(of_default)))
    return sorted(found, key=lambda each: (each.policy.name, -each.policy.version))


def _policy(row: PolicyRow) -> Policy:
    params = msgspec.convert(row.parameters, PolicyParams)
    return Policy(row.name, row.version, row.description, params)


def _event(row: PolicyEventRow) -> PolicyEvent:
    before = PolicyState(row.before) if row.before is not None else None
    return PolicyEvent(row.at, row.actor, before, PolicyState(row.after), row.reason)
