"""`spotlab`: parse, run one command, answer with one document and an exit code."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from spotlab import __version__
from spotlab.cli import commands
from spotlab.cli.command import EPILOG
from spotlab.cli.decision_output import Answer
from spotlab.errors import InvalidSetting, NotAvailable, SpotlabError
from spotlab.settings import load, unknown_variables
from spotlab.telemetry import logs
from spotlab.telemetry.text import visible

DONE, FAILED, USAGE, NOT_AVAILABLE = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after `spotlab`; None: the process's.
    Returns:
        0 done, 1 failed, 2 usage, 3 not available.
    Raises:
        SystemExit: with 2 where the words are wrong, with 0 after --help.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        args = build_parser().parse_args(words)
    except _WrongUsage as exc:
        told = argparse.Namespace(json="--json" in words)
        raise SystemExit(_fail(told, str(exc), USAGE)) from None
    try:
        settings = load(**({"home": args.home} if args.home else {}))
        logs.configure(settings.log_level)
        for problem in unknown_variables(os.environ):
            sys.stderr.write(f"spotlab: {problem}\n")
        answer: Answer = args.run(args, settings)
    except KeyboardInterrupt:
        return _fail(args, "Stopped.", FAILED)
    except InvalidSetting as exc:
        return _fail(args, str(exc), USAGE)
    except NotAvailable as exc:
        return _fail(args, str(exc), NOT_AVAILABLE)
    except SpotlabError as exc:
        return _fail(args, str(exc), FAILED)
    if answer.document is not None:
        _print(json.dumps(answer.document, default=str) if args.json else answer.text)
    if answer.failed:
        sys.stderr.write(f"spotlab: {visible(answer.failed)}\n")
    return answer.code


class _WrongUsage(Exception):
    """Words that no command takes."""


class _Parser(argparse.ArgumentParser):
    """Leaves it to `main` how wrong usage is told: with --json, as a document too."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise _WrongUsage(f"{message}. See {self.prog} --help.")


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; the README's list is made from it."""
    parser = _Parser(
        prog="spotlab",
        description="Stay on a spot pool, switch to a better one, or fall back to on-demand: and "
        "why.",
        epilog=EPILOG,
    )
    parser.add_argument("--version", action="version", version=f"spotlab {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands.COMMANDS:
        verb = verbs.add_parser(
            command.name, help=command.summary, description=command.summary, epilog=EPILOG
        )
        verb.add_argument("--json", action="store_true", help="one JSON document on stdout")
        verb.add_argument("--home", help="folder of all state (SPOTLAB_HOME)")
        command.arguments(verb)
        verb.set_defaults(run=command.run)
    return parser


def _fail(args: argparse.Namespace, message: str, code: int) -> int:
    redacted = visible(logs.redact(message))
    if args.json:
        _print(json.dumps({"error": redacted, "exit_code": code}))
    sys.stderr.write(f"spotlab: {redacted}\n")
    return code


def _print(text: str) -> None:
    sys.stdout.write(visible(text.rstrip("\n"), lines=True) + "\n")
