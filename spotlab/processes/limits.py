"""Limits of a process that reads untrusted files.

The process applies them to itself before it reads anything, because a file may compromise it.
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
"""Number of file access rights, by the kernel's Landlock version; newer versions have 16."""
_CAPABILITIES_V3: Final = 0x20080522
_INHERITED: Final = (
    "PATH",
    "LD_LIBRARY_PATH",
    "NPY_DISABLE_CPU_FEATURES",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)
"""The choice of kernels changes the last bit of a product, so a child process makes the same."""
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Limits:
    """Resource limits of a process.

    Args:
        memory_mb: address space, MB.
        cpu_s: total processor time, s.
        open_files: number of descriptors; 0: descriptors that are open stay open, and no further
            file or connection can be opened.
    """

    memory_mb: int
    cpu_s: int
    open_files: int = 64


def address_space_mb() -> int:
    """Current address space of this process, MB; 0 if the kernel does not report it."""
    try:
        pages = Path("/proc/self/statm").read_text().split()[0]
    except OSError:
        return 0
    return int(pages) * resource.getpagesize() // 2**20


def child_environment() -> dict[str, str]:
    """Environment variables of such a process; without SpotLab's settings, and thus secrets."""
    passed = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return passed | _ONE_THREAD | {"PYTHONPATH": str(_ROOT)}


def apply_limits(limits: Limits) -> None:
    """Apply the limits to this process irrevocably; writing to files is disabled as well.

    Unless it runs as root, the process can no longer start processes or threads.
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
    """Drop privileges that are not needed for responses, irrevocably; call before `apply_limits`.

    Only on Linux: capabilities, and, if the kernel supports Landlock, reading and executing files,
    inspecting other processes and (from Landlock version 6) sending them signals.
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
    """Landlock version of this kernel; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    version: int = ctypes.CDLL(None).syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), 1)
    return max(version, 0)


def die_with_parent(parent: int) -> None:
    """On Linux, have this process killed when the thread that started it ends.

    Args:
        parent: process id of the parent.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent had already ended before prctl
        os._exit(1)
