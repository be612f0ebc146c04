"""What a process may take that reads what a stranger sent. Bottom floor: knows the kernel only.

Such a process limits itself before it reads anything: what it reads may subvert it afterwards.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_OPEN_FILES: Final = 64
_PASSED: Final = ("PATH", "LD_LIBRARY_PATH")
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take.

    Args:
        memory_mb: address space, MB.
        cpu_s: processor time of its whole life, s.
    """

    memory_mb: int
    cpu_s: int


def environment() -> dict[str, str]:
    """The variables that such a process is given: no setting, and so no secret, is among them."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return passed | _ONE_THREAD | {"PYTHONPATH": str(_ROOT)}


def restrict(limits: Limits) -> None:
    """Take these limits upon this process, for good: no file is written, no program gains rights.

    A process of an ordinary user cannot start another one or a thread either; root's can.
    """
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_mb * 2**20),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """Be killed when the thread that started this process ends, on Linux.

    Args:
        parent: process id of whoever started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
