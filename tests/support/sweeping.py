"""A toy sweep of ten cells, and a process that runs it.

python -m tests.support.sweeping HOME FOLDER: run it, print its progress.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spotlab.processes.process_pool import ProcessWorkers, Workers
from spotlab.store import Store, open_store
from spotlab.sweeps.run import Plan, Progress, Results, run_plan
from tests.support import builders as make
from tests.support import toys
from tests.support.migrated import copy_to

CELLS = 10


def toy_plan(
    folder: Path,
    function: Callable[[Any, Any], dict[str, Any]] = toys.hold_some,
    sweep_id: str = "toy",
) -> Plan:
    """Ten cells that share a folder."""
    cells = {f"cell {number}": number for number in range(CELLS)}
    return Plan(sweep_id, {"toy": True}, cells, lambda: folder, function)


def run_toy(
    store: Store,
    home: Path,
    plan: Plan,
    progress: Progress = lambda _text, _share: None,
    cancelled: Callable[[], bool] = lambda: False,
    workers: Workers | None = None,
) -> Results:
    """Run a plan on two processes."""
    chosen = workers or ProcessWorkers(2)
    return run_plan(plan, store.sweeps, chosen, home, make.NOW, progress, cancelled)


def main() -> None:
    home, folder = (Path(argument) for argument in sys.argv[1:])
    store = open_store(None, copy_to(home / "spotlab.db"))
    run_toy(store, home, toy_plan(folder), lambda text, _: print(text, flush=True))


if __name__ == "__main__":
    main()
