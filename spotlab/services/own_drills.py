"""Drills on an emulated AWS of their own, which needs neither an installation nor its rights."""

from __future__ import annotations

import tempfile
from pathlib import Path

from spotlab.domain.drills import DrillKind, DrillReport
from spotlab.runtime.bootstrap import SystemClock, bootstrap, open_drill_world
from spotlab.settings import Settings
from spotlab.switching.drill import Tell, run_drills


def run_on_own_aws(settings: Settings, kind: DrillKind, runs: int, tell: Tell) -> DrillReport:
    """Run drills in a home, a database and an emulated AWS that are removed afterwards.

    Args:
        settings: of the installation; only its seed and limits are used.
        kind: of the signals.
        runs: number of drills.
        tell: called with the current step and the share done.
    Raises:
        NotAvailable: no instance can be switched, or a part cannot be started.
    """
    with (
        tempfile.TemporaryDirectory(prefix="spotlab-drill-") as home,
        open_drill_world(settings.demo_seed, SystemClock().now()) as world,
    ):
        own = settings.model_copy(
            update={
                "home": Path(home),
                "database_url": None,
                "redis_url": None,
                "aws": "emulated",
                "market": "simulated",
                "switching": "on",
            }
        )
        with bootstrap(own, clock=world.clock, cloud=lambda: world.cloud) as lab:
            tell("listing the fleet and collecting the market", 0.0)
            lab.sync_fleet()
            lab.collect()
            return run_drills(lab, world, kind, runs, tell)
