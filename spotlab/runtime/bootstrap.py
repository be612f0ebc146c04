"""Bootstrap: builds the lab from the settings; the only place that selects implementations.

Nothing connects at import. The embedded server and the emulated AWS start when first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import redis
from pydantic import SecretStr

from spotlab import __version__
from spotlab.aws.session import Sessions
from spotlab.domain.market import MarketName
from spotlab.domain.ports import Account, Bus, Clock, LocalBus, OnlineStore
from spotlab.domain.spot_events import SpotEventKind
from spotlab.errors import NotAvailable, OnlineStoreDown
from spotlab.features.embedded_valkey import join_server, running_server
from spotlab.features.redis_online import RedisOnlineStore, connect, connect_without_retries
from spotlab.inference.model_process import WorkerLimits
from spotlab.inference.model_workers import ModelWorkers
from spotlab.inference.predictor import Isolation, Predictor
from spotlab.inference.tree_limits import TreeLimits
from spotlab.runtime.accounts_file import read_accounts
from spotlab.runtime.bus import RedisBus
from spotlab.runtime.cloud import Cloud, FeedAddresses
from spotlab.runtime.drill_world import DrillClock, DrillWorld
from spotlab.runtime.home import usable_home
from spotlab.runtime.lab import Lab
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.model_registration import UPLOADS, register_artefacts
from spotlab.runtime.observability import start_observability
from spotlab.settings import Settings, load
from spotlab.store import open_store
from spotlab.store.change_markers import SqlMarkers
from spotlab.store.engine import connect as connect_database
from spotlab.store.migrate import upgrade
from spotlab.store.secret_cipher import SecretCipher
from spotlab.store.secret_key import secret_key

if TYPE_CHECKING:
    import httpx
    from limits.storage import Storage

T = TypeVar("T")
REACH_TIMEOUT_S = 2.0


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Aware UTC."""
        return datetime.now(UTC)


class Once(Generic[T]):
    """A value made by the first call; after a failure, the next call tries again. Thread-safe."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._lock = threading.Lock()

    def __call__(self) -> T:
        """The value."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def made(self) -> list[T]:
        """The value in a list; an empty list before the first successful call."""
        return self._made


def bootstrap(
    settings: Settings | None = None,
    *,
    clock: Clock | None = None,
    online: OnlineStore | None = None,
    cloud: Callable[[], Cloud] | None = None,
) -> Lab:
    """The lab for these settings, with its database migrated and its models registered.

    Args:
        settings: None: read from the environment.
        clock: None: the machine's clock.
        online: replaces the online store of the settings.
        cloud: replaces the AWS of the settings.
    Raises:
        InvalidSetting: a setting is wrong.
        DatabaseDown: the database cannot be reached or migrated.
    """
    chosen = settings or load()
    time = clock or SystemClock()
    home = usable_home(chosen)
    store = open_store(_plain(chosen.database_url), home / "spotlab.db", chosen.database_pooling)
    store.fleet.encrypt_external_ids(
        SecretCipher(lambda: secret_key(chosen).derived("stored external ids"))
    )
    shipped, uploads = chosen.models_dir.absolute(), home / UPLOADS
    limits = _tree_limits(chosen)
    if shipped.resolve() == uploads.resolve():
        shipped = uploads  # the same folder under another path: its models are uploads
    workers = ModelWorkers(
        WorkerLimits(chosen.model_workers, chosen.model_memory_mb, chosen.model_wall_s, limits)
    )
    isolation = Isolation(uploads, store.registry.trusts, workers)
    predictor = Predictor(shipped, uploads, limits=limits, isolation=isolation)
    register_artefacts(
        predictor,
        store.registry,
        time,
        uploads if uploads != shipped else None,
        shared=chosen.database_url is not None,
    )
    stores = _OnlineStores(chosen, home)
    bus: Bus = LocalBus()
    log_stream = LogStream.disconnected()
    if online is None:
        bus = RedisBus(stores.client_if_served, SqlMarkers(store.engine).read)
        log_stream = LogStream(stores.client_if_served, chosen.log_lines)
    resources = ExitStack()
    http = Once(lambda: _http(chosen, resources))
    for resource in (store, stores, bus, log_stream, workers):
        resources.callback(resource.close)
    if online is None:
        start_observability(chosen, log_stream, resources)
    return Lab(
        settings=chosen,
        clock=time,
        store=store,
        predictor=predictor,
        open_online=(lambda: online) if online is not None else stores,
        open_cloud=cloud or _Clouds(chosen, home, time, resources),
        choose_market=lambda active: _choose_market(chosen, http, active),
        open_http=http,
        resources=resources,
        bus=bus,
        open_counter=stores.counter_if_served if online is None else lambda: None,
        log_stream=log_stream,
    )


def _http(settings: Settings, resources: ExitStack) -> httpx.Client:
    import httpx

    client = httpx.Client(
        timeout=settings.feed_timeout_s,
        headers={"User-Agent": f"spotlab/{__version__}"},
        mounts={"all://127.0.0.1": None},
    )
    resources.callback(client.close)
    return client


def _tree_limits(settings: Settings) -> TreeLimits:
    return TreeLimits(
        text_mb=settings.model_text_mb,
        trees=settings.model_trees,
        leaves_per_tree=settings.model_leaves_per_tree,
        leaves=settings.model_leaves,
        depth=settings.model_depth,
    )


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


class _OnlineStores:
    """Opens the online store when first needed; restarts the embedded server if it has died."""

    def __init__(self, settings: Settings, home: Path) -> None:
        self._url = _plain(settings.redis_url)
        self._home = home
        self._server = Once(lambda: join_server(home))
        self._store = Once(self._open)
        self._clients: list[redis.Redis] = []

    def __call__(self) -> OnlineStore:
        """The online store.

        Raises:
            OnlineStoreDown: it cannot be started or does not respond.
        """
        try:
            store = self._store()
            if not self._url:
                self._server()[1].ensure_running()
        except OnlineStoreDown:
            raise
        except NotAvailable as exc:
            raise OnlineStoreDown(exc.message, remedy=exc.remedy) from exc
        return store

    def client_if_served(self) -> redis.Redis | None:
        """A client for bus and logs, or None if no server runs; the caller closes it."""
        url = self._url or running_server(self._home)
        return connect_without_retries(url) if url else None

    def counter_if_served(self) -> Storage | None:
        """A counter that all replicas share, or None if no server runs."""
        client = self.client_if_served()
        if client is None:
            return None
        self._clients.append(client)  # a client without references closes its connections
        from limits.storage import RedisStorage

        pool = client.connection_pool
        return RedisStorage("redis://", connection_pool=pool, key_prefix="spotlab:limits")

    def close(self) -> None:
        """Disconnect; the server ends when no process uses it."""
        for client in self._clients:
            client.close()
        for _url, membership in self._server.made():
            membership.close()

    def _open(self) -> OnlineStore:
        client = connect(self._url or self._server()[0])
        self._clients.append(client)
        return RedisOnlineStore(client)


class _Clouds:
    """Opens the cloud when first needed; restarts the emulated AWS if it has died."""

    def __init__(self, settings: Settings, home: Path, clock: Clock, resources: ExitStack) -> None:
        self._open = Once(lambda: _cloud(settings, home, clock, resources))

    def __call__(self) -> Cloud:
        """The accounts and how to reach them.

        Raises:
            NotAvailable: the emulated AWS cannot be started.
        """
        cloud, ensure = self._open()
        ensure()
        return cloud


def _cloud(
    settings: Settings, home: Path, clock: Clock, resources: ExitStack
) -> tuple[Cloud, Callable[[], None]]:
    """The cloud, and a function that restarts the emulated AWS if it has died."""
    if settings.aws == "account":
        accounts = read_accounts(settings.accounts_file)
        feeds = FeedAddresses(
            settings.advisor_url, settings.spot_prices_url, settings.on_demand_url
        )
        return Cloud(False, Sessions(clock=clock), accounts, feeds), lambda: None
    from spotlab.demo.connect import connect as connect_emulator

    emulated = connect_emulator(home, settings.demo_seed)
    resources.callback(emulated.close)
    sessions = Sessions(
        clock=clock,
        endpoint_url=emulated.endpoint_url,
        access_key_id=emulated.access_key_id,
        secret_access_key=emulated.secret_access_key,
    )
    feeds = FeedAddresses(emulated.advisor_url, emulated.spot_prices_url, emulated.on_demand_url)
    return Cloud(True, sessions, emulated.accounts, feeds), emulated.ensure_running


@contextmanager
def open_drill_world(seed: int, starts_at: datetime) -> Iterator[DrillWorld]:
    """An emulated AWS of its own in this process, with realistic delays on a drill's clock.

    Only one at a time. It has one account in one region, where an instance has each of what a
    switch must keep.

    Args:
        seed: of the fleet and the market.
        starts_at: aware UTC.
    """
    from spotlab.demo.access_keys import BASE_KEY, BASE_SECRET
    from spotlab.demo.delays import REALISTIC
    from spotlab.demo.server import serve_in_thread
    from spotlab.demo.signals import Signal, SignalKind, emit
    from spotlab.demo.world import Clock as WorldClock

    clock = DrillClock(starts_at)
    kinds = {
        SpotEventKind.NOTICE: SignalKind.INTERRUPTION,
        SpotEventKind.REBALANCE: SignalKind.REBALANCE,
    }
    world_clock = WorldClock(starts_at, clock.monotonic, advances=True)
    with serve_in_thread(seed, clock=world_clock, delays=REALISTIC) as served:

        def send(kind: SpotEventKind, account_id: str, region: str, instance_id: str) -> str:
            return emit(served.world, Signal(kinds[kind], account_id, region, instance_id))

        address = served.endpoint_url
        sessions = Sessions(
            clock=clock,
            endpoint_url=address,
            access_key_id=BASE_KEY,
            secret_access_key=BASE_SECRET,
        )
        first = served.world.accounts[0]
        account = Account(
            first.name,
            first.account_id,
            first.role_arn,
            first.external_id,
            first.regions[:1],
            emulated=True,
        )
        feeds = FeedAddresses(
            f"{address}/feeds/advisor.json",
            f"{address}/feeds/spot.json",
            f"{address}/feeds/on-demand/{{location}}/Linux/index.json",
        )
        cloud = Cloud(True, sessions, (account,), feeds)
        yield DrillWorld(cloud, clock, asdict(REALISTIC), send)


def _choose_market(
    settings: Settings, http: Callable[[], httpx.Client], active: MarketName | None
) -> MarketName:
    """The live market to collect; "auto" keeps the active one if it is live."""
    if settings.market != "auto":
        return MarketName(settings.market)
    if settings.aws == "account":
        return MarketName.ACCOUNT
    if active in (MarketName.PUBLIC, MarketName.SIMULATED):
        return active
    import httpx

    try:
        http().head(settings.advisor_url, timeout=REACH_TIMEOUT_S).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL):
        return MarketName.SIMULATED
    return MarketName.PUBLIC


def migrate(settings: Settings) -> tuple[str | None, str]:
    """Bring the database to this version; returns the revision before and after."""
    engine = connect_database(
        _plain(settings.database_url), settings.sqlite_path.absolute(), settings.database_pooling
    )
    return upgrade(engine)
