"""`spotlab migrate`, `doctor` and `version`: the installation itself."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from spotlab import __version__
from spotlab.cli.command import Command, Result, no_arguments

if TYPE_CHECKING:
    from spotlab.settings import Settings

PACKAGES = ("streamlit", "boto3", "redis", "sqlmodel", "lightgbm", "shap", "plotly", "pandas")


def _migrate(_args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.runtime.bootstrap import migrate

    before, after = migrate(settings)
    text = (
        f"The database is at revision {after}"
        + ("" if before == after else f" (was {before})")
        + "."
    )
    return Result({"from": before, "to": after, "changed": before != after}, text)


def _doctor(_args: argparse.Namespace, settings: Settings) -> Result:
    from spotlab.maintenance.doctor import examine, report_text
    from spotlab.monitoring.health.prober import probe_all
    from spotlab.runtime.bootstrap import bootstrap

    with bootstrap(settings) as lab:
        document = examine(lab, probe_all(lab))
    return Result(document, report_text(document), code=0 if document["ok"] else 1)


def _version(_args: argparse.Namespace) -> Result:
    from importlib.metadata import version as installed_version

    packages = {name: installed_version(name) for name in PACKAGES}
    document = {"spotlab": __version__, "python": sys.version.split()[0], "packages": packages}
    return Result(document, f"spotlab {__version__}")


MIGRATE = Command("migrate", "Migrate the database to this version.", no_arguments, _migrate)
DOCTOR = Command("doctor", "Check every component and report problems.", no_arguments, _doctor)
VERSION = Command(
    "version",
    "Print the version; with --json, also those of the main packages.",
    no_arguments,
    run_without_settings=_version,
)
