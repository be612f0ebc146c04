"""Records of users, sessions, API tokens and the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spotlab.domain.access import RIGHTS, Reach, Right, Role


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in.

    Args:
        name: for signing in; lower case, unique.
        role: the set of their rights.
        accounts: names of the AWS accounts they see; None: all.
        email: "" if unknown.
        subject: "issuer|sub" at the provider that authenticates them; None: a local user.
        active: False: cannot sign in.
        must_change: must choose a new password first.
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
        """Their rights and visible accounts."""
        return Reach(RIGHTS[self.role], self.accounts)


@dataclass(frozen=True, slots=True)
class UserSession:
    """A signed-in browser.

    Args:
        session_id: public; part of the signed token.
        user: name of the user.
        created_at, refreshed_at, seen_at, expires_at: aware UTC; start, last renewal, last use and
            absolute end.
        revoked_at: aware UTC; None: not revoked.
        via: "password", "oidc" or "link".
        agent: the browser's User-Agent, truncated.
        address: IP address of the browser.
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
    """An API token; the token itself is shown once, and only its hash is stored.

    Args:
        token_id: public: the first part of the token.
        user: its user; it never has more rights than this user.
        name: its purpose.
        scopes: the rights it is limited to.
        created_at, expires_at: aware UTC.
        last_used_at, revoked_at: aware UTC, or None.
        grantors: users who created it, other than its own: it loses rights and accounts that one
            of them loses, and ends when one of them can no longer sign in.
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
    """One change, chained to the previous entry by its hash.

    Args:
        number: position in the chain, from 1, without gaps.
        at: aware UTC.
        actor, via: the user, and the kind of access; see Principal.
        action: such as "instance.shadow".
        target: what was changed, such as an instance id.
        before, after: JSON values, never with secrets; None: no value.
        reason: entered by the actor.
        previous: digest of the previous entry; "" for the first.
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
    """Result of checking the hash chain.

    Args:
        entries: number of intact entries.
        broken_at: number of the first altered entry; None: the chain is intact.
        reason: what is wrong with that entry; "" if the chain is intact.
        head: digest of the last intact entry; "" if there is none.
    """

    entries: int
    broken_at: int | None
    reason: str
    head: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; None: no restriction.

    Args:
        actor: name of the user.
        action: an action, or its first part ("instance").
        target: what was changed.
        since: earliest time, aware UTC.
        before: only entries with a lower number.
        accounts: hides entries about other accounts and their instances, and about alert rules and
            users that are not in `alert_rules` or `users`; entries about anything else are listed.
        alert_rules: ids; used if `accounts` is set.
        users: names; used if `accounts` is set.
    """

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    before: int | None = None
    accounts: tuple[str, ...] | None = None
    alert_rules: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
