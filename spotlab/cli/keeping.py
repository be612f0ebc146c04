"""`spotlab retention`, `backup` and `restore`: what is kept, and where else. Screens floor."""

from __future__ import annotations

import argparse

from spotlab.cli.answers import Answer
from spotlab.cli.command import Command
from spotlab.settings import Settings


def _retention_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")


def _retention(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.runtime.desk import Desk
    from spotlab.runtime.registry import current_user

    with bootstrap(settings) as lab:
        swept = Desk(lab, current_user()).keeping.sweep(dry_run=args.dry_run)
    document = {
        "dry_run": swept.dry_run,
        "deleted": dict(swept.gone),
        "before": {what: at.isoformat() for what, at in swept.before.items()},
    }
    return Answer(document, swept.words)


RETENTION = Command(
    "retention",
    "Delete what is older than the settings say.",
    _retention_arguments,
    _retention,
)
