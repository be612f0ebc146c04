"""Launch probes: whether EC2 would launch a spot instance in a pool now. Off by default.

A probe launches a one-time spot instance and terminates it at once. EC2 bills from the state
"running" on, at least a minute: mostly a probe costs nothing, at worst a minute of the spot price.
It is tagged like a switch's resources, with a value of its own that the statement ProbeLaunches
allows: nothing else can be terminated. What a killed process leaves is terminated by the next run,
and is listed as an orphan.

Source: EC2 User Guide, "How Spot Instance pricing works" and "Instance lifecycle".
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

from spotlab.aws.switching import AwsSwitching
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.instance_types import parse_type
from spotlab.domain.interruptions import InterruptionEvent
from spotlab.domain.market import MarketName, Pool
from spotlab.domain.ports import Account
from spotlab.domain.ports.switching import OwnResource
from spotlab.domain.switch_moves import LaunchRequest, LaunchSettings
from spotlab.domain.switch_tags import PROBE_PREFIX, SWITCH_TAG
from spotlab.errors import CapacityRefused, SpotlabError
from spotlab.pipeline.collect import Progress
from spotlab.runtime.lab import Lab
from spotlab.switching.driver import record_launch

log = logging.getLogger("spotlab.switching.launch_probes")
SOURCE: Final = "launch probe"
DAY: Final = timedelta(days=1)
RUNS_A_DAY: Final = 96
"""Of the job: the budget is spread over them."""
OFF: Final = "Launch probes are off: SPOTLAB_LAUNCH_PROBES_A_DAY is 0."
RECORDED: Final = "The active market is recorded: launches now say nothing about it."


class ProbeAws(Protocol):
    """What a probe needs of AWS; `aws.switching.AwsSwitching` is the implementation."""

    def image_of(self, instance_id: str) -> str:
        """The image of an instance."""
        ...

    def run_instance(self, request: LaunchRequest) -> str:
        """Launch an instance; its id."""
        ...

    def terminate(self, instance_id: str) -> None:
        """Terminate an instance."""
        ...

    def own(self) -> Iterable[OwnResource]:
        """Everything with SpotLab's tag."""
        ...


def probe(lab: Lab, tell: Progress, cancelled: Callable[[], bool]) -> Mapping[str, Any]:
    """Probe the pools of the fleet and of its candidates, those first that were not for longest.

    Returns:
        launched, refused, ended (left by an earlier run), note and failed.
    """
    counts: Counter[str] = Counter(launched=0, refused=0, ended=0)
    failed: list[str] = []
    if not lab.settings.launch_probes_a_day:
        return {"note": OFF}
    if lab.store.archive.active_market() in (None, MarketName.RECORDED):
        return {"note": RECORDED}
    cloud, now = lab.cloud(), lab.clock.now()
    events = lab.store.interruptions.events(emulated=cloud.emulated, since=now - DAY)
    for account in cloud.accounts:
        targets = [*_targets(lab, account, events)]
        for region in account.regions:
            try:
                aws = AwsSwitching(cloud.sessions, account, region)
                counts["ended"] += end_left_over(aws)
            except SpotlabError as exc:
                failed.append(f"{account.name}, {region}: {exc}")
                continue
            for instance, pool in (each for each in targets if each[1].region == region):
                if cancelled():
                    break
                tell(f"probing {pool.label}", 0.5)
                try:
                    counts[try_launch(lab, aws, account, instance, pool)] += 1
                except SpotlabError as exc:
                    failed.append(f"{pool.label}: {exc}")
                    log.warning("probe of %s: %s", pool.key, exc)
    note = f"{counts['launched']} launched and ended, {counts['refused']} refused."
    return {**counts, "note": note, "failed": " ".join(dict.fromkeys(failed))}


def _targets(
    lab: Lab, account: Account, events: list[InterruptionEvent]
) -> Iterator[tuple[Instance, Pool]]:
    """Pools to probe now, with an instance whose image is launched there."""
    fleet = [i for i in lab.evaluated_instances() if i.account == account.name]
    own = {each.instance_id: each for each in fleet}
    wanted: dict[Pool, Instance] = {}
    for instance in fleet:
        if instance.lifecycle is Lifecycle.SPOT:
            wanted.setdefault(instance.pool, instance)
    for experiment in lab.store.ledger.latest_per_instance().values():
        chosen, candidate_of = experiment.chosen_pool, own.get(experiment.instance_id)
        if candidate_of is not None and chosen is not None:
            wanted.setdefault(Pool.parse(chosen), candidate_of)
    probes = [each for each in events if each.source.startswith(SOURCE)]
    used = sum(each.instance_id.startswith(_prefix(account)) for each in probes)
    last: dict[Pool, datetime] = {}
    for each in probes:
        last[each.pool] = max(each.at, last.get(each.pool, each.at))
    budget = lab.settings.launch_probes_a_day
    count = min(budget - used, -(-budget // RUNS_A_DAY))
    usable = [(instance, pool) for pool, instance in wanted.items() if _fits(instance, pool)]
    usable.sort(key=lambda each: (last.get(each[1], datetime.min.replace(tzinfo=UTC)), each[1].key))
    yield from usable[: max(0, count)]


def _fits(instance: Instance, pool: Pool) -> bool:
    """Whether the instance's image can be launched in the pool."""
    architectures = {parse_type(each.instance_type).architecture for each in (instance.pool, pool)}
    same_region = instance.pool.region == pool.region
    return len(architectures) == 1 and same_region and pool.availability_zone is not None


def try_launch(lab: Lab, aws: ProbeAws, account: Account, instance: Instance, pool: Pool) -> str:
    """Launch in a pool, terminate at once, and record the result: "launched" or "refused".

    Raises:
        AwsError: AWS refused for another reason than capacity, which says nothing about the pool,
            or the instance could not be terminated: the next run tries again.
    """
    name = f"{_prefix(account)}{uuid.uuid4().hex[:12]}"
    request = LaunchRequest(
        client_token=name,
        instance_type=pool.instance_type,
        availability_zone=pool.availability_zone or "",
        lifecycle=Lifecycle.SPOT,
        max_price_usd_per_hour=None,
        image_id=aws.image_of(instance.instance_id),
        subnet_id="",
        settings=LaunchSettings(),
        tags={SWITCH_TAG: name},
    )
    try:
        launched = aws.run_instance(request)
    except CapacityRefused as exc:
        record_launch(lab, account, name, pool, lab.clock.now(), exc.code, SOURCE)
        return "refused"
    try:  # it was launched, and counts against the budget, whether it ends or not
        record_launch(lab, account, name, pool, lab.clock.now(), source=SOURCE)
    finally:
        aws.terminate(launched)
    return "launched"


def end_left_over(aws: ProbeAws) -> int:
    """Terminate what earlier probes left; returns the number of instances."""
    left = [
        each.resource_id
        for each in aws.own()
        if each.kind == "instance" and each.switch_id.startswith(PROBE_PREFIX)
    ]
    for instance_id in left:
        aws.terminate(instance_id)
    return len(left)


def _prefix(account: Account) -> str:
    """What the ids of an account's probes begin with."""
    return f"{PROBE_PREFIX}{hashlib.sha256(account.name.encode()).hexdigest()[:8]}-"
