"""Decisions for a fleet: what one pool may hold of a group, and what one run may send there.

Each instance is decided alone first. Those that would move are then taken in a fixed order; one
whose pool is full decides again without the full pools. A group never gets a larger share of a pool
through a run: its instances there and those that the run sends there count together. An instance
that leaves frees its place only in the next run, because a move can fail.

No instance is moved only because its group already has too much of its pool: moving costs work, and
the limit is there for what a run adds. Its reason says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from spotlab.domain.decision import Candidate, Decision, Instance, Lifecycle, Verdict
from spotlab.domain.margin import FORCED
from spotlab.domain.market import Pool
from spotlab.domain.policy import PolicyParams
from spotlab.domain.simultaneous_losses import share_limit
from spotlab.domain.workload import Workload

MAX_HELD: Final = 1000
"""Results of the first pass that are kept for the second one, 20 to 80 kB each on a market of
15,000 pools; further ones are computed again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Group:
    """Instances that should not all be lost together.

    Args:
        account: name of their account; accounts have no groups in common.
        tag: the tag whose value they share; "": the instances of a workload.
        name: the tag's value, or the workload's name.
    """

    account: str
    tag: str
    name: str

    @property
    def label(self) -> str:
        """For a person.

        >>> Group("acme", "service", "web").label
        'group web'
        """
        return f"group {self.name}" if self.tag else f"workload {self.name}"

    @property
    def full_label(self) -> str:
        """With its account, unique in the fleet.

        >>> Group("acme", "service", "web").full_label
        'acme: service=web'
        """
        if self.tag:
            return f"{self.account}: {self.tag}={self.name}"
        return f"{self.account}: workload {self.name}"


def group_of(instance: Instance, workload: Workload) -> Group:
    """By the value of the workload's group tag; without one, by account and workload."""
    tag = workload.group_tag
    value = instance.tags.get(tag, "") if tag else ""
    if value:
        return Group(instance.account, tag, value)
    return Group(instance.account, "", workload.name)


@dataclass(frozen=True, slots=True)
class _Member:
    instance: Instance
    group: Group
    max_pool_share: float

    @property
    def pool(self) -> Pool | None:
        """The spot pool that it runs on; None: on demand."""
        spot = self.instance.lifecycle is Lifecycle.SPOT
        return self.instance.pool if spot else None


class _Counts:
    """Numbers of instances by pool, and the pools of each number."""

    def __init__(self) -> None:
        self._numbers: Counter[str] = Counter()
        self._keys: defaultdict[int, set[str]] = defaultdict(set)

    def __getitem__(self, key: str) -> int:
        return self._numbers[key]

    def add(self, keys: Iterable[str]) -> None:
        """Count one more on each of these pools."""
        for key in keys:
            number = self._numbers[key]
            self._keys[number].discard(key)
            self._numbers[key] = number + 1
            self._keys[number + 1].add(key)

    def at_least(self, number: int) -> Iterator[str]:
        """The pools with this many or more; the others are not looked at."""
        for count, keys in self._keys.items():
            if count >= number:
                yield from keys


class Spread:
    """Where the instances of a fleet run, and where a run has sent instances so far.

    Instances that no run evaluates count too. On-demand instances count in the size of a group, but
    occupy no pool. In a market without zones a pool is the type in its region, and every instance
    of that type in the region occupies it.

    Args:
        instances: the whole fleet.
        workload_of: the workload of an instance.
        policy: its limits for one run.
    """

    def __init__(
        self,
        instances: Iterable[Instance],
        workload_of: Callable[[Instance], Workload],
        policy: PolicyParams,
    ) -> None:
        self._members: dict[str, _Member] = {}
        self._sizes: Counter[Group] = Counter()
        self._fleet: Counter[str] = Counter()
        self._present_or_sent: defaultdict[Group, _Counts] = defaultdict(_Counts)
        self._sent: defaultdict[Group, Counter[str]] = defaultdict(Counter)
        self._arrivals: defaultdict[str, _Counts] = defaultdict(_Counts)
        self.policy = policy
        for instance in instances:
            workload = workload_of(instance)
            member = _Member(instance, group_of(instance, workload), workload.max_pool_share)
            self._members[instance.instance_id] = member
            self._sizes[member.group] += 1
            self._fleet[instance.account] += 1
            if member.pool is not None:
                self._present_or_sent[member.group].add(_keys(member.pool))

    def group(self, instance_id: str) -> Group:
        """The group of an instance."""
        return self._members[instance_id].group

    def limit(self, instance_id: str) -> int:
        """How many instances of its group may be on one pool."""
        member = self._members[instance_id]
        return share_limit(member.max_pool_share, self._sizes[member.group])

    def unavailable(self, instance_id: str, *, urgent: bool = False) -> dict[str, str]:
        """The pools that an instance cannot get now, by key, and why.

        Its own pool is among them only if its group has too much of it: a reason to tell, not to
        move.

        Args:
            instance_id: of the fleet.
            urgent: without the limit for one run.
        """
        member = self._members[instance_id]
        own = _keys(member.pool) if member.pool is not None else ()
        full = self._full_for_group(member, own)
        if not urgent:
            full = self._full_for_run(member, own) | full
        return dict(sorted(full.items()))

    def send(self, instance_id: str, pool: Pool) -> None:
        """Note that the run sends an instance to a pool."""
        member = self._members[instance_id]
        keys = _keys(pool)
        self._sent[member.group].update(keys)
        self._present_or_sent[member.group].add(keys)
        self._arrivals[member.group.account].add(keys)

    def _full_for_group(self, member: _Member, own: Sequence[str]) -> dict[str, str]:
        counts, sent = self._present_or_sent[member.group], self._sent[member.group]
        size, allowed = self._sizes[member.group], self.limit(member.instance.instance_id)
        full = {}
        for key in counts.at_least(allowed):
            if key in own[1:]:
                continue  # the own type in its region, for a market without zones
            there = counts[key]
            if there < allowed + (key in own):
                continue
            run = "run there or go there in this run" if sent[key] else "run there"
            if there == 1:
                run = run.replace("run there", "runs there").replace("go ", "goes ")
            full[key] = (
                f"{there} of {size} instances of {member.group.label} {run}; at most {allowed} may "
                f"share a pool ({100 * member.max_pool_share:g} %)"
            )
        return full

    def _full_for_run(self, member: _Member, own: Sequence[str]) -> dict[str, str]:
        account = member.group.account
        allowed = share_limit(self.policy.max_arrivals_share, self._fleet[account])
        arrivals = self._arrivals[account]
        return {
            key: f"this run already sends {arrivals[key]} of {self._fleet[account]} instances "
            f"there, the most for one run ({100 * self.policy.max_arrivals_share:g} %)"
            for key in arrivals.at_least(allowed)
            if key not in own
        }


def _keys(pool: Pool) -> tuple[str, ...]:
    """The keys under which an instance on a pool counts: its own, and its region's."""
    if pool.availability_zone is None:
        return (pool.key,)
    return pool.key, replace(pool, availability_zone=None).key


def must_leave(verdict: Verdict) -> bool:
    """Whether an instance must move: its pool is over the risk ceiling, or EC2 gave notice."""
    margin = verdict.margin
    return verdict.decision is not Decision.STAY and margin is not None and margin.rule in FORCED


@dataclass(frozen=True, slots=True)
class Decided(Generic[T]):
    """A final decision.

    Args:
        instance: the instance.
        result: as `decide` returned it.
        unavailable: the pools that it could not get, by key, and why.
        alone: where it would have gone alone; None if the decision is the same.
    """

    instance: Instance
    result: T
    unavailable: Mapping[str, str]
    alone: Verdict | None = None


def decide_fleet(
    instances: Sequence[Instance],
    decide: Callable[[Instance, Mapping[str, str]], T],
    verdict_of: Callable[[T], Verdict | None],
    spread: Spread,
) -> Iterator[Decided[T]]:
    """Decide for instances with each other in view; each decision is yielded once it is final.

    First come the decisions that take no place on a pool, in the order of the instances. Then come
    the moves: live instances before those in shadow mode, those that must leave before those that
    would save, and then by margin, largest first. An instance decides again only if its pool is
    full. The limit for one run does not apply to one that must leave if it would send it to
    on-demand, or to a pool that is dearer by more than the policy accepts.

    Args:
        instances: to decide about, all in `spread`.
        decide: decides for one instance without the pools that are unavailable. It is called once
            or twice for each, three times for one that must leave; for more than MAX_HELD moves,
            once more.
        verdict_of: the verdict of a result; None if there is none.
        spread: of the whole fleet; the moves are noted in it.
    """
    moves: list[_Wish] = []
    held: dict[str, T] = {}
    for instance in instances:
        unavailable = spread.unavailable(instance.instance_id)
        result = decide(instance, unavailable)
        verdict = verdict_of(result)
        if verdict is None or verdict.chosen is None:
            yield Decided(instance, result, unavailable)
            continue
        moves.append(_Wish(instance, verdict, unavailable))
        if len(held) < MAX_HELD:
            held[instance.instance_id] = result
    for wish in sorted(moves, key=_Wish.order):
        decided = _place(
            wish, held.pop(wish.instance.instance_id, None), decide, verdict_of, spread
        )
        verdict = verdict_of(decided.result)
        if verdict is not None and verdict.chosen is not None:
            spread.send(wish.instance.instance_id, verdict.chosen.pool)
        yield decided


@dataclass(frozen=True, slots=True)
class _Wish:
    """Where an instance would move if it were alone in its run."""

    instance: Instance
    verdict: Verdict
    unavailable: Mapping[str, str]

    def order(self) -> tuple[bool, bool, float, str]:
        margin = self.verdict.margin
        total = margin.total if margin is not None else float("-inf")
        return self.instance.shadow, not must_leave(self.verdict), -total, self.instance.instance_id


def _place(
    wish: _Wish,
    held: T | None,
    decide: Callable[[Instance, Mapping[str, str]], T],
    verdict_of: Callable[[T], Verdict | None],
    spread: Spread,
) -> Decided[T]:
    instance, chosen = wish.instance, wish.verdict.chosen
    assert chosen is not None, "a wish names a pool"
    unavailable = spread.unavailable(instance.instance_id)
    if chosen.pool.key not in unavailable:
        result = decide(instance, wish.unavailable) if held is None else held
        return Decided(instance, result, wish.unavailable)
    result = decide(instance, unavailable)
    if must_leave(wish.verdict) and _too_dear(verdict_of(result), chosen, spread.policy):
        without = spread.unavailable(instance.instance_id, urgent=True)
        if len(without) < len(unavailable):
            result, unavailable = decide(instance, without), without
    return Decided(instance, result, unavailable, wish.verdict)


def _too_dear(verdict: Verdict | None, first: Candidate, policy: PolicyParams) -> bool:
    """Whether the limit for one run costs more than the policy accepts."""
    if verdict is None:
        return False
    if verdict.chosen is None:
        return True
    accepted = (1.0 + policy.max_spread_cost_fraction) * first.expected_cost_usd_per_hour
    return verdict.chosen.expected_cost_usd_per_hour > accepted
