"""Preparation of a home: a market, decisions and a user with an API token."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from spotlab.cli.identity import current_user
from spotlab.domain.access import RIGHTS, Role
from spotlab.runtime.bootstrap import bootstrap
from spotlab.scheduling.first_run import get_ready
from spotlab.services import Services
from spotlab.settings import Settings


def prepare_home(
    home: Path, role: Role = Role.OPERATOR, **settings: str
) -> tuple[str, list[str], list[int]]:
    """Collect the market, decide once about each instance, and create a user with a token.

    The home must not be in use by a server.

    Returns:
        The token, the instances' ids and the experiments' ids.
    """
    lab_settings = Settings(home=home, market="simulated", **settings)  # type: ignore[arg-type]
    with bootstrap(lab_settings) as lab:
        get_ready(lab)
        services = Services(lab, current_user())
        services.users.add("load", role, password="a password for one benchmark")
        _, token = services.api_tokens.create("load", "benchmark", RIGHTS[role], timedelta(hours=6))
        instances = [each.instance_id for each in lab.store.fleet.instances()]
        experiments = [each.experiment_id for each in lab.store.ledger.list(limit=100)]
    return token, instances, experiments
