"""Where the time of a start, an evaluation and a rerun goes, and the memory of the app.

    python -m benchmarks profiles [--data=../shared/data]

Times are of the function's own code, summed by package, on the recorded market: Streamlit runs the
Candidates page as its own test harness does, without a browser. Memory is what each import adds to
a new process, in the order in which the app makes them. A profiler makes everything slower, small
functions more than large ones: shares are more reliable than milliseconds.
"""

from __future__ import annotations

import cProfile
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
from streamlit.testing.v1 import AppTest

from benchmarks._recorded import instances_on, recorded_folder, recorded_lab, run_instances
from benchmarks.fleet import REGIONS, SMALL
from spotlab.access.authentication import LOCAL_ADMINISTRATOR
from spotlab.domain.access import Principal
from spotlab.inference.kernel_loader import KERNELS
from spotlab.runtime import app_process
from spotlab.runtime.evaluation import evaluate_instances
from spotlab.runtime.lab import Lab
from spotlab.ui.common import identity, session

FRAME = Path(__file__).parent.parent / "spotlab/ui/common/frame.py"
SHOWN = 9
LIBRARIES = re.compile(r"site-packages/([^/.]+)")
OWN = re.compile(r"/(spotlab/[^/]+|pages|benchmarks)/")
START = "streamlit.web.bootstrap, spotlab.api.startup"
"""What is imported until the app answers."""
READY = "spotlab.runtime.app_process, spotlab.api.application, spotlab.scheduling.job_runs"
"""What is imported until it is ready."""
MEMORY = {
    "Python": "sys",
    "numpy": "numpy",
    "pandas, with Arrow": "pandas, pyarrow",
    "Streamlit": "streamlit.web.bootstrap",
    "SQLModel": "sqlmodel",
    "boto3": "boto3",
    "SpotLab, with the rest that it needs": READY,
}


def main(data: str = "") -> None:
    """Print one table for each."""
    print(_table("imports until the app answers", _imports(START)))
    print(_table("imports until it is ready, the former included", _imports(f"{START}, {READY}")))
    print(_table("memory of imports", _memory(), "MB"))
    folder = recorded_folder(data)
    if folder is None:
        return
    with recorded_lab(folder) as lab:
        run_instances(lab, instances_on(lab.market().pools(), SMALL, REGIONS))
        KERNELS.load()
        evaluate_instances(lab, None)
        print(_table(f"evaluation of {SMALL} instances", _own_ms(lambda: _evaluate(lab))))
        print(_table("rerun of Candidates", _rerun(lab)))


def _evaluate(lab: Lab) -> None:
    evaluate_instances(lab, None)


def _rerun(lab: Lab) -> dict[str, float]:
    """Own milliseconds by package of the third run of the Candidates page."""
    app_process.lab = lambda: lab
    identity.reader = _administrator
    session.first_run().wait(60.0)
    app = AppTest.from_file(str(FRAME), default_timeout=60.0)
    app.run()
    app.switch_page(str(FRAME.parents[3] / "pages/candidates.py")).run()
    if app.exception:
        sys.exit(f"The Candidates page failed: {app.exception[0].value}")
    run_script, sums = ScriptRunner._run_script_thread, dict[str, float]()

    def profiled(runner: ScriptRunner) -> None:
        sums.update(_own_ms(lambda: run_script(runner)))

    ScriptRunner._run_script_thread = profiled  # type: ignore[method-assign,assignment]
    app.run()
    ScriptRunner._run_script_thread = run_script  # type: ignore[method-assign]
    return sums


def _administrator(*, used: bool) -> Principal:
    del used
    return LOCAL_ADMINISTRATOR


def _own_ms(run: Callable[[], object]) -> dict[str, float]:
    """Own milliseconds of a call by package."""
    profile = cProfile.Profile()
    profile.runcall(run)
    sums = defaultdict[str, float](float)
    for entry in profile.getstats():
        code = entry.code
        sums[_package("~" if isinstance(code, str) else code.co_filename)] += 1e3 * entry.inlinetime
    return dict(sums)


def _package(file: str) -> str:
    if own := OWN.search(file):
        return own[1]
    if library := LIBRARIES.search(file):
        return library[1]
    return "built-in functions" if file == "~" else "standard library"


def _imports(modules: str) -> dict[str, float]:
    """Own milliseconds of imports by package, from the interpreter's own measurement."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", f"import {modules}"],
        capture_output=True,
        text=True,
        check=True,
    )
    sums = defaultdict[str, float](float)
    for own_us, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr):
        first, *rest = name.split(".")
        sums[f"spotlab/{rest[0]}" if first == "spotlab" and rest else first] += int(own_us) / 1e3
    return dict(sums)


def _memory() -> dict[str, float]:
    """MB that each import adds to a new process."""
    script = "\n".join(
        ["import os, resource", "def rss(): return int(open('/proc/self/statm').read().split()[1])"]
        + [
            line
            for modules in MEMORY.values()
            for line in (f"import {modules}", "print(rss() * resource.getpagesize() / 1e6)")
        ]
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    levels = [float(line) for line in done.stdout.split()]
    return {
        name: level - before
        for name, level, before in zip(MEMORY, levels, [0.0, *levels], strict=False)
    }


def _table(title: str, parts: Mapping[str, float], unit: str = "ms") -> str:
    total = sum(parts.values())
    largest = sorted(parts, key=lambda name: -parts[name])[:SHOWN]
    rest = total - sum(parts[name] for name in largest)
    lines = [f"{name:<40} {parts[name]:8.1f} {parts[name] / total:6.0%}" for name in largest]
    if rest > 0.05:
        lines.append(f"{f'{len(parts) - len(largest)} others':<40} {rest:8.1f} {rest / total:6.0%}")
    return "\n".join([f"{title}: {total:,.0f} {unit}", *lines, ""])
