"""What a process may take that reads what a stranger sent.

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
_LANDLOCK_CREATE: Final = 444
_LANDLOCK_RESTRICT: Final = 446
_LANDLOCK_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many there are, by the kernel's version of Landlock; newer ones have 16."""
_CAPABILITIES_V3: Final = 0x20080522
_PASSED: Final = ("PATH", "LD_LIBRARY_PATH")
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may take.

    Args:
        memory_mb: address space, MB.
        cpu_s: processor time of its whole life, s.
        open_files: descriptors; 0: what is open stays so, and nothing else is opened, no file and
            no connection.
    """

    memory_mb: int
    cpu_s: int
    open_files: int = 64


def address_space_mb() -> int:
    """What this process has taken of it so far, MB; 0 where the kernel does not say."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize() // 2**20


def environment() -> dict[str, str]:
    """The variables that such a process is given: no setting, and so no secret, is among them."""
    passed = {name: os.environ[name] for name in _PASSED if name in os.environ}
    return passed | _ONE_THREAD | {"PYTHONPATH": str(_ROOT)}


def restrict(limits: Limits) -> None:
    """Take these limits upon this process, for good; no file is written.

    A process of an ordinary user cannot start another one or a thread either; root's can.
    """
    for kind, most in (
        (resource.RLIMIT_AS, limits.memory_mb * 2**20),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (limit, limit))


def confine() -> None:
    """Give up, for good, what answering does not need; call it before `restrict`.

    On Linux: privileges, and where the kernel has Landlock also reading and running files, looking
    into other processes and, since its version 6, sending them signals.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    version = landlock_version()
    if version >= 1:
        files = 2 ** _LANDLOCK_FILE_RIGHTS.get(version, 16) - 1
        given_up = (ctypes.c_uint64 * 3)(files, 0b11, 0b11)
        size = 8 if version < 4 else 16 if version < 6 else 24
        rules = libc.syscall(_LANDLOCK_CREATE, given_up, ctypes.c_size_t(size), 0)
        if rules >= 0:
            libc.syscall(_LANDLOCK_RESTRICT, rules, 0)
            os.close(rules)
    libc.capset((ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0), (ctypes.c_uint32 * 6)())


def landlock_version() -> int:
    """Of this kernel; 0 where it has none."""
    if sys.platform != "linux":
        return 0
    version: int = ctypes.CDLL(None).syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return max(version, 0)


def die_with(parent: int) -> None:
    """Be killed when the thread that started this process ends, on Linux.

    Args:
        parent: process id of whoever started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
