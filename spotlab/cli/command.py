"""Commands of the command line, and their results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from spotlab.errors import InvalidSetting

if TYPE_CHECKING:
    from spotlab.settings import Settings

JSON_HELP: Final = "print one JSON document to stdout"
HOME_HELP: Final = "folder with all local state (default: SPOTLAB_HOME)"
EPILOG: Final = "exit codes: 0 success, 1 failure, 2 usage error, 3 not available"


@dataclass(frozen=True, slots=True)
class Result:
    """Result of a command.

    Args:
        document: printed with --json; None if there is nothing to print.
        text: the same for a person.
        code: exit code.
        error: one sentence for stderr; "" if nothing failed.
    """

    document: dict[str, Any] | None
    text: str
    code: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command.

    Args:
        name: the word after `spotlab`, or after its command group.
        summary: one sentence for --help.
        arguments: adds its arguments to the parser, which already has --json and --home.
        run: runs the command.
        run_without_settings: runs it instead of `run`, for a command that reads no settings.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], Result] | None = None
    run_without_settings: Callable[[argparse.Namespace], Result] | None = None


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no arguments: for a command that has none."""


def command_group(name: str, summary: str, commands: Callable[[], Sequence[Command]]) -> Command:
    """A group of commands, such as `spotlab models list`.

    Args:
        name, summary: of the group.
        commands: returns the commands in the group; called when the parser is built.
    """

    def arguments(parser: argparse.ArgumentParser) -> None:
        subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
        for command in commands():
            subparser = subparsers.add_parser(
                command.name, help=command.summary, description=command.summary, epilog=EPILOG
            )
            # SUPPRESS: keeps a value given before the inner command, instead of the default.
            add = subparser.add_argument
            add("--json", action="store_true", default=argparse.SUPPRESS, help=JSON_HELP)
            add("--home", default=argparse.SUPPRESS, help=HOME_HELP)
            command.arguments(subparser)
            subparser.set_defaults(command=command)

    return Command(name, summary, arguments)


def iso(moment: datetime | None) -> str | None:
    """A time in ISO 8601, for JSON; None stays None."""
    return moment.isoformat() if moment is not None else None


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table of texts, each column as wide as its longest text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def confirm(question: str, refusal: str) -> None:
    """Ask on stderr whether to go on.

    Args:
        question: what is about to happen, one or more lines.
        refusal: a sentence: what was not done.
    Raises:
        InvalidSetting: the answer is not yes, or nobody can answer.
    """
    sys.stderr.write(question)
    if not sys.stdin.isatty():
        sys.stderr.write("\n")
        raise InvalidSetting(refusal, remedy="Read what would happen, and add --yes.")
    sys.stderr.write(" Type yes: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() != "yes":
        raise InvalidSetting(refusal)
