"""The lab: everything a screen or a command asks for, in verbs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx
from limits.storage import Storage

from spotlab.domain.decision import Instance, PipelineMode, PolicyParams, Requirements
from spotlab.domain.interruptions import OwnRecord
from spotlab.domain.market import FeedKind, MarketData, MarketName
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
from spotlab.errors import SpotlabError
from spotlab.inference.predictor import Predictor
from spotlab.pipeline import collect as collecting
from spotlab.pipeline.collect import CollectReport, Progress
from spotlab.pipeline.filter import requirements_of
from spotlab.pipeline.rank import Ranking, rank
from spotlab.pipeline.score import ScoredMarket, score_market
from spotlab.pipeline.stage_trace import Tracer
from spotlab.runtime.cloud import Cloud, Known, looking_after, market_sources
from spotlab.runtime.fleet_sync import SLACK_S, listed_age_s, sync_fleet
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.market_reader import MarketReader
from spotlab.runtime.model_selection import RISK_TASK, answer_in_force, champion_model
from spotlab.settings import Settings
from spotlab.store import Store
from spotlab.telemetry.logs import correlated

MARKET_LABELS: Final = {
    MarketName.SIMULATED: "Simulated market",
    MarketName.RECORDED: "Recorded feeds",
    MarketName.PUBLIC: "Public AWS feeds",
    MarketName.ACCOUNT: "AWS account",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """What is real here.

    Args:
        aws: "emulated" or "account".
        market: the active market; None before the first collect.
        label: the market, for a person.
        simulated: its numbers come from the simulation.
        execution: "off": decisions are recorded, never carried out.
    """

    aws: str
    market: MarketName | None
    label: str
    simulated: bool
    execution: str = "off"


T = TypeVar("T")
SCORED_FOR_S = 30.0  # screens share a scored market for so long, where no news of it comes


@dataclass(slots=True)
class Lab:
    """Everything a screen or a command asks for.

    Args:
        settings: as loaded.
        clock: the time.
        store: SQL ledger, fleet, archive, registry and health.
        predictor: models by name.
        open_online: gives the online store, starting the embedded server when needed.
        open_cloud: gives the AWS, starting the emulator when needed.
        choose_market: resolves the market setting, asking the network when it is "auto".
        http: for feeds.
        resources: what `close` lets go of.
        bus: tells every process that something changed.
        open_counter: gives a counter that all replicas share; None where there is none.
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
    http: httpx.Client
    resources: ExitStack = field(default_factory=ExitStack)
    bus: Bus = field(default_factory=LocalBus)
    open_counter: Callable[[], Storage | None] = lambda: None
    log_stream: LogStream = field(default_factory=LogStream.nowhere)
    started_at: float = field(default_factory=time.monotonic)
    _process_state: dict[type, object] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _scored: dict[str, tuple[float, int, ScoredMarket]] = field(default_factory=dict)
    _scoring: dict[str, threading.Lock] = field(default_factory=dict)
    _collecting: threading.RLock = field(default_factory=threading.RLock)

    @property
    def reader(self) -> MarketReader:
        """The active market's reader."""
        return MarketReader(self.store.archive, self.store.health, self.clock, self.open_online)

    @property
    def mode(self) -> Mode:
        """What is real here."""
        market = self.store.archive.active_market()
        return Mode(
            aws=self.settings.aws,
            market=market,
            label=MARKET_LABELS[market] if market else "No market yet",
            simulated=market is MarketName.SIMULATED,
        )

    def process_state(self, kind: type[T]) -> T:
        """What a component above the lab keeps in this process between two calls.

        Args:
            kind: made without arguments when it is asked for the first time.
        """
        with self._lock:
            if kind not in self._process_state:
                self._process_state[kind] = kind()
            state = self._process_state[kind]
        assert isinstance(state, kind)
        return state

    def cloud(self) -> Cloud:
        """The AWS, with the accounts of the settings and those that were added by hand."""
        return looking_after(self.open_cloud(), self.store.fleet.accounts())

    def sync_fleet(self, cancelled: Callable[[], bool] | None = None) -> list[SpotlabError]:
        """List every account's instances anew; what failed is returned and in the health log."""
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
        """Collect a market and make it the one decisions are made in.

        Args:
            progress: called with what is being done and the share done.
            cancelled: asked between sources.
            files: recorded feeds to read instead of a live market.
            kinds: read only these of the live market; a market that is not yet the active one is
                read whole.
        """
        with correlated(), self._collecting:
            if files:
                market, sources = MarketName.RECORDED, files
            else:
                active = self.store.archive.active_market()
                market = self.choose_market(active)
                known = Known.of(self.store.archive, market)
                sources = market_sources(
                    market, self.cloud(), self.settings, self.http, self.clock, known
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
            )
            if any(source.kind is not None for source in report.sources):
                self.reader.publish(market)
                self.bus.publish(Topic.MARKET)
            return report

    def collect_if_old(
        self, progress: Progress | None = None, cancelled: Callable[[], bool] | None = None
    ) -> None:
        """Collect the market where it is older than it may be; see `collect`."""
        if not self.must_collect():
            return
        with self._collecting:
            if self.must_collect():  # whoever comes second finds it collected
                self.collect(progress, cancelled)

    def evaluated(self) -> list[Instance]:
        """Every active instance whose pipeline is on."""
        return [i for i in self.store.fleet.instances() if i.mode is not PipelineMode.OFF]

    def must_list(self) -> bool:
        """Whether the fleet's list is older than it may be."""
        age_s = listed_age_s(self.store, self.clock)
        return age_s is None or not -SLACK_S <= age_s <= self.settings.collect_max_age_s

    def must_collect(self) -> bool:
        """Whether the market is older than it may be, and can be collected."""
        active = self.store.archive.active_market()
        if active is MarketName.RECORDED:
            return False
        age_s = self.reader.collected_age_s(active) if active else None
        return age_s is None or not -SLACK_S <= age_s <= self.settings.collect_max_age_s

    def market(self) -> MarketData:
        """The active market now; `degraded` says why it is less than it should be."""
        return self.reader.read()

    def scored(self, model: str | None = None) -> ScoredMarket:
        """The active market by a model (None: the champion), at most 30 s old; anew on news."""
        return self._scored_by(self.model(model))

    def _scored_by(self, chosen: RiskModel) -> ScoredMarket:
        news = self.bus.version(Topic.MARKET)  # before it is read
        key = f"{self.store.archive.active_market()}:{chosen.name}@{chosen.version}"
        with self._scoring.setdefault(key, threading.Lock()):  # one that hangs delays no other
            kept = self._scored.get(key)
            if not kept or kept[1] != news or time.monotonic() - kept[0] >= SCORED_FOR_S:
                data = self.market()
                scored = score_market(data, chosen, Tracer(), self.own_record(data.market))
                kept = self._scored[key] = (time.monotonic(), news, scored)
            return kept[2]

    def own_record(self, market: MarketName) -> OwnRecord:
        """What own instances went through, as far as it says something about a market."""
        return self.store.interruptions.own_record(market, self.clock.now())

    def rank(
        self,
        requirements: Requirements,
        policy: PolicyParams | None = None,
        model: str | None = None,
    ) -> Ranking:
        """The pools that meet requirements, by expected cost."""
        return rank(self.scored(model), requirements, policy or PolicyParams())

    def requirements_of(self, instance: Instance) -> Requirements:
        """What a replacement of an instance must offer."""
        return requirements_of(instance, self.scored(self.in_force(instance)[0]).table)

    def model(self, name: str | None = None) -> RiskModel:
        """A model by "name" or "name@version"; None: the champion.

        Raises:
            NotFound, ArtefactRefused: no such model, or its files are not as they should be.
        """
        if name is None:
            return champion_model(self.store.registry, self.predictor, RISK_TASK)
        return self.predictor.advisor(name)

    def in_force(self, instance: Instance | None) -> tuple[str | None, str]:
        """The model that decides about it (None: the champion), and why that is not its own."""
        if instance is None or instance.model is None:
            return None, ""
        registry, predictor = self.store.registry, self.predictor
        scored, instead = answer_in_force(registry, predictor, instance.model, self._scored_by)
        return scored.model, instead

    def models(self) -> list[ModelRecord]:
        """Every registered model version."""
        return self.store.registry.records()

    def close(self) -> None:
        """Let go of connections; shared helper processes end when nobody uses them."""
        self.resources.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
