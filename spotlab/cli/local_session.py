"""The lab that a command opens, with the rights of its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from spotlab.settings import Settings

if TYPE_CHECKING:
    from spotlab.services import Desk


@contextmanager
def open_desk(settings: Settings) -> Iterator[Desk]:
    """Open the lab, and close it at the end.

    Raises:
        InvalidSetting, DatabaseDown: the lab cannot be opened.
    """
    from spotlab.cli.identity import principal_of_command
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.services import Desk

    with bootstrap(settings) as lab:
        yield Desk(lab, principal_of_command(lab))
