"""The desk of whoever runs a command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.services import Desk


@contextmanager
def at_desk(settings: Settings) -> Iterator[Desk]:
    """The desk of a lab that is open meanwhile.

    Raises:
        InvalidSetting, DatabaseDown: it cannot be opened now.
    """
    from spotlab.cli.identity import acting
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.services import Desk

    with bootstrap(settings) as lab:
        yield Desk(lab, acting(lab))
