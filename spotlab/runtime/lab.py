"""The lab: settings, stores, models, market and fleet, opened for one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from spotlab.domain.decision import Instance, PipelineMode
from spotlab.domain.interruptions import OwnRecord
from spotlab.domain.market import FeedKind, MarketData, MarketName
from spotlab.domain.performance import PerformanceIndex, index_of
from spotlab.domain.policy import PolicyParams
from spotlab.domain.ports import (
    Bus,
    Clock,
    FeedSource,
    LocalBus,
    ModelRecord,
    OnlineStore,
    RiskModel,
    Topic,
)
from spotlab.domain.requirements import Requirements
from spotlab.domain.switch_guards import EVERYWHERE, SwitchingMode
from spotlab.domain.workload import AppliedWorkload, Workload, applied_workload
from spotlab.errors import SpotlabError
from spotlab.inference.predictor import Predictor
from spotlab.pipeline import collect as collecting
from spotlab.pipeline.collect import CollectReport, Progress
from spotlab.pipeline.filter import requirements_of
from spotlab.pipeline.market_signals import with_market_signals
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.spread import Spread
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.cloud import ArchivedData, Cloud, market_sources, with_stored_accounts
from spotlab.runtime.fleet_sync import SLACK_S, listed_age_s, sync_fleet
from spotlab.runtime.launch_forecasts import own_record
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.market_reader import MarketReader
from spotlab.runtime.model_selection import RISK_TASK, champion_model, with_selected_model
from spotlab.settings import Settings
from spotlab.store import Store
from spotlab.telemetry.logs import correlated

if TYPE_CHECKING:
    import httpx
    from limits.storage import Storage

MARKET_LABELS: Final = {
    MarketName.SIMULATED: "Simulated market",
    MarketName.RECORDED: "Recorded feeds",
    MarketName.PUBLIC: "Public AWS feeds",
    MarketName.ACCOUNT: "AWS account",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What is emulated or simulated, and what is real.

    Args:
        aws: "emulated" or "account".
        market: the active market; None before the first collection.
        label: label of the market.
        simulated: whether the market is simulated.
        execution: "off", "dry-run": switches are listed, not made, "on": they change AWS, in
            accounts and for instances that are on too, or "stopped": they were on.
        limited_by: what keeps `execution` from being "on": "installation", "accounts", or "".
        stopped: who stopped switches, where and why, a sentence; "": nobody.
    """

    aws: str
    market: MarketName | None
    label: str
    simulated: bool
    execution: str = "off"
    limited_by: str = ""
    stopped: str = ""


T = TypeVar("T")
SCORED_FOR_S = 30.0  # how long screens share a scored market if the market does not change


@dataclass(slots=True)
class Lab:
    """Access to everything that a process uses.

    Args:
        settings: as loaded.
        clock: current time.
        store: SQL ledger, fleet, archive, registry and health.
        predictor: models by name.
        open_online: opens the online store, starting the embedded server if needed.
        open_cloud: opens the AWS, starting the emulator if needed.
        choose_market: resolves the market setting; "auto" tries the network.
        open_http: opens the client for feeds, once.
        resources: closed by `close`.
        bus: notifies every process of changes.
        open_counter: opens a counter that all replicas share; None if there is none.
        log_stream: the log lines of every process.
        started_at: monotonic seconds.
    """

    settings: Settings
    clock: Clock
    store: Store
    predictor: Predictor
    open_online: Callable[[], OnlineStore]
    open_cloud: Callable[[], Cloud]
    choose_market: Callable[[MarketName | None], MarketName]
    open_http: Callable[[], httpx.Client]
    resources: ExitStack = field(default_factory=ExitStack)
    bus: Bus = field(default_factory=LocalBus)
    open_counter: Callable[[], Storage | None] = lambda: None
    log_stream: LogStream = field(default_factory=LogStream.disconnected)
    started_at: float = field(default_factory=time.monotonic)
    _process_state: dict[type, object] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _scored: dict[str, tuple[float, tuple[int, int], ScoredMarket]] = field(default_factory=dict)
    _scoring: dict[str, threading.Lock] = field(default_factory=dict)
    _collecting: threading.RLock = field(default_factory=threading.RLock)

    @property
    def http(self) -> httpx.Client:
        """Client for feeds."""
        return self.open_http()

    @property
    def reader(self) -> MarketReader:
        """Reader of the active market."""
        return MarketReader(self.store.archive, self.store.health, self.clock, self.open_online)

    @property
    def mode(self) -> Mode:
        """What is emulated or simulated, and what is real."""
        return self.mode_for(None)

    def mode_for(self, accounts: Collection[str] | None) -> Mode:
        """The mode as far as it concerns these accounts; None: all."""
        market = self.store.archive.active_market()
        stops = [
            stop
            for stop in self.store.switch_guards.stops()
            if accounts is None or stop.scope == EVERYWHERE or stop.scope in accounts
        ]
        execution, limited_by = self._execution(accounts, {stop.scope for stop in stops})
        return Mode(
            aws=self.settings.aws,
            market=market,
            label=MARKET_LABELS[market] if market else "No market yet",
            simulated=market is MarketName.SIMULATED,
            execution=execution,
            limited_by=limited_by,
            stopped=" ".join(stop.sentence for stop in stops),
        )

    def _execution(
        self, accounts: Collection[str] | None, stopped: Collection[str]
    ) -> tuple[str, str]:
        """How far switches go, and the level that limits them.

        It is the least strict mode of the accounts, limited by the installation.
        """
        installation = SwitchingMode(self.settings.switching)
        if installation is SwitchingMode.OFF:
            return installation.value, "installation"
        names = [
            each.name
            for each in self.store.fleet.accounts()
            if each.active and (accounts is None or each.name in accounts)
        ]
        guards = self.store.switch_guards.accounts(names)
        going = {
            name: own.mode for name, own in guards.items() if own.mode is not SwitchingMode.OFF
        }
        if not going:
            return SwitchingMode.OFF.value, "accounts"
        if EVERYWHERE in stopped or going.keys() <= set(stopped):
            return "stopped", ""
        if installation is SwitchingMode.DRY_RUN:
            return SwitchingMode.DRY_RUN.value, "installation"
        if SwitchingMode.ON not in going.values():
            return SwitchingMode.DRY_RUN.value, "accounts"
        return SwitchingMode.ON.value, ""

    def process_state(self, kind: type[T]) -> T:
        """State that a component above the lab keeps in this process between calls.

        Args:
            kind: class of the state; created without arguments by the first call.
        """
        with self._lock:
            if kind not in self._process_state:
                self._process_state[kind] = kind()
            state = self._process_state[kind]
        assert isinstance(state, kind)
        return state

    def cloud(self) -> Cloud:
        """The AWS, with the accounts of the settings and those that administrators added."""
        return with_stored_accounts(self.open_cloud(), self.store.fleet.accounts())

    def sync_fleet(self, cancelled: Callable[[], bool] | None = None) -> list[SpotlabError]:
        """List the instances of every account again; errors are returned and in the health log."""
        errors = sync_fleet(self.cloud(), self.store, self.clock, cancelled)
        self.bus.publish(Topic.FLEET)
        return errors

    def collect(
        self,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
        files: Sequence[FeedSource] = (),
        kinds: Collection[FeedKind] | None = None,
    ) -> CollectReport:
        """Collect a market and make it the active one.

        Args:
            progress: called with the current step and the share done.
            cancelled: checked between sources.
            files: recorded feeds to read instead of a live market.
            kinds: read only these feeds of the live market; if the market is not active yet, all
                are read.
        """
        with correlated(), self._collecting:
            known_before = self.store.archive.active_market() is not None  # else no screen waits
            if files:
                market, sources = MarketName.RECORDED, files
            else:
                active = self.store.archive.active_market()
                market = self.choose_market(active)
                known = ArchivedData.of(self.store.archive, self.store.price_readings, market)
                sources = market_sources(
                    market, self.cloud(), self.settings, self.http, self.clock, known, cancelled
                )
                if kinds is not None and market is active:
                    sources = [s for s in sources if any(kind in kinds for kind, _ in s.covers)]
            report = collecting.collect(
                sources,
                market,
                self.store.archive,
                self.store.health,
                self.clock,
                progress,
                cancelled,
                (lambda: self._publish(market)) if known_before else (lambda: None),
            )
            if any(source.kind is not None for source in report.sources):
                self._publish(market)
            return report

    def _publish(self, market: MarketName) -> None:
        self.reader.publish(market)
        self.bus.publish(Topic.MARKET)

    def collect_if_stale(
        self, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Collect the market if it is too old; see `collect`."""
        if not self.market_is_stale():
            return
        with self._collecting:
            if self.market_is_stale():  # another thread may have collected it meanwhile
                self.collect(progress, cancelled)

    def evaluated_instances(self) -> list[Instance]:
        """Every active instance whose pipeline is on."""
        return [i for i in self.store.fleet.instances() if i.mode is not PipelineMode.OFF]

    def fleet_is_stale(self) -> bool:
        """Whether the list of instances is older than the settings allow."""
        age_s = listed_age_s(self.store, self.clock)
        return age_s is None or not -SLACK_S <= age_s <= self.settings.collect_max_age_s

    def market_is_stale(self) -> bool:
        """Whether the market is older than the settings allow, and can be collected."""
        active = self.store.archive.active_market()
        if active is MarketName.RECORDED:
            return False
        age_s = self.reader.collected_age_s(active) if active else None
        return age_s is None or not -SLACK_S <= age_s <= self.settings.collect_max_age_s

    def market(self) -> MarketData:
        """The active market now; `degraded` lists the reasons if data is missing or old."""
        return self.reader.read()

    def scored(self, model: str | None = None) -> ScoredMarket:
        """The active market scored by a model (None: the champion), at most 30 s ago."""
        return self._scored_by(self.model(model))

    def _scored_by(self, chosen: RiskModel) -> ScoredMarket:
        # Read before the market. A new interruption changes the risk of its pool at once.
        version = (self.bus.version(Topic.MARKET), self.store.interruptions.newest_id())
        key = f"{self.store.archive.active_market()}:{chosen.name}@{chosen.version}"
        with self._scoring.setdefault(key, threading.Lock()):  # a slow model delays no other
            cached = self._scored.get(key)
            if not cached or cached[1] != version or time.monotonic() - cached[0] >= SCORED_FOR_S:
                data = self.market()
                scored = score_market(data, chosen, Tracer(), self.own_record(data))
                cached = self._scored[key] = (time.monotonic(), version, scored)
            return cached[2]

    def drop_expired(self) -> None:
        """Drop scored markets that are too old to be used again."""
        for key, (scored_at, _, _) in list(self._scored.items()):
            if time.monotonic() - scored_at >= SCORED_FOR_S:
                self._scored.pop(key, None)

    def own_record(self, data: MarketData) -> OwnRecord:
        """Own exposure, interruptions and launches, and what else policies count for a while."""
        own = own_record(self.store, self.predictor, data.market, self.clock.now())
        return with_market_signals(own, data, self.store.policies.versions())

    def rank(
        self,
        requirements: Requirements,
        policy: PolicyParams | None = None,
        model: str | None = None,
    ) -> Ranking:
        """The pools that meet requirements, by expected cost."""
        return rank(self.scored(model), requirements, policy or self.store.policies.active().params)

    def requirements_of(
        self, instance: Instance, applied: AppliedWorkload | None = None
    ) -> Requirements:
        """Requirements of a replacement for an instance; `applied`: its workload, if known."""
        pools = self.scored(self.deciding_model(instance)[0]).pools
        return requirements_of(instance, pools, (applied or self.workload_of(instance)).workload)

    def workload_of(self, instance: Instance) -> AppliedWorkload:
        """The workload of an instance, and the rule that chose it."""
        workloads = self.store.workloads
        return applied_workload(instance, workloads.assignments(), workloads.newest())

    def spread(
        self,
        policy: PolicyParams,
        instances: Sequence[Instance] = (),
        workload: Workload | None = None,
    ) -> Spread:
        """Where the whole fleet runs, and what each of its instances can still get.

        Args:
            policy: its limit for one run.
            instances: to evaluate, also if they are not active.
            workload: of these instances, instead of their own.
        """
        assignments, workloads = self.store.workloads.assignments(), self.store.workloads.newest()
        evaluated = {each.instance_id: each for each in instances}
        fleet = {each.instance_id: each for each in self.store.fleet.instances()} | evaluated

        def workload_of(instance: Instance) -> Workload:
            if workload is not None and instance.instance_id in evaluated:
                return workload
            return applied_workload(instance, assignments, workloads).workload

        return Spread(fleet.values(), workload_of, policy)

    def performance(self, workload: Workload, scored: ScoredMarket) -> PerformanceIndex:
        """The performance index of a workload now, for the types of a market."""
        return index_of(workload, self.store.throughputs.newest(), scored.hardware)

    def model(self, name: str | None = None) -> RiskModel:
        """A model by "name" or "name@version"; None: the champion.

        Raises:
            NotFound: no such model.
            ArtefactRefused: its files are not as registered.
        """
        if name is None:
            return champion_model(self.store.registry, self.predictor, RISK_TASK)
        return self.predictor.advisor(name)

    def deciding_model(self, instance: Instance | None) -> tuple[str | None, str]:
        """The model that decides (None: the champion), and why not the assigned one, or ""."""
        if instance is None or instance.model is None:
            return None, ""
        registry, predictor = self.store.registry, self.predictor
        scored, instead = with_selected_model(registry, predictor, instance.model, self._scored_by)
        return scored.model, instead

    def models(self) -> list[ModelRecord]:
        """Every registered model version."""
        return self.store.registry.records()

    def close(self) -> None:
        """Close all connections; shared helper processes end when no process uses them."""
        self.resources.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
