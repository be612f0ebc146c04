"""Ports of users, sessions, tokens and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spotlab.domain.access import RIGHTS, Reach, Right, Role


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in.

    Args:
        name: what they sign in with; lower case, unique.
        role: what they are trusted with.
        accounts: names of the AWS accounts they see; None: all.
        email: for a person; "" where unknown.
        subject: "issuer|sub" of the provider that vouches for them; None: a local account.
        active: False: may not sign in.
        must_change: has to choose a new password first.
        locked_until: aware UTC; None: not locked.
        created_at, last_sign_in_at: aware UTC.
    """

    name: str
    role: Role
    accounts: tuple[str, ...] | None
    email: str
    subject: str | None
    active: bool
    must_change: bool
    locked_until: datetime | None
    created_at: datetime
    last_sign_in_at: datetime | None

    @property
    def reach(self) -> Reach:
        """What they may do, and whose instances they see."""
        return Reach(RIGHTS[self.role], self.accounts)


@dataclass(frozen=True, slots=True)
class UserSession:
    """A signed-in browser.

    Args:
        session_id: public; it is in the signed token.
        user: name.
        created_at, refreshed_at, seen_at, expires_at: aware UTC; when it began, was last renewed
            and last used, and its absolute end.
        revoked_at: aware UTC; None: not revoked.
        via: "password", "oidc" or "link".
        agent: the browser's own words, cut short.
        address: where it came from.
    """

    session_id: str
    user: str
    created_at: datetime
    refreshed_at: datetime
    seen_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    via: str
    agent: str
    address: str


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token; the token itself is shown once and kept as a hash only.

    Args:
        token_id: public: the first part of the token.
        user: whose rights it has at most.
        name: what it is for.
        scopes: the rights it is limited to.
        created_at, expires_at: aware UTC.
        last_used_at, revoked_at: aware UTC, or None.
        grantors: the users who made it, beside its own: it has no right and no account that one
            of them has lost, and ends with the first who may not sign in any more.
    """

    token_id: str
    user: str
    name: str
    scopes: frozenset[Right]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    grantors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who, what, before and after, chained to the entry before it.

    Args:
        number: its place in the chain, from 1, without a gap.
        at: aware UTC.
        actor, via: who, and how they came.
        action: such as "instance.shadow".
        target: what was changed, such as an instance id.
        before, after: JSON values; None: there was none. Secrets are never among them.
        reason: in the actor's words.
        previous: hash of the entry before it; "" of the first.
        digest: SHA-256 over all of the above.
    """

    number: int
    at: datetime
    actor: str
    via: str
    action: str
    target: str
    before: Any
    after: Any
    reason: str
    previous: str
    digest: str


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """Whether the chain holds.

    Args:
        entries: how many there are.
        broken_at: number of the first entry that is not as it was written; None: none.
        reason: what is wrong with it; "" where nothing is.
        head: digest of the last entry; "" of an empty log.
    """

    entries: int
    broken_at: int | None
    reason: str
    head: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; None: no demand.

    Args:
        actor: by them.
        action: this, or all that begin so ("instance").
        target: to this.
        since: not before, aware UTC.
        before: only those with a lower number.
        accounts: what is about an account, an instance, an alert rule or a user only where it is
            one of these, one of theirs, one of `alert_rules`, or one of `users` or theirs; whatever
            else there is, too.
        alert_rules: ids; counts where accounts are given.
        users: names; counts where accounts are given.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    before: int | None = None
    accounts: tuple[str, ...] | None = None
    alert_rules: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
