"""`spotlab audit`: every change, and whether the log is as it was written."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, nested
from spotlab.cli.decision_output import Answer
from spotlab.cli.users import at_desk
from spotlab.domain.ports import AuditEntry, AuditFilter
from spotlab.settings import Settings
from spotlab.telemetry.text import in_lines

if TYPE_CHECKING:
    from spotlab.services import Desk

LIMIT: Final = 50


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """An entry as JSON."""
    return asdict(entry) | {"at": entry.at.isoformat()}


def _text(entry: AuditEntry) -> str:
    change = "" if entry.before is None and entry.after is None else _change(entry)
    why = f" ({entry.reason})" if entry.reason else ""
    return (
        f"{entry.number}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}, {entry.via}: "
        f"{entry.action} {entry.target}{change}{why}"
    )


def _change(entry: AuditEntry) -> str:
    return f": {_told(entry.before)} → {_told(entry.after)}"


def _told(value: Any) -> str:
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--actor", help="only what this user did")
    add("--action", help='only this action, or all that begin with it ("instance")')
    add("--target", help="only changes of this")
    add(
        "--limit",
        type=options.whole(1),
        default=LIMIT,
        metavar="N",
        help=f"the newest N (default {LIMIT})",
    )


def _list(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        where = AuditFilter(args.actor, args.action, args.target)
        entries = desk.audit.list(where, limit=args.limit)
        text = in_lines(map(_text, entries)) or "No entries."
        return Answer({"entries": [entry_document(entry) for entry in entries]}, text)

    return at_desk(settings, ask)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--head",
        default="",
        metavar="DIGEST",
        help="the head that an earlier check printed: shows whether the log was cut off since",
    )


def _verify(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        check = desk.audit.check(args.head)
        document = asdict(check) | {"holds": check.broken_at is None}
        if check.broken_at is not None:
            said = f"The log is not as it was written: {check.reason}"
            return Answer(document, f"{check.entries} entries hold before it.", 1, said)
        text = f"{check.entries} entries, each as it was written. Keep the head: {check.head}"
        return Answer(document, text)

    return at_desk(settings, ask)


COMMANDS: Final = (
    Command("list", "Who changed what, when, before and after.", _list_arguments, _list),
    Command(
        "verify", "Follow the chain of hashes from the first entry.", _verify_arguments, _verify
    ),
)
AUDIT: Final = nested("audit", "Read the audit log, and check it.", lambda: COMMANDS)
