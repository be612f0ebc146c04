"""`spotlab`: parses the arguments, runs one command, and prints its result."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from spotlab import __version__
from spotlab.cli import commands
from spotlab.cli.command import EPILOG, HOME_HELP, JSON_HELP, Command, Result
from spotlab.errors import InvalidSetting, NotAvailable, SpotlabError
from spotlab.telemetry.invisible_characters import visible
from spotlab.telemetry.redaction import redact

SUCCESS, FAILURE, USAGE, NOT_AVAILABLE = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments after `spotlab`; None: those of this process.
    Returns:
        Exit code: 0 success, 1 failure, 2 usage error, 3 not available.
    Raises:
        SystemExit: with 2 if the arguments are wrong, with 0 after --help.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser().parse_args(arguments)
    except _WrongUsage as exc:
        output = argparse.Namespace(json="--json" in arguments)
        raise SystemExit(_fail(output, str(exc), USAGE)) from None
    try:
        result = _run(args.command, args)
    except KeyboardInterrupt:
        return _fail(args, "Stopped.", FAILURE)
    except InvalidSetting as exc:
        return _fail(args, str(exc), USAGE)
    except NotAvailable as exc:
        return _fail(args, str(exc), NOT_AVAILABLE)
    except SpotlabError as exc:
        return _fail(args, str(exc), FAILURE)
    if result.document is not None:
        _print(json.dumps(result.document, default=str) if args.json else result.text)
    if result.error:
        sys.stderr.write(f"spotlab: {visible(result.error)}\n")
    return result.code


def _run(command: Command, args: argparse.Namespace) -> Result:
    if command.run_without_settings:
        return command.run_without_settings(args)
    from spotlab.settings import load, unknown_variables
    from spotlab.telemetry import logs

    assert command.run, "argparse requires one of the commands of a group"
    settings = load(**({"home": args.home} if args.home else {}))
    logs.configure(settings.log_level)
    for problem in unknown_variables(os.environ):
        sys.stderr.write(f"spotlab: {problem}\n")
    return command.run(args, settings)


class _WrongUsage(Exception):
    """Arguments that no command accepts."""


class CommandParser(argparse.ArgumentParser):
    """Raises on wrong usage, so that `main` can report it as JSON as well.

    The parser of a command has its arguments only once it is used: they need the command's module.
    """

    entry: commands.CommandEntry | None = None

    def parse_known_args(self, *args: Any, **kwargs: Any) -> Any:
        self.complete()
        return super().parse_known_args(*args, **kwargs)

    def complete(self) -> None:
        """Add the arguments of the command, unless they are there."""
        if self.entry is None:
            return
        command, self.entry = self.entry.load(), None
        self.description = command.summary
        self.add_argument("--json", action="store_true", help=JSON_HELP)
        self.add_argument("--home", help=HOME_HELP)
        command.arguments(self)
        self.set_defaults(command=command)

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise _WrongUsage(f"{message}. See {self.prog} --help.")


def build_parser() -> CommandParser:
    """The parser of all commands; that of a command is completed when it is used."""
    parser = CommandParser(
        prog="spotlab",
        description="Decide whether EC2 instances should stay on their spot pool, switch pools or "
        "fall back to on-demand, and explain why.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"spotlab {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for entry in commands.COMMANDS:
        subparsers.add_parser(entry.name, help=entry.summary, epilog=EPILOG).entry = entry
    return parser


def _fail(args: argparse.Namespace, message: str, code: int) -> int:
    redacted = visible(redact(message))
    if args.json:
        _print(json.dumps({"error": redacted, "exit_code": code}))
    sys.stderr.write(f"spotlab: {redacted}\n")
    return code


def _print(text: str) -> None:
    sys.stdout.write(visible(text.rstrip("\n"), lines=True) + "\n")
