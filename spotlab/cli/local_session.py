"""The lab that a command opens, with the rights of its user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spotlab.services import Services
    from spotlab.settings import Settings


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Open the lab, and close it at the end.

    Raises:
        InvalidSetting, DatabaseDown: the lab cannot be opened.
    """
    from spotlab.cli.identity import principal_of_command
    from spotlab.runtime.bootstrap import bootstrap
    from spotlab.services import Services

    with bootstrap(settings) as lab:
        yield Services(lab, principal_of_command(lab))
