"""Set-up of all tests: sys.path, the recorded data, and a check for skipped tests."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import hypothesis
import moto.ec2.models  # noqa: F401  # before the emulated AWS, which keeps only what it needs
import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.register_profile(
    "spotlab", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("spotlab")

NO_SKIPS = "SPOTLAB_TEST_NO_SKIPS"
"""Set in CI: a test that is skipped because a server, browser or data is missing fails the run."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded market data; skips the test if it is missing."""
    folder = Path(os.environ.get("SPOTLAB_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"recorded market data is not in {folder.name}/ (SPOTLAB_SHARED_DATA)")
    return folder


_ALLOCATIONS_BEFORE_COLLECTION = 10_000


def pytest_collection_finish(session: pytest.Session) -> None:
    """Spare the garbage collector the modules and tests: they live until the end."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BEFORE_COLLECTION, *gc.get_threshold()[1:])


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if os.environ.get(NO_SKIPS) and _skipped and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if os.environ.get(NO_SKIPS) and _skipped:
        terminalreporter.write_line(
            f"{NO_SKIPS} is set and {len(_skipped)} tests were skipped: {', '.join(_skipped[:5])}"
        )
