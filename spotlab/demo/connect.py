"""Connecting to a home's emulated AWS, which is started if necessary.

The server is one process per home and seed, shared by all processes of the home (`processes`).
"""

from __future__ import annotations

import http.client
import json
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.endpoint import LOOPBACK, read_ready, ready_file, server_name
from spotlab.errors import NotAvailable
from spotlab.processes import Helper, Membership, join
from spotlab.processes import begin as begin_helper

if TYPE_CHECKING:
    from spotlab.domain.ports import Account

IDLE_S: Final = 600.0
"""The server holds launches and terminations in memory, so it runs on between commands."""
_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class EmulatedAws:
    """A running emulated AWS.

    Args:
        endpoint_url: of EC2 and the other services.
        advisor_url, spot_prices_url: of the simulated market's feeds.
        on_demand_url: contains {location} for the region's location name.
        accounts: the emulated accounts.
        access_key_id, secret_access_key: may assume the accounts' roles.
        membership: keeps the server running.
    """

    endpoint_url: str
    advisor_url: str
    spot_prices_url: str
    on_demand_url: str
    accounts: tuple[Account, ...]
    access_key_id: str
    secret_access_key: str
    membership: Membership

    def ensure_running(self) -> None:
        """Restart the server at the same address if it has died.

        Raises:
            NotAvailable: it could not be started, or its port was taken meanwhile.
        """
        self.membership.ensure_running()

    def close(self) -> None:
        """Leave; the server ends some time after the last process has left."""
        self.membership.close()


def connect(home: Path, seed: int, at: datetime | None = None) -> EmulatedAws:
    """Connect to the emulated AWS of a home and seed, or start it.

    Args:
        home: SPOTLAB_HOME.
        seed: of the fleet and the market; each seed has its own server.
        at: freezes the market's time; None: the real time.
    Raises:
        NotAvailable: it could not be started; with the end of its log.
    """
    path = ready_file(home, seed, at)
    membership = join(_helper(home, seed, at))
    ready = read_ready(path)
    if ready is None:
        membership.close()
        raise NotAvailable(f"The emulated AWS ended during the connection ({path.name}).")
    address = f"http://{LOOPBACK}:{ready['port']}"
    return EmulatedAws(
        endpoint_url=address,
        advisor_url=f"{address}/feeds/advisor.json",
        spot_prices_url=f"{address}/feeds/spot.json",
        on_demand_url=f"{address}/feeds/on-demand/{{location}}/Linux/index.json",
        accounts=_accounts(seed),
        access_key_id=BASE_KEY,
        secret_access_key=BASE_SECRET,
        membership=membership,
    )


def begin(home: Path, seed: int) -> None:
    """Start the emulated AWS of a home and seed unless it is running; does not wait for it."""
    begin_helper(_helper(home, seed))


def _helper(home: Path, seed: int, at: datetime | None = None) -> Helper:
    path = ready_file(home, seed, at)
    command = [sys.executable, "-m", "spotlab.demo.server", "--home", str(home.absolute())]
    command += ["--seed", str(seed), *(["--at", at.isoformat()] if at else [])]
    return Helper(
        home,
        server_name(seed, at),
        tuple(command),
        ready=lambda: _is_ready(path),
        idle_s=IDLE_S,
        start_timeout_s=30.0,
    )


def _accounts(seed: int) -> tuple[Account, ...]:
    from spotlab.demo.world import accounts
    from spotlab.domain.ports import Account

    return tuple(
        Account(
            name=account.name,
            aws_account_id=account.account_id,
            role_arn=account.role_arn,
            external_id=account.external_id,
            regions=account.regions,
            emulated=True,
        )
        for account in accounts(seed)
    )


def _is_ready(path: Path) -> bool:
    """Whether the server that wrote the file answers, and not another one on the same port."""
    ready = read_ready(path)
    if ready is None:
        return False
    connection = http.client.HTTPConnection(LOOPBACK, ready["port"], timeout=_TIMEOUT_S)
    try:
        connection.request("GET", "/healthz")
        health = json.loads(connection.getresponse().read())
        return bool(health["pid"] == ready["pid"] and health["seed"] == ready["seed"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return False
    finally:
        connection.close()
