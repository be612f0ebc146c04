"""`spotlab users`: users, their roles and accounts."""

from __future__ import annotations

import argparse
import getpass
import sys
from typing import Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, iso, no_arguments
from spotlab.cli.local_session import open_services
from spotlab.domain.access import Role
from spotlab.domain.ports import User
from spotlab.errors import InvalidInput, InvalidSetting
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

ROLES: Final = [role.value for role in Role if role is not Role.DEMO]


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
        "locked_until": iso(user.locked_until),
        "created_at": user.created_at.isoformat(),
        "last_sign_in_at": iso(user.last_sign_in_at),
    }


def _text(user: User) -> str:
    accounts = "all accounts" if user.accounts is None else ", ".join(user.accounts) or "no account"
    notes = ["" if user.active else "disabled", "must choose a password" * user.must_change]
    last_sign_in = f"{user.last_sign_in_at:%Y-%m-%d %H:%M} UTC" if user.last_sign_in_at else "never"
    parts = [
        f"{user.name} ({user.role})",
        accounts,
        user.email,
        f"last sign-in: {last_sign_in}",
        *notes,
    ]
    return "; ".join(part for part in parts if part)


def _list(_args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        users = services.users.list()
        text = in_lines(map(_text, users)) or "No users yet."
        return Result({"users": [user_document(user) for user in users]}, text)


def _name_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the user")
    options.add_reason(parser)


def _access_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--email", help="e-mail address as verified by the identity provider")
    add(
        "--account",
        action="append",
        metavar="NAME",
        help="account that the user may see; repeat for several (default: all)",
    )


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    parser.add_argument("--role", choices=ROLES, required=True, help="role of the user")
    _access_arguments(parser)
    parser.add_argument(
        "--password",
        action="store_true",
        help="prompt for a password, or read it from stdin (default: print a link to choose one)",
    )


def _add(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        password = _read_password() if args.password else None
        user, path = services.users.add(
            args.name,
            Role(args.role),
            accounts=args.account,
            email=args.email or "",
            password=password,
            reason=args.reason,
        )
        link = _address(settings, path)
        text = f"Added {_text(user)}." + (f"\n{_link_text(link, settings)}" if link else "")
        return Result(user_document(user) | {"link": link}, text)


def _read_password() -> str:
    """Prompt without echo, or read a line from stdin; arguments are visible to others."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password: ")
    if getpass.getpass("Repeat the password: ") != first:
        raise InvalidInput("The two passwords differ.")
    return first


def _set_arguments(parser: argparse.ArgumentParser) -> None:
    _name_argument(parser)
    add = parser.add_argument
    add("--role", choices=ROLES, help="new role")
    _access_arguments(parser)
    add("--all-accounts", action="store_true", help="let the user see all accounts")
    add("--active", action=argparse.BooleanOptionalAction, help="whether the user may sign in")


def _set(args: argparse.Namespace, settings: Settings) -> Result:
    if args.account and args.all_accounts:
        raise InvalidSetting("Specify either --account or --all-accounts.")
    changes = (args.role, args.email, args.account, args.active)
    if not args.all_accounts and all(value is None for value in changes):
        raise InvalidSetting(
            "Nothing to change: specify a role, an e-mail address, accounts or a state."
        )

    with open_services(settings) as services:
        user = services.users.set(
            args.name,
            role=Role(args.role) if args.role else None,
            accounts=None if args.all_accounts else args.account or ...,
            email=args.email,
            active=args.active,
            reason=args.reason,
        )
        return Result(user_document(user), f"{_text(user)}.")


def _disable(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        user = services.users.set(args.name, active=False, reason=args.reason)
        return Result(user_document(user), f"{user.name} can no longer sign in.")


def _unlock(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        user = services.users.unlock(args.name, args.reason)
        return Result(user_document(user), f"{user.name} can sign in again.")


def _reset(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        link = _address(settings, services.users.reset_password(args.name, args.reason))
        ended = f"{args.name} was signed out everywhere, and all their API tokens were revoked."
        text = f"{ended}\n{_link_text(link, settings)}"
        return Result({"name": args.name, "link": link}, text)


def _address(settings: Settings, path: str) -> str:
    return f"{settings.public_url.rstrip('/')}{path}" if path else ""


def _link_text(link: str, settings: Settings) -> str:
    note = "" if settings.public_url else " (append the path to the server's address)"
    return f"The user can choose a password with this link within a day{note}:\n{link}"


COMMANDS: Final = (
    Command("add", "Add a user.", _add_arguments, _add),
    Command("list", "List the users with roles and accounts.", no_arguments, _list),
    Command(
        "set", "Change a user's role, accounts, e-mail address or state.", _set_arguments, _set
    ),
    Command("disable", "Disable a user, who can then no longer sign in.", _name_argument, _disable),
    Command("unlock", "Unlock a user after too many wrong passwords.", _name_argument, _unlock),
    Command(
        "reset-password",
        "Sign a user out, revoke their tokens, and print a link to choose a new password.",
        _name_argument,
        _reset,
    ),
)
USERS: Final = command_group("users", "List, add and change users.", lambda: COMMANDS)
