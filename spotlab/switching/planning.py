"""The preflight of a switch in a lab's AWS."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spotlab.aws.discovery import Ec2Discovery
from spotlab.aws.target_region import TargetRegion
from spotlab.domain.decision import Instance
from spotlab.domain.ports import Account
from spotlab.domain.switch_plan import Preflight, Strategy
from spotlab.domain.switches import Target
from spotlab.errors import NotFound
from spotlab.runtime.lab import Lab
from spotlab.switching.planner import Planner


def account_of(lab: Lab, name: str) -> Account:
    """A managed account. Raises NotFound: it is not managed."""
    for account in lab.cloud().accounts:
        if account.name == name:
            return account
    raise NotFound(f"The account {name!r} is not managed.", remedy="Activate it first.")


def planner_of(lab: Lab) -> Planner:
    """The planner of a lab. Raises NotAvailable: its AWS cannot be started."""
    sessions = lab.cloud().sessions
    return Planner(Ec2Discovery(sessions, lab.clock), TargetRegion(sessions))


def preflight_of(
    lab: Lab,
    instance: Instance,
    targets: Sequence[Target],
    *,
    confirmed: Collection[str] = (),
    strategy: Strategy | None = None,
) -> Preflight:
    """The preflight of a switch to the first of these targets; nothing is changed.

    Args:
        lab: its AWS and workloads.
        instance: to be replaced.
        targets: the requested one first.
        confirmed: codes of questions that are answered with yes.
        strategy: None: the preflight chooses.
    Raises:
        NotFound: the account is not managed.
        AwsError: the instance cannot be read.
    """
    account, planner = account_of(lab, instance.account), planner_of(lab)
    facts = planner.facts(account, instance.pool.region, instance.instance_id)
    return planner.preflight(
        account,
        facts,
        targets[0].pool,
        targets[0].lifecycle,
        lab.workload_of(instance),
        candidates=[each.pool for each in targets],
        confirmed=confirmed,
        strategy=strategy,
    )
