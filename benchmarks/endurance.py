"""Memory and files of a lab over three days of jobs and pages, on a clock that is moved on.

    python -m benchmarks endurance [--hours=72, at least 6] [--json]

Every simulated hour, each job of the catalogue runs once and a page is opened; the emulated AWS
runs in the same process, so that its memory counts. The first third fills caches; the second and
the last are compared. The columns of seconds are MB.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from unittest import mock

from streamlit.testing.v1 import AppTest

from benchmarks._comparison import Row, show
from benchmarks.cli import against
from benchmarks.load import PAGES
from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.processes.memory import limit_arenas, release
from spotlab.runtime import app_process
from spotlab.runtime.bootstrap import bootstrap, open_drill_world
from spotlab.runtime.lab import Lab
from spotlab.scheduling.job_catalogue import JOBS
from spotlab.settings import load
from spotlab.ui.common import identity

ON_REQUEST = True
FLAT = 1.05
FILES_MB_PER_DAY = 10.0
"""Decisions and snapshots, which retention deletes after the time that the settings say."""
ROOT = Path(__file__).resolve().parent.parent
STARTS_AT = datetime(2026, 11, 2, tzinfo=UTC)


def main(hours: str = "72", json: str = "") -> None:
    """Print a row for the memory, and one for the files."""
    limit_arenas()
    memory, files = list[float](), list[float]()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spotlab-endurance-"))
        world = stack.enter_context(open_drill_world(7, STARTS_AT))
        settings = load(home=Path(folder), market="simulated", auth="off")
        lab = bootstrap(settings, clock=world.clock, cloud=lambda: world.cloud)
        stack.enter_context(lab)
        stack.enter_context(mock.patch.object(app_process, "lab", return_value=lab))
        stack.enter_context(mock.patch.object(identity, "reader", return_value=LOCAL_ADMINISTRATOR))
        for hour in range(int(hours)):
            _hour(lab, PAGES[hour % len(PAGES)])
            world.clock.sleep(3600.0)
            lab.drop_expired()
            release()
            memory.append(_rss_mb())
            files.append(_size_mb(Path(folder)))
    third = len(memory) // 3
    before, after = median(memory[third : 2 * third]), median(memory[2 * third :])
    per_day = (files[-1] - files[third]) / (len(files) - 1 - third) * 24
    flat = after <= before * FLAT
    rows = [
        Row(
            "memory, last third (MB)", after, "second third", before, before / after, 1 / FLAT, flat
        ),
        against("files, growth per day (MB)", max(per_day, 0.01), FILES_MB_PER_DAY),
    ]
    show(rows, as_json=bool(json))


def _hour(lab: Lab, page: str) -> None:
    for job in JOBS:
        result = job.run(lab, lambda _text, _share: None, lambda: False)
        if result.get("failed"):
            raise RuntimeError(f"{job.name}: {result['failed']}")
    app = AppTest.from_file(str(ROOT / "spotlab/ui/common/frame.py"), default_timeout=120)
    if page != PAGES[0]:
        app.switch_page(str(ROOT / "pages" / f"{page}.py"))
    app.run()
    if app.exception:
        raise RuntimeError(f"{page}: {app.exception[0].message}")


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
