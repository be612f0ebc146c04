"""`spotlab users`: who may sign in."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from spotlab.cli import local_session
from spotlab.cli.command import Command, nested, no_arguments
from spotlab.cli.decision_output import Answer
from spotlab.domain.access import Role
from spotlab.domain.ports import User
from spotlab.errors import InvalidInput, InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.text import in_lines

if TYPE_CHECKING:
    from spotlab.services import Desk

ROLES: Final = [role.value for role in Role if role is not Role.DEMO]


def at_desk(settings: Settings, ask: Callable[[Desk], Answer]) -> Answer:
    """Ask as whoever the command acts for."""
    with local_session.at_desk(settings) as opened:
        return ask(opened)


def user_document(user: User) -> dict[str, Any]:
    """A user as JSON."""
    return {
        "name": user.name,
        "role": user.role.value,
        "accounts": None if user.accounts is None else list(user.accounts),
        "email": user.email,
        "subject": user.subject,
        "active": user.active,
        "must_choose_password": user.must_change,
        "locked_until": user.locked_until.isoformat() if user.locked_until else None,
        "created_at": user.created_at.isoformat(),
        "last_sign_in_at": user.last_sign_in_at.isoformat() if user.last_sign_in_at else None,
    }


def _text(user: User) -> str:
    accounts = "all accounts" if user.accounts is None else ", ".join(user.accounts) or "no account"
    notes = ["" if user.active else "disabled", "must choose a password" * user.must_change]
    seen = f"{user.last_sign_in_at:%Y-%m-%d %H:%M} UTC" if user.last_sign_in_at else "never"
    parts = [f"{user.name} ({user.role})", accounts, user.email, f"last signed in: {seen}", *notes]
    return "; ".join(part for part in parts if part)


def _list(_args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        users = desk.users.list()
        text = in_lines(map(_text, users)) or "No users yet."
        return Answer({"users": [user_document(user) for user in users]}, text)

    return at_desk(settings, ask)


def _name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--reason", default="", help="why; kept in the audit log")


def _what_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--email", help="address that an identity provider has verified")
    add(
        "--account",
        action="append",
        metavar="NAME",
        help="AWS account whose instances they see; repeat for several (default: all)",
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument("--role", choices=ROLES, required=True)
    _what_arguments(parser)
    parser.add_argument(
        "--password",
        action="store_true",
        help="ask for a password, or read it from stdin (default: print a link to choose one)",
    )


def _add(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        password = _asked_password() if args.password else None
        user, path = desk.users.add(
            args.name,
            Role(args.role),
            accounts=args.account,
            email=args.email or "",
            password=password,
            reason=args.reason,
        )
        link = _address(settings, path)
        text = f"Added {_text(user)}." + (f"\n{_link_text(link, settings)}" if link else "")
        return Answer(user_document(user) | {"link": link}, text)

    return at_desk(settings, ask)


def _asked_password() -> str:
    """From a person without echo, else a line of stdin; never a word of the command."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("The same once more: ") != first:
        raise InvalidInput("The two passwords are not the same.")
    return first


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    add = parser.add_argument
    add("--role", choices=ROLES)
    _what_arguments(parser)
    add("--all-accounts", action="store_true", help="let them see every account")
    add("--active", action=argparse.BooleanOptionalAction, help="whether they may sign in")


def _set(args: argparse.Namespace, settings: Settings) -> Answer:
    if args.account and args.all_accounts:
        raise InvalidSetting("Name accounts, or use --all-accounts.")
    given = (args.role, args.email, args.account, args.active)
    if not args.all_accounts and all(value is None for value in given):
        raise InvalidSetting("Nothing to set: name a role, an e-mail address, accounts or state.")

    def ask(desk: Desk) -> Answer:
        user = desk.users.set(
            args.name,
            role=Role(args.role) if args.role else None,
            accounts=None if args.all_accounts else args.account or ...,
            email=args.email,
            active=args.active,
            reason=args.reason,
        )
        return Answer(user_document(user), f"{_text(user)}.")

    return at_desk(settings, ask)


def _disable(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        user = desk.users.set(args.name, active=False, reason=args.reason)
        return Answer(user_document(user), f"{user.name} may not sign in any more.")

    return at_desk(settings, ask)


def _unlock(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        user = desk.users.unlock(args.name, args.reason)
        return Answer(user_document(user), f"{user.name} may try again.")

    return at_desk(settings, ask)


def _reset(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        link = _address(settings, desk.users.reset_password(args.name, args.reason))
        ended = f"{args.name} is signed out everywhere, and has no API token any more."
        text = f"{ended}\n{_link_text(link, settings)}"
        return Answer({"name": args.name, "link": link}, text)

    return at_desk(settings, ask)


def _address(settings: Settings, path: str) -> str:
    return f"{settings.public_url.rstrip('/')}{path}" if path else ""


def _link_text(link: str, settings: Settings) -> str:
    where = "" if settings.public_url else " (below the server's own address)"
    return f"They choose a password here, within a day{where}:\n{link}"


COMMANDS: Final = (
    Command("add", "Let somebody sign in.", _add_arguments, _add),
    Command("list", "Who may sign in, with roles and accounts.", no_arguments, _list),
    Command("set", "Change a role, accounts, address or state.", _set_arguments, _set),
    Command("disable", "Let somebody sign in no more.", _name_argument, _disable),
    Command("unlock", "Forget the failures that locked somebody.", _name_argument, _unlock),
    Command(
        "reset-password",
        "Sign somebody out, end their tokens, let them choose anew.",
        _name_argument,
        _reset,
    ),
)
USERS: Final = nested("users", "List users, and change them.", lambda: COMMANDS)
