"""`spotlab retention`, `backup` and `restore`."""

from __future__ import annotations

import argparse
from pathlib import Path

from spotlab.cli.command import Command, Result
from spotlab.cli.local_session import open_services
from spotlab.settings import Settings


def _retention_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dry-run", action="store_true", help="count what would be deleted, and delete nothing"
    )


def _retention(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        sweep = services.maintenance.sweep(dry_run=args.dry_run)
    document = {
        "dry_run": sweep.dry_run,
        "deleted": dict(sweep.deleted),
        "before": {kind: at.isoformat() for kind, at in sweep.before.items()},
    }
    return Result(document, sweep.summary)


RETENTION = Command(
    "retention",
    "Delete data older than the retention settings allow.",
    _retention_arguments,
    _retention,
)


def _backup_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="backup file to create")
    parser.add_argument("--with-secrets", action="store_true", help="include the secret key file")


def _backup(args: argparse.Namespace, settings: Settings) -> Result:
    with open_services(settings) as services:
        backup = services.maintenance.back_up(args.file, with_secrets=args.with_secrets)
    manifest = backup.manifest
    document = {
        "file": str(backup.path),
        "bytes": backup.bytes,
        "sha256": backup.sha256,
        "database": manifest.database,
        "revision": manifest.revision,
        "rows": manifest.counts,
        "with_secrets": manifest.with_secrets,
        "left_out": list(backup.left_out),
    }
    text = (
        f"{backup.path}: {sum(manifest.counts.values()):,} rows of {manifest.database} at revision "
        f"{manifest.revision}, {backup.bytes / 1e6:,.1f} MB, SHA-256 {backup.sha256}"
    )
    if not manifest.with_secrets:
        text += (
            "\nThe secret key is not included. After a restore with another key, all users have "
            "to sign in again, and the addresses of alert rules have to be entered again."
        )
    if backup.left_out:
        text += f"\nNot included, because they are not regular files: {', '.join(backup.left_out)}"
    return Result(document, text)


def _restore_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="backup file to restore")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="replace the existing data; it is preserved under another name",
    )


def _restore(args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.cli.identity import current_user
    from spotlab.maintenance.restore import restore
    from spotlab.runtime.bootstrap import SystemClock

    restored = restore(settings, SystemClock(), args.file, current_user(), replace=args.replace)
    manifest = restored.manifest
    document = {
        "made_at": manifest.made_at.isoformat(),
        "revision": restored.revision,
        "rows": manifest.counts,
        "former": list(restored.former),
        "audit": restored.broken,
    }
    text = (
        f"{sum(manifest.counts.values()):,} rows of {manifest.made_at:%Y-%m-%d %H:%M} UTC "
        f"restored, at revision {restored.revision}."
    )
    lines = [text, *(f"Previous data moved to: {path}" for path in restored.former)]
    if restored.broken:
        lines.append(f"The restored audit log is not intact: {restored.broken}")
    return Result(document, "\n".join(lines))


BACKUP = Command(
    "backup",
    "Back up the database, uploaded models and evidence into one file.",
    _backup_arguments,
    _backup,
)
RESTORE = Command("restore", "Restore a backup.", _restore_arguments, _restore)
