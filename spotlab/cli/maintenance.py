"""`spotlab retention`, `backup` and `restore`: what is kept, and where else."""

from __future__ import annotations

import argparse
from pathlib import Path

from spotlab.cli.command import Command
from spotlab.cli.decision_output import Answer
from spotlab.cli.local_session import at_desk
from spotlab.settings import Settings


def _retention_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")


def _retention(args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        swept = desk.keeping.sweep(dry_run=args.dry_run)
    document = {
        "dry_run": swept.dry_run,
        "deleted": dict(swept.gone),
        "before": {what: at.isoformat() for what, at in swept.before.items()},
    }
    return Answer(document, swept.words)


RETENTION = Command(
    "retention",
    "Delete old dataer than the settings say.",
    _retention_arguments,
    _retention,
)


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to make")
    parser.add_argument(
        "--with-secrets", action="store_true", help="take the file of the secret key along"
    )


def _backup(args: argparse.Namespace, settings: Settings) -> Answer:
    with at_desk(settings) as desk:
        made = desk.keeping.back_up(args.file, with_secrets=args.with_secrets)
    manifest = made.manifest
    document = {
        "file": str(made.path),
        "bytes": made.bytes,
        "sha256": made.sha256,
        "database": manifest.database,
        "revision": manifest.revision,
        "rows": manifest.counts,
        "with_secrets": manifest.with_secrets,
        "left_out": list(made.left_out),
    }
    text = (
        f"{made.path}: {sum(manifest.counts.values()):,} rows of {manifest.database} at revision "
        f"{manifest.revision}, {made.bytes / 1e6:,.1f} MB, SHA-256 {made.sha256}"
    )
    if not manifest.with_secrets:
        text += (
            "\nThe secret key is not in it. Where another is used, everybody signs in anew and the "
            "addresses of alert rules have to be given again."
        )
    if made.left_out:
        text += f"\nLeft out, as no plain files: {', '.join(made.left_out)}"
    return Answer(document, text)


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file that backup made")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="put it in the place of what is there, which is kept beside",
    )


def _restore(args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.cli.identity import current_user
    from spotlab.maintenance.restore import restore
    from spotlab.runtime.bootstrap import SystemClock

    done = restore(settings, SystemClock(), args.file, current_user(), replace=args.replace)
    manifest = done.manifest
    document = {
        "made_at": manifest.made_at.isoformat(),
        "revision": done.revision,
        "rows": manifest.counts,
        "former": list(done.former),
        "audit": done.broken,
    }
    text = (
        f"{sum(manifest.counts.values()):,} rows of {manifest.made_at:%Y-%m-%d %H:%M} UTC are in "
        f"place, at revision {done.revision}."
    )
    lines = [text, *(f"Kept beside: {what}" for what in done.former)]
    if done.broken:
        lines.append(f"The audit log that it brought is not whole: {done.broken}")
    return Answer(document, "\n".join(lines))


BACKUP = Command(
    "backup",
    "Write database, uploaded models and a manifest into one file.",
    _backup_arguments,
    _backup,
)
RESTORE = Command("restore", "Put a backup in place.", _restore_arguments, _restore)
