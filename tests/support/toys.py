"""Functions that workers can import, in place of the simulation of cells."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from spotlab.errors import InvalidInput


def power(base: float, exponent: int) -> float:
    """An ordinary item."""
    return float(base) ** exponent


def where(_shared: object, _item: object) -> tuple[int, str]:
    """The process id, and the number of threads of its libraries."""
    return os.getpid(), os.environ.get("OMP_NUM_THREADS", "")


def refuse_odd(_shared: object, item: int) -> int:
    """Raises for odd numbers: a SpotLab error for 1, a Python error for the others."""
    if item == 1:
        raise InvalidInput("1 is odd.", remedy="Use 2.")
    if item % 2:
        raise ZeroDivisionError(f"{item}\nis odd")
    return item


def die_once(marks: Path, item: int) -> int:
    """Kills its worker the first time that item 2 is tried; each attempt creates a file."""
    tries = len(list(marks.glob(f"{item}.*")))
    (marks / f"{item}.{tries}").touch()
    if item == 2 and tries == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * 10


def always_die_at_2(_shared: object, item: int) -> int:
    """Kills its worker at item 2, every time."""
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item * 10


class Unloadable:
    """An object that can be pickled, but not unpickled in another process."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _refuse_elsewhere, (str(os.getpid()),)


def _refuse_elsewhere(pid: str) -> str:
    raise InvalidInput(f"Only process {pid} can read this.")


def hold_some(folder: Path, number: int) -> dict[str, float]:
    """Creates a file; from number 4 on, does not end if a file named "hold" exists."""
    (folder / f"tried.{number}.{os.getpid()}").touch()
    if number >= 4 and (folder / "hold").exists():
        signal.pause()
    return {"cost_usd": 1.1**number, "number": number}


def die_once_in_a_sweep(folder: Path, number: int) -> dict[str, float]:
    """A cell whose worker is killed the first time that it runs number 2."""
    return {"number": die_once(folder, number)}


def refuse_odd_in_a_sweep(_shared: object, number: int) -> dict[str, float]:
    """A cell that fails for odd numbers."""
    return {"number": refuse_odd(None, number)}
