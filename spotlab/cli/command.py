"""What a command is: its name, one sentence, its arguments and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from spotlab.cli.decision_output import Answer
from spotlab.settings import Settings

EPILOG: Final = "exit codes: 0 done, 1 failed, 2 usage, 3 not available"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, one sentence, its arguments and what it does.

    Args:
        name: the word after `spotlab`, or after the command that it belongs to.
        summary: one sentence.
        arguments: adds its own to the parser; --json and --home are there already.
        run: does it.
    """

    name: str
    summary: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Settings], Answer]


def no_arguments(parser: argparse.ArgumentParser) -> None:
    """A command without arguments of its own."""


def nested(name: str, summary: str, commands: Callable[[], Sequence[Command]]) -> Command:
    """A command of several: `spotlab models list`.

    Args:
        name, summary: of the whole.
        commands: its own commands, asked for when the parser is built.
    """

    def arguments(parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
        for command in commands():
            verb = verbs.add_parser(
                command.name, help=command.summary, description=command.summary, epilog=EPILOG
            )
            # SUPPRESS: a value given before the inner command is not put back to its default.
            add = verb.add_argument
            add("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON document")
            add("--home", default=argparse.SUPPRESS, help="folder of all state (SPOTLAB_HOME)")
            command.arguments(verb)
            verb.set_defaults(run=command.run)

    def run(_args: argparse.Namespace, _settings: Settings) -> Answer:
        raise AssertionError("argparse asks for one of its commands")

    return Command(name, summary, arguments, run)
