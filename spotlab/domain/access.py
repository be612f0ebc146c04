"""Roles, rights, and the principal whose rights are checked.

Screens, API and command line all call `Principal.require`; rights are checked nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spotlab.errors import Forbidden, InvalidInput


class Role(StrEnum):
    """A set of rights; see RIGHTS."""

    DEMO = "demo"
    VIEWER = "viewer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    """One permission. Rights are also the scopes of API tokens."""

    READ = "read"
    READ_LOGS = "logs:read"
    READ_METRICS = "metrics:read"
    BACKTEST = "backtests:write"
    UPLOAD_MODELS = "models:upload"
    EVALUATE = "evaluate"
    COLLECT = "collect"
    CHANGE_INSTANCES = "instances:write"
    RECORD_EVENTS = "events:write"
    RUN_JOBS = "jobs:write"
    CHANGE_ALERTS = "alerts:write"
    DECIDE_MODELS = "models:decide"
    DECIDE_POLICIES = "policies:decide"
    CHANGE_ACCOUNTS = "accounts:write"
    CHANGE_USERS = "users:write"
    REQUEST_SWITCHES = "switches:request"
    APPROVE_SWITCHES = "switches:approve"
    STOP_SWITCHES = "switches:stop"
    READ_AUDIT = "audit:read"
    KEEP_DATA = "data:write"


_VIEWER: Final = frozenset({Right.READ})
_RESEARCHER: Final = _VIEWER | {
    Right.BACKTEST,
    Right.UPLOAD_MODELS,
    Right.READ_LOGS,
    Right.READ_METRICS,
}
_OPERATOR: Final = _RESEARCHER | {
    Right.EVALUATE,
    Right.COLLECT,
    Right.CHANGE_INSTANCES,
    Right.RECORD_EVENTS,
    Right.RUN_JOBS,
    Right.CHANGE_ALERTS,
    Right.REQUEST_SWITCHES,
    Right.STOP_SWITCHES,
}
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.DEMO: frozenset({Right.READ}),
    Role.VIEWER: _VIEWER,
    Role.RESEARCHER: _RESEARCHER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: frozenset(Right),
}

MEANINGS: Final[dict[Right, str]] = {
    Right.READ: "view instances, decisions, models, markets and health",
    Right.READ_LOGS: "read log lines",
    Right.READ_METRICS: "read metrics",
    Right.BACKTEST: "start and stop backtests",
    Right.UPLOAD_MODELS: "upload models as candidates",
    Right.EVALUATE: "evaluate instances",
    Right.COLLECT: "collect the market",
    Right.CHANGE_INSTANCES: "set the model, workload, pipeline, shadow mode and requirements of "
    "instances, and draft workloads and policies",
    Right.RECORD_EVENTS: "record interruptions",
    Right.RUN_JOBS: "run, pause and schedule jobs",
    Right.CHANGE_ALERTS: "change alert rules",
    Right.DECIDE_MODELS: "graduate, reject, archive, enable and disable models, and choose the "
    "champion",
    Right.DECIDE_POLICIES: "activate policies",
    Right.CHANGE_ACCOUNTS: "add and change AWS accounts",
    Right.CHANGE_USERS: "add and change users",
    Right.REQUEST_SWITCHES: "plan and request switches of instances",
    Right.APPROVE_SWITCHES: "approve, reject and resume switches, set their guards, and release a "
    "stop",
    Right.STOP_SWITCHES: "pause and roll back switches, and stop all of them",
    Right.READ_AUDIT: "read the audit log",
    Right.KEEP_DATA: "delete old data, and back up and restore data",
}
"""What each right allows; completes "may …" and "may not …"."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Rights and visible accounts of a user or token, or of a grant.

    Args:
        rights: what may be done.
        accounts: names of the AWS accounts whose instances are visible; None: all.
    """

    rights: frozenset[Right]
    accounts: tuple[str, ...] | None

    def covers(self, other: Reach) -> bool:
        """Whether this contains all rights and accounts of another reach."""
        return other.rights <= self.rights and self.sees(other.accounts)

    def sees(self, accounts: Iterable[str] | None) -> bool:
        """Whether all of these accounts are visible; None: all accounts, future ones too."""
        if self.accounts is None:
            return True
        return accounts is not None and set(accounts) <= set(self.accounts)

    def within(self, other: Reach) -> Reach:
        """The rights and accounts that are in both."""
        if self.accounts is None or other.accounts is None:
            accounts = other.accounts if self.accounts is None else self.accounts
        else:
            accounts = tuple(name for name in self.accounts if name in other.accounts)
        return Reach(self.rights & other.rights, accounts)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose rights are checked: a user, one of their tokens, a visitor, or SpotLab itself.

    Args:
        name: the user's; "spotlab" for automatic actions.
        role: the user's.
        accounts: names of the AWS accounts whose instances they see; None: all.
        scopes: rights that a token is limited to; None: no limit beyond the role.
        via: "session", "token NAME", "command line", "visitor", "scheduler", ….
        session_id: of a signed-in session; else "".
        grantors: of a token: users who created it, other than its own; see `grantors_for`.
    """

    name: str
    role: Role
    accounts: tuple[str, ...] | None = None
    scopes: frozenset[Right] | None = None
    via: str = ""
    session_id: str = ""
    grantors: tuple[str, ...] = ()

    @property
    def is_user(self) -> bool:
        """Whether this is a user, not a visitor, the machine's owner or the app itself."""
        return self.session_id != "" or self.via.startswith("token ")

    @property
    def reach(self) -> Reach:
        """Their rights and visible accounts."""
        return Reach(self.rights, self.accounts)

    def grantors_for(self, whom: str) -> tuple[str, ...]:
        """The users who grant a token or link to another user: it never allows more than each of
        them may do and see when it is used."""
        grantors = (self.name, *self.grantors) if self.is_user else ()
        return tuple(name for name in grantors if name != whom)

    @property
    def rights(self) -> frozenset[Right]:
        """Their rights, in the accounts that they see."""
        of_role = RIGHTS[self.role]
        return of_role if self.scopes is None else of_role & self.scopes

    def may(self, right: Right, account: str | None = None) -> bool:
        """Whether they have a right (in an account)."""
        return right in self.rights and (account is None or self.sees(account))

    def sees(self, account: str) -> bool:
        """Whether an account's instances are visible to them."""
        return self.accounts is None or account in self.accounts

    def require(self, right: Right, account: str | None = None) -> None:
        """Check a right (in an account).

        Raises:
            Forbidden: names the action, the user, and the roles that may do it.
        """
        if right not in self.rights:
            roles = ", ".join(role for role in Role if right in RIGHTS[role])
            limit = "" if right not in RIGHTS[self.role] else " with this token"
            raise Forbidden(
                f"{self.name} ({self.role}) may not {MEANINGS[right]}{limit}.",
                remedy=f"Use a token with the scope {right}."
                if limit
                else f"Roles that may do so: {roles}.",
            )
        if account is not None and not self.sees(account):
            raise Forbidden(
                f"{self.name} may not do this in the account {account!r}.",
                remedy="An administrator can add the account to the user.",
            )

    def require_everywhere(self, right: Right) -> None:
        """Check a right whose use affects all accounts: the user must see all of them.

        Raises:
            Forbidden: names the action, and who may do it.
        """
        self.require(right)
        if self.accounts is not None:
            raise Forbidden(
                f"{self.name} may not {MEANINGS[right]}: this affects all accounts.",
                remedy="A user who sees all accounts may do so.",
            )

    def require_all_of(self, reach: Reach) -> None:
        """Check that they have all of these rights and see all of these accounts. A user who could
        grant more, or take over a user with more, could grant it to themselves.

        Raises:
            Forbidden: names the missing rights or accounts.
        """
        missing = [MEANINGS[right] for right in Right if right in reach.rights - self.rights]
        if missing:
            raise Forbidden(
                f"{self.name} may not do this: it requires the right to {'; '.join(missing)}.",
                remedy="No user can grant or take over more than their own rights"
                + (", and no token more than its scopes." if self.scopes is not None else "."),
            )
        if not self.reach.sees(reach.accounts):
            raise Forbidden(
                f"{self.name} does not see every account concerned.",
                remedy=f"Choose from the accounts: {', '.join(self.accounts or ()) or 'none'}.",
            )


SPOTLAB: Final = Principal("spotlab", Role.ADMIN, via="itself")
"""The app, for automatic actions."""
VISITOR: Final = "visitor"
"""Name of a demo visitor, who is not signed in."""
RESERVED: Final = frozenset({SPOTLAB.name, VISITOR})
"""Not available as user names, because the audit log uses them."""


def rights_of(scopes: Iterable[str]) -> frozenset[Right]:
    """Scopes by their names.

    Raises:
        InvalidInput: an unknown scope; names the available ones.
    """
    rights = []
    for scope in scopes:
        try:
            rights.append(Right(scope))
        except ValueError:
            raise InvalidInput(
                f"{scope!r} is not a scope.", remedy=f"Available: {', '.join(Right)}."
            ) from None
    return frozenset(rights)


def roles_table() -> str:
    """The README's table of roles, in Markdown; a test compares the two."""
    roles = list(Role)
    lines = [
        f"| right | allows a user to | {' | '.join(roles)} |",
        f"| --- | --- | {' | '.join('---' for _ in roles)} |",
    ]
    for right in Right:
        marks = " | ".join("yes" if right in RIGHTS[role] else "" for role in roles)
        lines.append(f"| `{right}` | {MEANINGS[right]} | {marks} |")
    return "\n".join(lines)
