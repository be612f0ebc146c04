"""Placement scores: requested from AWS within a daily limit, stored and read.

Zone names differ between accounts. Scores for the whole fleet are therefore requested through the
account that the market's prices came from. They are used in no feature; a fall raises
the hazard of its pools for a while (`domain.placement.score_falls`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from spotlab.aws.placement import PlacementScores
from spotlab.domain.instance_types import parse_type
from spotlab.domain.market import MarketData, MarketName
from spotlab.domain.placement import SHOWN_FOR, Placements, Shape, configurations, relevant_groups
from spotlab.domain.ports import Account, RunState, Topic
from spotlab.errors import NoSuchThing, SpotlabError
from spotlab.pipeline.collect import Progress
from spotlab.runtime.cloud import Cloud
from spotlab.runtime.lab import Lab

CONFIGURATIONS_A_DAY: Final = 8
"""Different configurations that SpotLab requests per account within 24 hours. AWS does not publish
its limit; the rest is left to other users of the account."""
DAY: Final = timedelta(days=1)
JOB: Final = "placement-scores"
RECORDED: Final = "The active market is recorded: current placement scores do not apply to it."
OTHER_AWS: Final = (
    "AWS is emulated, but the market is not simulated: emulated scores do not apply to it."
)
NOT_SIMULATED: Final = "The market is simulated, but AWS is real: its scores do not apply to it."


@dataclass(frozen=True, slots=True)
class _Question:
    account: Account
    region: str
    instance_types: tuple[str, ...]
    instances: int

    @property
    def configuration(self) -> tuple[str, tuple[str, ...]]:
        return self.region, self.instance_types


def placements(lab: Lab) -> Placements:
    """Placement scores of the pools of the active market."""
    now, emulated = lab.clock.now(), lab.settings.aws == "emulated"
    reason = _not_applicable(lab.store.archive.active_market(), emulated)
    if reason:
        return Placements.from_responses((), now, reason)
    return Placements.from_responses(
        lab.store.placement.since(now - SHOWN_FOR, emulated=emulated), now
    )


def schedule_first_run(lab: Lab) -> None:
    """Schedule the job now if it has never run, once there are a market and a fleet.

    Raises:
        DatabaseDown: the job cannot be scheduled.
    """
    jobs = lab.store.jobs
    ran = jobs.newest().get(JOB)
    if ran is not None and ran.state not in (RunState.CANCELLED, RunState.LOST):
        return
    if any(run.job == JOB for run in jobs.running()):
        return
    emulated = lab.settings.aws == "emulated"
    if lab.store.fleet.instances() and not _not_applicable(
        lab.store.archive.active_market(), emulated
    ):
        jobs.set_next_due(JOB, lab.clock.now())


def _not_applicable(market: MarketName | None, emulated: bool) -> str:
    """Why scores do not apply to a market, or ""."""
    if market is None:
        return "No market has been collected yet."
    if market is MarketName.RECORDED:
        return RECORDED
    if emulated is not (market is MarketName.SIMULATED):
        return OTHER_AWS if emulated else NOT_SIMULATED
    return ""


def request_scores(lab: Lab, tell: Progress, cancelled: Callable[[], bool]) -> Mapping[str, Any]:
    """Request scores for the fleet's types and similar types, within the daily limit.

    Configurations of the last 24 hours come first: repeating them does not use the quota. Groups
    with the most instances follow, in any region.

    Returns:
        asked, scores, refused_by_quota, left_out (groups postponed to another day), note and
        failed; only a note if there is nothing to request.
    """
    emulated = lab.settings.aws == "emulated"
    if reason := _not_applicable(lab.store.archive.active_market(), emulated):
        return {"note": reason}
    cloud = lab.cloud()
    if not cloud.regions:
        return {"note": "No account is managed, so no scores can be requested."}
    questions = list(_questions(lab, cloud, lab.market()))
    if not questions:
        return {"note": "The fleet has no type that belongs to a group of at least three."}
    return _Run(lab, cloud).run(questions, tell, cancelled)


def _questions(lab: Lab, cloud: Cloud, data: MarketData) -> Iterator[_Question]:
    fleet = lab.store.fleet.instances()
    for region in cloud.regions:
        in_use = Counter(i.pool.instance_type for i in fleet if i.pool.region == region)
        for group in relevant_groups(_shapes(data, region), in_use):
            instances = sum(in_use[name] for name in group)
            yield _Question(cloud.account_in(region), region, group, instances)


def _shapes(data: MarketData, region: str) -> dict[str, Shape]:
    """Shapes of the types with a price in a region, except those of unknown name or size."""
    priced = set(data.prices.loc[data.prices["region"] == region, "instance_type"])
    specs = data.specs[data.specs["instance_type"].isin(priced)]
    specs = specs.dropna(subset=["vcpu", "memory_gb"])
    columns = ["instance_type", "architecture", "vcpu", "memory_gb"]
    shapes: dict[str, Shape] = {}
    for name, listed, vcpu, memory_gb in specs[columns].itertuples(index=False, name=None):
        with suppress(ValueError):
            parsed = parse_type(name)
            architecture = listed if isinstance(listed, str) else parsed.architecture.value
            shapes[name] = Shape(architecture, parsed.accelerated, float(vcpu), float(memory_gb))
    return shapes


class _Run:
    """One run of the job."""

    def __init__(self, lab: Lab, cloud: Cloud) -> None:
        self._lab = lab
        self._cloud = cloud
        since = lab.clock.now() - DAY
        recent = lab.store.placement.since(since, emulated=cloud.emulated)
        self._asked = {
            account.name: configurations([a for a in recent if a.account == account.name])
            for account in cloud.accounts
        }
        self._refused: set[str] = set()
        self._sources: dict[str, PlacementScores] = {}
        self._failed: dict[_Question, str] = {}
        self._broken: set[str] = set()
        self._count: Counter[str] = Counter(asked=0, scores=0, refused_by_quota=0, left_out=0)

    def run(
        self, questions: list[_Question], tell: Progress, cancelled: Callable[[], bool]
    ) -> Mapping[str, Any]:
        """Send the requests and store each response immediately."""
        ordered = sorted(questions, key=lambda each: (not self._known(each), -each.instances))
        for index, question in enumerate(ordered):
            if cancelled():
                self._count["left_out"] += len(ordered) - index
                break
            tell(f"requesting scores in {question.region}", index / len(ordered))
            if self._may_ask(question):
                self._ask(question)
            else:
                self._count["left_out"] += 1
        if self._count["asked"]:
            self._lab.bus.publish(Topic.MARKET)
        failed = " ".join(dict.fromkeys(self._failed.values()))
        return {**self._count, "note": self._summary(), "failed": failed}

    def _summary(self) -> str:
        count = self._count
        groups = count["asked"] - count["refused_by_quota"]
        facts = [f"{count['scores']} scores of {groups} group{'s' * (groups != 1)}"]
        if count["refused_by_quota"]:
            facts.append(f"{count['refused_by_quota']} refused by quota")
        if count["left_out"]:
            facts.append(f"{count['left_out']} postponed to another day")
        return f"{', '.join(facts)}."

    def _known(self, question: _Question) -> bool:
        return question.configuration in self._asked[question.account.name]

    def _may_ask(self, question: _Question) -> bool:
        account = question.account.name
        if question.region in self._broken:
            return False
        if self._known(question):
            return True
        return account not in self._refused and len(self._asked[account]) < CONFIGURATIONS_A_DAY

    def _ask(self, question: _Question) -> None:
        account, region = question.account, question.region
        try:
            answer = self._source(account, region).request(question.instance_types)
        except SpotlabError as exc:
            self._failed[question] = str(exc)
            if not isinstance(exc, NoSuchThing):  # which concerns only this group
                self._broken.add(region)
            return
        self._lab.store.placement.record(answer)
        self._count["asked"] += 1
        self._count["scores"] += len(answer.scores)
        if answer.refused:
            self._count["refused_by_quota"] += 1
            self._refused.add(account.name)
        else:
            self._asked[account.name].add(question.configuration)

    def _source(self, account: Account, region: str) -> PlacementScores:
        if region not in self._sources:
            ec2 = self._cloud.sessions.client("ec2", account, region)
            self._sources[region] = PlacementScores(
                ec2, account.name, region, self._lab.clock, emulated=self._cloud.emulated
            )
        return self._sources[region]
