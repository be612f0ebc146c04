"""`spotlab tokens`: API tokens."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, iso
from spotlab.cli.local_session import open_services
from spotlab.domain.access import Right, rights_of
from spotlab.domain.ports import ApiToken
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

DAYS: Final = 90.0
LONGEST_DAYS: Final = 366.0


def token_document(token: ApiToken) -> dict[str, Any]:
    """A token as JSON, without its secret."""
    return {
        "id": token.token_id,
        "user": token.user,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "last_used_at": iso(token.last_used_at),
        "revoked_at": iso(token.revoked_at),
    }


def _text(token: ApiToken) -> str:
    expiry = (
        f"revoked {token.revoked_at:%Y-%m-%d}"
        if token.revoked_at
        else f"valid until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    scopes = ", ".join(sorted(token.scopes))
    return f"{token.token_id}  {token.user}: {token.name} ({scopes}), {expiry}"


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", help="only tokens of this user")


def _list(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        tokens = services.api_tokens.list(args.user)
        text = in_lines(map(_text, tokens)) or "No tokens."
        return Result({"tokens": [token_document(token) for token in tokens]}, text)


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("user", metavar="USER", help="owner; the token has at most the rights of this user")
    add("name", metavar="NAME", help="name of the token, such as its purpose")
    add(
        "--scope",
        action="append",
        required=True,
        metavar="SCOPE",
        help=f"right to grant; repeat for several: {', '.join(Right)}",
    )
    add(
        "--days",
        type=options.number(0, LONGEST_DAYS, "days", above=True),
        default=DAYS,
        metavar="N",
        help=f"days until it expires (default {DAYS:g}, at most {LONGEST_DAYS:g})",
    )


def _create(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        valid_for = timedelta(days=args.days)
        token, secret = services.api_tokens.create(
            args.user, args.name, rights_of(args.scope), valid_for
        )
        text = f"{_text(token)}\nThe token is shown only once:\n{secret}"
        return Result(token_document(token) | {"token": secret}, text)


def _revoke_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "token_id", metavar="ID", help="id of the token: its first part, after spl_"
    )
    options.add_reason(parser)


def _revoke(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        token = services.api_tokens.revoke(args.token_id, args.reason)
        return Result(token_document(token), f"{_text(token)}.")


COMMANDS: Final = (
    Command("create", "Create a token for a user, and show it once.", _create_arguments, _create),
    Command("list", "List the tokens and their rights.", _list_arguments, _list),
    Command("revoke", "Revoke a token.", _revoke_arguments, _revoke),
)
TOKENS: Final = command_group("tokens", "List, create and revoke API tokens.", lambda: COMMANDS)
