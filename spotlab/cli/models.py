"""`spotlab models …`: what is registered, its history, and what may be done with it.

Another part's commands join COMMANDS by one entry.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, nested
from spotlab.cli.decision_output import Answer
from spotlab.cli.evaluation import COMPARE, EVALUATE
from spotlab.cli.local_session import at_desk
from spotlab.cli.model_output import (
    entry_document,
    entry_text,
    event_document,
    event_text,
    list_text,
    upload_document,
    upload_text,
)
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.services import Desk

ACTIONS = {
    "graduate": "Take a candidate on: it runs beside the champion.",
    "reject": "Put a version away: it did not convince.",
    "archive": "Put a version away: it is no longer of use.",
    "enable": "Let evaluations use a version again.",
    "disable": "Let no evaluation use a version; its instances fall back to the champion.",
    "champion": "Make a graduated version the champion of its task.",
}


def _at_desk(settings: Settings, ask: Callable[[Desk], Answer]) -> Answer:
    with at_desk(settings) as desk:
        return ask(desk)


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help="only models of this task")


def _list(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        entries, said = desk.models.entries(args.task), desk.models.notices()
        document = {"models": [entry_document(entry) for entry in entries], "notices": said}
        return Answer(document, "\n".join([list_text(entries), *said]))

    return _at_desk(settings, ask)


def _model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name, name@version, or a task's champion")


def _show(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        entry = desk.models.entry(args.model)
        events = desk.models.history(entry.record.reference)
        document: dict[str, Any] = entry_document(entry) | {
            "card": dict(entry.record.card),
            "events": [event_document(event) for event in events],
        }
        return Answer(document, entry_text(entry, events))

    return _at_desk(settings, ask)


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", nargs="?", help="name or name@version (default: every model)")
    add("--limit", type=options.whole(1), metavar="N", help="only the newest N")


def _history(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        events = desk.models.history(args.model, args.limit)
        text = "\n".join(event_text(event) for event in events) or "No events."
        return Answer({"events": [event_document(event) for event in events]}, text)

    return _at_desk(settings, ask)


def _live_at_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="such as advisor")
    parser.add_argument(
        "time", metavar="TIME", type=options.moment_in_utc, help="such as 2026-11-23T18:00Z"
    )


def _live_at(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        event = desk.models.live_at(args.task, args.time)
        at = f"{args.time:%Y-%m-%d %H:%M:%S} UTC"
        document = {
            "task": args.task,
            "at": args.time.isoformat(),
            "model": f"{event.name}@{event.version}" if event else None,
            "event": event_document(event) if event else None,
        }
        if event is None:
            return Answer(document, f"No champion of {args.task} is known for {at}.")
        return Answer(document, f"At {at}: {document['model']}, by\n{event_text(event)}")

    return _at_desk(settings, ask)


def _upload_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="ZIP_OR_FOLDER", type=Path)
    _reason_argument(parser)


def _reason_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", help="why; kept in the history")


def _upload(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        report = desk.models.upload(args.source, args.reason)
        return Answer(upload_document(report), upload_text(report))

    return _at_desk(settings, ask)


def _action_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="name@version; name where it has only one")
    _reason_argument(parser)


def _action(action: str) -> Callable[[argparse.Namespace, Settings], Answer]:
    def run(args: argparse.Namespace, settings: Settings) -> Answer:
        def ask(desk: Desk) -> Answer:
            record = desk.models.act(action, args.model, args.reason)
            document = entry_document(desk.models.entry(record.reference))
            switch = "" if record.enabled else ", disabled"
            return Answer(document, f"{record.reference} is {record.state}{switch}.")

        return _at_desk(settings, ask)

    return run


def _assign_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help='name@version, or "champion" for none of its own')
    add("instance_id", metavar="INSTANCE_ID")
    _reason_argument(parser)


def _assign(args: argparse.Namespace, settings: Settings) -> Answer:
    def ask(desk: Desk) -> Answer:
        record = desk.instances.assign(args.instance_id, args.model, args.reason)
        model = record.reference if record is not None else None
        text = f"{args.instance_id} is evaluated by {model or 'the champion'}."
        return Answer({"instance_id": args.instance_id, "model": model}, text)

    return _at_desk(settings, ask)


COMMANDS = (
    Command("list", "Every model version with its state and figures.", _list_arguments, _list),
    Command("show", "One version: its card, its files and its history.", _model_argument, _show),
    EVALUATE,
    COMPARE,
    Command("history", "Who did what to models, when and why.", _history_arguments, _history),
    Command("live-at", "Which champion was in force at a time.", _live_at_arguments, _live_at),
    Command(
        "upload", "Check a model in quarantine; make it a candidate.", _upload_arguments, _upload
    ),
    *(Command(name, said, _action_arguments, _action(name)) for name, said in ACTIONS.items()),
    Command("assign", "Let an instance have a model of its own.", _assign_arguments, _assign),
)
MODELS = nested("models", "List models, and decide which are used.", lambda: COMMANDS)
