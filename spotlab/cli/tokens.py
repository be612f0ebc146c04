"""`spotlab tokens`: API tokens of users."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, nested
from spotlab.cli.decision_output import Answer
from spotlab.cli.users import at_desk
from spotlab.domain.access import Right, rights_of
from spotlab.domain.ports import ApiToken
from spotlab.settings import Settings
from spotlab.telemetry.text import in_lines

if TYPE_CHECKING:
    from spotlab.services import Desk

DAYS: Final = 90.0
LONGEST_DAYS: Final = 366.0


def token_document(token: ApiToken) -> dict[str, Any]:
    """A token as JSON, without the token itself."""
    return {
        "id": token.token_id,
        "user": token.user,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at.isoformat(),
        "expires_at": token.expires_at.isoformat(),
        "last_used_at": _iso(token.last_used_at),
        "revoked_at": _iso(token.revoked_at),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _text(token: ApiToken) -> str:
    end = (
        f"revoked {token.revoked_at:%Y-%m-%d}"
        if token.revoked_at
        else f"until {token.expires_at:%Y-%m-%d %H:%M} UTC"
    )
    scopes = ", ".join(sorted(token.scopes))
    return f"{token.token_id}  {token.user}: {token.name} ({scopes}), {end}"


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", help="only this user's")


def _list(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        tokens = desk.tokens.list(args.user)
        text = in_lines(map(_text, tokens)) or "No tokens."
        return Answer({"tokens": [token_document(token) for token in tokens]}, text)

    return at_desk(settings, ask)


def _create_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("user", metavar="USER", help="whose rights it has at most")
    add("name", metavar="NAME", help="what it is for")
    add(
        "--scope",
        action="append",
        required=True,
        metavar="SCOPE",
        help=f"what it may do; repeat for several: {', '.join(Right)}",
    )
    add(
        "--days",
        type=options.number(0, LONGEST_DAYS, "days", above=True),
        default=DAYS,
        metavar="N",
        help=f"until it expires (default {DAYS:g}, at most {LONGEST_DAYS:g})",
    )


def _create(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        valid_for = timedelta(days=args.days)
        token, shown = desk.tokens.create(args.user, args.name, rights_of(args.scope), valid_for)
        text = f"{_text(token)}\nIt is shown this once:\n{shown}"
        return Answer(token_document(token) | {"token": shown}, text)

    return at_desk(settings, ask)


def _revoke_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("token_id", metavar="ID", help="its first part, after spl_")
    parser.add_argument("--reason", default="", help="why; kept in the audit log")


def _revoke(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        token = desk.tokens.revoke(args.token_id, args.reason)
        return Answer(token_document(token), f"{_text(token)}.")

    return at_desk(settings, ask)


COMMANDS: Final = (
    Command("create", "A new token of a user, shown this once.", _create_arguments, _create),
    Command("list", "Every token, and what it may do.", _list_arguments, _list),
    Command("revoke", "End a token.", _revoke_arguments, _revoke),
)
TOKENS: Final = nested("tokens", "List, create and revoke API tokens.", lambda: COMMANDS)
