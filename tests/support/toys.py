"""Functions that workers can import: what cells do, without a world."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from spotlab.errors import InvalidInput


def power(base: float, exponent: int) -> float:
    """What most items do."""
    return float(base) ** exponent


def where(_shared: object, _item: object) -> tuple[int, str]:
    """Which process, and how many threads its libraries use."""
    return os.getpid(), os.environ.get("OMP_NUM_THREADS", "")


def refuse_odd(_shared: object, item: int) -> int:
    """Raises for odd numbers: ours for 1, Python's for the others."""
    if item == 1:
        raise InvalidInput("1 is odd.", remedy="Use 2.")
    if item % 2:
        raise ZeroDivisionError(f"{item}\nis odd")
    return item


def die_once(marks: Path, item: int) -> int:
    """Kills its worker the first time that item 2 is tried; every try leaves a mark."""
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
    """What can be sent, but not be read by another process."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _refuse_elsewhere, (str(os.getpid()),)


def _refuse_elsewhere(pid: str) -> str:
    raise InvalidInput(f"Only process {pid} can read this.")


def hold_some(folder: Path, number: int) -> dict[str, float]:
    """Leaves a mark, and from number 4 on never ends while there is a file named hold."""
    (folder / f"tried.{number}.{os.getpid()}").touch()
    if number >= 4 and (folder / "hold").exists():
        signal.pause()
    return {"cost_usd": 1.1**number, "number": number}


def die_once_in_a_sweep(folder: Path, number: int) -> dict[str, float]:
    """A cell whose worker is killed the first time that it gets to number 2."""
    return {"number": die_once(folder, number)}


def refuse_odd_in_a_sweep(_shared: object, number: int) -> dict[str, float]:
    """A cell that fails for odd numbers."""
    return {"number": refuse_odd(None, number)}
