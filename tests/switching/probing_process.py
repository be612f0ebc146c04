"""A process that probes a pool of an emulated AWS, to be killed before it ends the instance.

python -m tests.switching.probing_process DATABASE ENDPOINT INSTANCE TIME
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from spotlab.aws.session import Sessions
from spotlab.aws.switching import AwsSwitching
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.world import accounts
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.ports import Account
from spotlab.runtime.lab import Lab
from spotlab.store import Store, open_store
from spotlab.switching.launch_probes import try_launch
from tests.support.market import StillClock
from tests.switching.driving_process import SEED
from tests.switching.emulated_lab import OWN, REGION


@dataclass
class Process:
    """What a probe uses of a lab."""

    store: Store
    clock: StillClock


class Waiting(AwsSwitching):
    """Says which instance it would terminate, and waits for its end."""

    def terminate(self, instance_id: str) -> None:
        print(instance_id, flush=True)
        sys.stdin.read()


def main(database: str, endpoint_url: str, instance_id: str, at: str) -> None:
    """Launch a probe; it is not terminated."""
    clock, store = StillClock(datetime.fromisoformat(at)), open_store(None, Path(database))
    first = accounts(SEED)[0]
    account = Account(
        first.name, first.account_id, first.role_arn, first.external_id, first.regions, True
    )
    sessions = Sessions(
        clock=clock,
        endpoint_url=endpoint_url,
        access_key_id=BASE_KEY,
        secret_access_key=BASE_SECRET,
    )
    instance = Instance(instance_id, account.name, OWN, Lifecycle.SPOT)
    lab = cast("Lab", Process(store, clock))
    try_launch(lab, Waiting(sessions, account, REGION), account, instance, OWN)


if __name__ == "__main__":
    main(*sys.argv[1:])
