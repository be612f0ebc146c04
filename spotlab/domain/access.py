"""Who may do what: roles, rights and whoever asks.

Screens, API and command line all ask `Principal.require`; there is no other place that decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spotlab.errors import Forbidden, InvalidInput


class Role(StrEnum):
    """What a user is trusted with; see RIGHTS."""

    DEMO = "demo"
    VIEWER = "viewer"
    RESEARCHER = "researcher"
    OPERATOR = "operator"
    ADMIN = "admin"


class Right(StrEnum):
    """One thing that may be allowed. These are also the scopes of an API token."""

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
    CHANGE_ACCOUNTS = "accounts:write"
    CHANGE_USERS = "users:write"
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
}
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    Role.DEMO: frozenset({Right.READ}),
    Role.VIEWER: _VIEWER,
    Role.RESEARCHER: _RESEARCHER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: frozenset(Right),
}

MEANINGS: Final[dict[Right, str]] = {
    Right.READ: "look at instances, decisions, models, markets and health",
    Right.READ_LOGS: "read log lines",
    Right.READ_METRICS: "read metrics",
    Right.BACKTEST: "start and stop backtests",
    Right.UPLOAD_MODELS: "upload models as candidates",
    Right.EVALUATE: "evaluate instances",
    Right.COLLECT: "collect the market",
    Right.CHANGE_INSTANCES: "set an instance's model, pipeline, shadow mode and requirements",
    Right.RECORD_EVENTS: "record interruptions",
    Right.RUN_JOBS: "run, pause and schedule jobs",
    Right.CHANGE_ALERTS: "change alert rules",
    Right.DECIDE_MODELS: "accept, graduate, enable, activate and reject models",
    Right.CHANGE_ACCOUNTS: "add and change AWS accounts",
    Right.CHANGE_USERS: "add and change users",
    Right.READ_AUDIT: "read the audit log",
    Right.KEEP_DATA: "delete old data, back it up and restore it",
}
"""What each right allows, completing "may not …"."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be done, and in which accounts: of a user, a token, or what is to be granted.

    Args:
        rights: what may be done.
        accounts: names of the AWS accounts whose instances are seen; None: all.
    """

    rights: frozenset[Right]
    accounts: tuple[str, ...] | None

    def covers(self, other: Reach) -> bool:
        """Whether nothing of another reach is missing here."""
        return other.rights <= self.rights and self.sees(other.accounts)

    def sees(self, accounts: Iterable[str] | None) -> bool:
        """Whether every one of these accounts is seen; None: all that there ever are."""
        if self.accounts is None:
            return True
        return accounts is not None and set(accounts) <= set(self.accounts)

    def within(self, other: Reach) -> Reach:
        """What both may do, in the accounts that both see."""
        if self.accounts is None or other.accounts is None:
            accounts = other.accounts if self.accounts is None else self.accounts
        else:
            accounts = tuple(name for name in self.accounts if name in other.accounts)
        return Reach(self.rights & other.rights, accounts)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever asks: a user, a token of theirs, a visitor, or SpotLab itself.

    Args:
        name: the user's; "spotlab" for what the app does itself.
        role: what they are trusted with.
        accounts: names of the AWS accounts whose instances they see; None: all.
        scopes: rights that a token is limited to; None: no limit beyond the role.
        via: how they came: "session", "token NAME", "command line", "visitor", "scheduler", ….
        session_id: of a signed-in session; else "".
        grantors: of a token: the users who made it, beside its own; see `vouching`.
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
        """Whether they are one of the users, rather than a visitor, the machine's owner or the app
        itself."""
        return self.session_id != "" or self.via.startswith("token ")

    @property
    def reach(self) -> Reach:
        """What they may do, and whose instances they see."""
        return Reach(self.rights, self.accounts)

    def vouching(self, whom: str) -> tuple[str, ...]:
        """The users on whose word a token or link is given to another: it is worth no more than
        each of them may do and see at the time that it is used."""
        vouching = (self.name, *self.grantors) if self.is_user else ()
        return tuple(name for name in vouching if name != whom)

    @property
    def rights(self) -> frozenset[Right]:
        """What they may do, in the accounts that they see."""
        of_role = RIGHTS[self.role]
        return of_role if self.scopes is None else of_role & self.scopes

    def may(self, right: Right, account: str | None = None) -> bool:
        """Whether this is allowed (in an account)."""
        return right in self.rights and (account is None or self.sees(account))

    def sees(self, account: str) -> bool:
        """Whether an account's instances are shown to them."""
        return self.accounts is None or account in self.accounts

    def require(self, right: Right, account: str | None = None) -> None:
        """Nothing, if this is allowed.

        Raises:
            Forbidden: says what is not allowed, to whom, and who may.
        """
        if right not in self.rights:
            who = ", ".join(role for role in Role if right in RIGHTS[role])
            limit = "" if right not in RIGHTS[self.role] else " with this token"
            raise Forbidden(
                f"{self.name} ({self.role}) may not {MEANINGS[right]}{limit}.",
                remedy=f"Ask for the scope {right}." if limit else f"May do so: {who}.",
            )
        if account is not None and not self.sees(account):
            raise Forbidden(
                f"{self.name} may not do this in the account {account!r}.",
                remedy="An administrator can add the account to the user.",
            )

    def require_everywhere(self, right: Right) -> None:
        """Nothing, if this is allowed, to somebody who sees every account: it is about them all.

        Raises:
            Forbidden: says what is not allowed, and who may.
        """
        self.require(right)
        if self.accounts is not None:
            raise Forbidden(
                f"{self.name} may not {MEANINGS[right]}: that is about every account.",
                remedy="Somebody who sees every account may.",
            )

    def require_all_of(self, reach: Reach) -> None:
        """Nothing, if they may do and see all of this themselves. Who grants more than that, or
        takes over a user who may do more, grants it to themselves.

        Raises:
            Forbidden: says what they lack.
        """
        lacking = [MEANINGS[right] for right in Right if right in reach.rights - self.rights]
        if lacking:
            raise Forbidden(
                f"{self.name} may not decide about a right to {'; '.join(lacking)}: it is not "
                "theirs.",
                remedy="Nobody grants or takes over more than they may themselves"
                + (", and a token no more than its scopes." if self.scopes is not None else "."),
            )
        if not self.reach.sees(reach.accounts):
            raise Forbidden(
                f"{self.name} does not see every account that this is about.",
                remedy=f"Name accounts of: {', '.join(self.accounts or ()) or 'none'}.",
            )


SPOTLAB: Final = Principal("spotlab", Role.ADMIN, via="itself")
"""The app, for what it does without being asked."""
VISITOR: Final = "visitor"
"""Whoever is not signed in, where they may look."""
RESERVED: Final = frozenset({SPOTLAB.name, VISITOR})
"""No user's names: the audit log tells by them who acted."""


def rights_of(words: Iterable[str]) -> frozenset[Right]:
    """Scopes by their names.

    Raises:
        InvalidInput: a name that is no scope; says which there are.
    """
    chosen = []
    for word in words:
        try:
            chosen.append(Right(word))
        except ValueError:
            raise InvalidInput(
                f"{word!r} is no scope.", remedy=f"There are: {', '.join(Right)}."
            ) from None
    return frozenset(chosen)


def roles_table() -> str:
    """The README's table of roles, in Markdown; a test compares the two."""
    roles = list(Role)
    lines = [
        f"| right | allows to | {' | '.join(roles)} |",
        f"| --- | --- | {' | '.join('---' for _ in roles)} |",
    ]
    for right in Right:
        marks = " | ".join("yes" if right in RIGHTS[role] else "" for role in roles)
        lines.append(f"| `{right}` | {MEANINGS[right]} | {marks} |")
    return "\n".join(lines)
