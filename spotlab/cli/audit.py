"""`spotlab audit`: the audit log and its verification."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any, Final

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group
from spotlab.cli.local_session import open_services
from spotlab.domain.ports import AuditEntry, AuditFilter
from spotlab.settings import Settings
from spotlab.telemetry.invisible_characters import in_lines

LIMIT: Final = 50


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """An audit entry as JSON."""
    return asdict(entry) | {"at": entry.at.isoformat()}


def _text(entry: AuditEntry) -> str:
    change = "" if entry.before is None and entry.after is None else _change(entry)
    reason = f" ({entry.reason})" if entry.reason else ""
    return (
        f"{entry.number}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.actor}, {entry.via}: "
        f"{entry.action} {entry.target}{change}{reason}"
    )


def _change(entry: AuditEntry) -> str:
    return f": {_json_or_dash(entry.before)} → {_json_or_dash(entry.after)}"


def _json_or_dash(value: Any) -> str:
    return "—" if value is None else json.dumps(value, ensure_ascii=False)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--actor", help="only changes by this user")
    add("--action", help='only this action, or all that start with it, such as "instance"')
    add("--target", help="only changes of this target, such as an instance id")
    add(
        "--limit",
        type=options.integer(1),
        default=LIMIT,
        metavar="N",
        help=f"show the newest N entries (default {LIMIT})",
    )


def _list(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        filters = AuditFilter(args.actor, args.action, args.target)
        entries = services.audit.list(filters, limit=args.limit)
        text = in_lines(map(_text, entries)) or "No entries."
        return Result({"entries": [entry_document(entry) for entry in entries]}, text)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--head",
        default="",
        metavar="DIGEST",
        help="head printed by an earlier check; reveals whether entries were removed since",
    )


def _verify(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        check = services.audit.check(args.head)
        document = asdict(check) | {"holds": check.broken_at is None}
        if check.broken_at is not None:
            error = f"The audit log was altered: {check.reason}"
            return Result(document, f"Consistent up to entry {check.entries}.", 1, error)
        text = f"{check.entries} entries, and the hash chain is intact. Keep the head: {check.head}"
        return Result(document, text)


COMMANDS: Final = (
    Command(
        "list",
        "List the changes, with user, time, and values before and after.",
        _list_arguments,
        _list,
    ),
    Command(
        "verify",
        "Check the hash chain from the first entry to the last.",
        _verify_arguments,
        _verify,
    ),
)
AUDIT: Final = command_group("audit", "Read and verify the audit log.", lambda: COMMANDS)
