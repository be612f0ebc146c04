"""A process that drives one switch in an emulated AWS, to be killed at any point.

python -m tests.switching.driving_process DATABASE ENDPOINT SWITCH
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.session import Sessions
from spotlab.aws.switching import AwsSwitching
from spotlab.aws.target_region import TargetRegion
from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
from spotlab.demo.world import accounts
from spotlab.domain.ports import Account
from spotlab.domain.workload import NO_WORKLOAD
from spotlab.runtime.leader_election import Leadership, hold_lease
from spotlab.store import open_store
from spotlab.store.engine import Fence, fenced
from spotlab.switching.execution.engine import Engine
from spotlab.switching.execution.hooks import Hooks
from spotlab.switching.preflight.move_plan import move_plan
from spotlab.switching.preflight.reader import PreflightReader

SEED, REGION, LEASE_TTL_S, HASTE = 7, "us-east-1", 1.0, 100.0
"""The engine's clock runs HASTE times as fast as the real one."""


class WallClock:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def main(database: Path, endpoint_url: str, switch_id: str) -> None:
    """Drive the switch to its end, once standard input is closed."""
    sys.stdin.read()
    first, clock, store = accounts(SEED)[0], WallClock(), open_store(None, database)
    account = Account(
        first.name, first.account_id, first.role_arn, first.external_id, first.regions, True
    )
    sessions = Sessions(
        clock=clock,
        endpoint_url=endpoint_url,
        access_key_id=BASE_KEY,
        secret_access_key=BASE_SECRET,
    )
    reader = PreflightReader(Ec2Discovery(sessions, clock), TargetRegion(sessions))
    engine = Engine(
        store.switches,
        AwsSwitching(sessions, account, REGION),
        Hooks(
            plan=lambda switch: move_plan(reader, account, switch, NO_WORKLOAD),
            may_proceed=lambda _switch, _step: None,
            on_capacity=lambda _pool, _code, _at: None,
            on_interrupted=lambda _name, _pool, _at: None,
            check_health=lambda _check, _view: "",
            measure=lambda _switch, _now: None,
            allowances=store.launch_allowances,
        ),
        clock,
        lambda: time.monotonic() * HASTE,
        lambda seconds: time.sleep(seconds / HASTE),
    )
    name = f"switch:{switch_id}"
    leadership = Leadership(store.leases, name, str(time.monotonic()), LEASE_TTL_S, clock)
    with hold_lease(leadership, lambda: None) as token, fenced(Fence(name, token)):
        engine.run(switch_id, token, lambda: leadership.token == token)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
