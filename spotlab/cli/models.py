"""`spotlab models`: registered models, their history, and the actions on them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spotlab.cli import options
from spotlab.cli.command import Command, Result, command_group, no_arguments
from spotlab.cli.evaluation import COMPARE, EVALUATE
from spotlab.cli.local_session import open_services
from spotlab.cli.model_output import (
    entry_document,
    entry_text,
    event_document,
    event_text,
    list_text,
    upload_document,
    upload_text,
    weights_text,
)
from spotlab.errors import InvalidInput
from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.runtime.model_card import CardAnswers

ACTIONS = {
    "graduate": "Accept a candidate model; it then runs in shadow alongside the champion.",
    "reject": "Reject a version after review.",
    "archive": "Archive a version that is no longer used.",
    "enable": "Allow evaluations to use a version again.",
    "disable": "Stop using a version; its instances use the champion instead.",
    "champion": "Make a graduated version the champion of its task.",
}


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", help="only models of this task")


def _list(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        entries, notices = services.models.entries(args.task), services.models.notices()
        document = {"models": [entry_document(entry) for entry in entries], "notices": notices}
        return Result(document, "\n".join([list_text(entries), *notices]))


def _model_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="name, name@version, or a task (its champion)"
    )


def _show(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        entry = services.models.entry(args.model)
        events = services.models.history(entry.record.reference)
        document: dict[str, Any] = entry_document(entry) | {
            "card": dict(entry.record.card),
            "events": [event_document(event) for event in events],
        }
        return Result(document, entry_text(entry, events))


def _history_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", nargs="?", help="name or name@version (default: all models)")
    add("--limit", type=options.integer(1), metavar="N", help="show only the newest N events")


def _history(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        events = services.models.history(args.model, args.limit)
        text = "\n".join(event_text(event) for event in events) or "No events."
        return Result({"events": [event_document(event) for event in events]}, text)


def _live_at_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="task, such as advisor")
    parser.add_argument(
        "time",
        metavar="TIME",
        type=options.utc_time_by_default,
        help="time, such as 2026-11-23T18:00Z (UTC if without a zone)",
    )


def _live_at(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        event = services.models.live_at(args.task, args.time)
        at = f"{args.time:%Y-%m-%d %H:%M:%S} UTC"
        document = {
            "task": args.task,
            "at": args.time.isoformat(),
            "model": f"{event.name}@{event.version}" if event else None,
            "event": event_document(event) if event else None,
        }
        if event is None:
            return Result(document, f"No champion of {args.task} is known at {at}.")
        return Result(document, f"At {at}: {document['model']}, since\n{event_text(event)}")


def _upload_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="FILE_OR_FOLDER",
        type=Path,
        help="zip file or folder of an artefact, or a bare LightGBM text model",
    )
    _add_card_answers(parser)
    options.add_reason(parser)


def _add_card_answers(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--label",
        default="",
        help="what a bare model predicts: high-bucket (next advisor bucket over 15 %% a month), "
        "rate (position of the next monthly rate) or capacity-loss (capacity lost within H hours)",
    )
    add(
        "--horizons-h",
        type=options.number(0, options.HOURS_OF_A_YEAR, "hours", above=True),
        nargs="+",
        default=[],
        metavar="H",
        help="horizons, hours, of the rows that a bare capacity-loss model was trained on",
    )
    add("--name", help="name of a bare model (default: that of the file)")
    add("--version", default="1.0.0", help="version of a bare model (default 1.0.0)")
    add("--summary", default="", help="one sentence for readers of the card")


def _answers(args: argparse.Namespace, source: Path) -> CardAnswers:
    from spotlab.runtime.model_card import CardAnswers

    name = args.name or source.stem.lower().replace(" ", "-")
    horizons_h = tuple(args.horizons_h)
    return CardAnswers(args.label, name, args.version, args.summary, horizons_h)


def _card_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="LightGBM text model")
    _add_card_answers(parser)
    parser.add_argument(
        "--out", type=Path, help="folder for the artefact (default: <name>/<version> here)"
    )


def _card(args: argparse.Namespace, _settings: Settings) -> Result:
    from spotlab.runtime.model_card import card_of, write_artefact

    try:
        content = args.model.read_bytes()
    except OSError as exc:
        raise InvalidInput(
            f"{args.model} cannot be read: {exc.strerror}.", remedy="Name a LightGBM text model."
        ) from exc
    answers = _answers(args, args.model)
    card = card_of(content, answers)
    folder = args.out or Path(answers.name) / answers.version
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput(f"The folder {folder} is not empty.", remedy="Use --version or --out.")
    write_artefact(content, card, folder)
    text = (
        f"Wrote {folder} with {len(card['features'])} features. Its probabilities are not "
        f"calibrated. Next: spotlab models upload {folder} --reason …"
    )
    return Result({"folder": str(folder), "card": card}, text)


def _upload(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        answers = None if args.source.is_dir() else _answers(args, args.source)
        report = services.models.upload(args.source, args.reason, answers)
        return Result(upload_document(report), upload_text(report))


def _action_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", help="name@version; the name is enough if it has only one version"
    )
    options.add_reason(parser)


def _action(action: str) -> Callable[[argparse.Namespace, Settings], Result]:
    def run(args: argparse.Namespace, settings: Settings) -> Result:
        with open_services(settings) as services:
            record = services.models.act(action, args.model, args.reason)
            document = entry_document(services.models.entry(record.reference))
            suffix = "" if record.enabled else ", disabled"
            return Result(document, f"{record.reference} is {record.state}{suffix}.")

    return run


def _assign_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("model", metavar="MODEL", help='name@version, or "champion" to remove the assignment')
    add("instance_id", metavar="INSTANCE_ID", help="instance to assign the model to")
    options.add_reason(parser)


def _assign(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        record = services.instances.assign(args.instance_id, args.model, args.reason)
        model = record.reference if record is not None else None
        text = f"{args.instance_id} is evaluated by {model or 'the champion'}."
        return Result({"instance_id": args.instance_id, "model": model}, text)


def _weights(_args: argparse.Namespace, settings: Settings) -> Result:
    import msgspec

    with open_services(settings) as services:
        found = services.outcomes.weights()
    return Result({"weights": msgspec.to_builtins(found)}, weights_text(found))


COMMANDS = (
    Command("list", "List the model versions with state and figures.", _list_arguments, _list),
    Command("show", "Show one version: card, files and history.", _model_argument, _show),
    EVALUATE,
    COMPARE,
    Command(
        "history",
        "List the changes of models, with user, time and reason.",
        _history_arguments,
        _history,
    ),
    Command(
        "live-at", "Show which model was the champion at a time.", _live_at_arguments, _live_at
    ),
    Command(
        "weights",
        "Show how live capacity forecasts weigh the champion and the simple rules.",
        no_arguments,
        _weights,
    ),
    Command(
        "card",
        "Write the card of a bare LightGBM model, and its artefact.",
        _card_arguments,
        _card,
    ),
    Command(
        "upload",
        "Validate a model in quarantine and register it as a candidate.",
        _upload_arguments,
        _upload,
    ),
    *(
        Command(name, summary, _action_arguments, _action(name))
        for name, summary in ACTIONS.items()
    ),
    Command("assign", "Assign a model to an instance.", _assign_arguments, _assign),
)
MODELS = command_group(
    "models", "List and measure models, and choose which are used.", lambda: COMMANDS
)
