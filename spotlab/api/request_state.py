"""What the API's requests share: the lab, who asks, quotas and answers kept."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends
from limits.storage import RedisStorage, Storage
from redis.backoff import NoBackoff
from redis.retry import Retry
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from spotlab.api.rate_limit import Quota, RateLimiter
from spotlab.domain.access import Principal
from spotlab.domain.ports import Topic
from spotlab.errors import TooManyRequests
from spotlab.runtime.lab import Lab
from spotlab.services import Desk

T = TypeVar("T")
REDIS_TIMEOUT_S: Final = 0.25
MAX_CACHED: Final = 256
MAX_VARIANTS: Final = 8
"""Of the same address, for those who see different things."""
MAX_SHARED_VALUES: Final = 16
MAX_STREAMS_PER_USER: Final = 5
MAX_STREAMS: Final = 100
MAX_CACHED_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """An answer that is given again while nothing it was made from has changed.

    Args:
        topics: what it was made from.
        versions: how much news of each there was before it was made.
        until: seconds of the monotonic clock.
        body: its bytes.
        headers: of its head.
        route: the one that made it.
    """

    topics: tuple[Topic, ...]
    versions: tuple[int, ...]
    until: float
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    route: Any


@dataclass(slots=True)
class Service:
    """What requests share.

    Args:
        open_lab: gives the lab of this process.
        principal_of: who asks; raises NotSignedIn.
        is_known: whether `principal_of` tells so without waiting for anything; asked once the lab
            is open.
    """

    open_lab: Callable[[], Lab]
    principal_of: Callable[[HTTPConnection], Principal]
    is_known: Callable[[HTTPConnection], bool]
    limiter: RateLimiter = field(init=False)
    _responses: OrderedDict[Hashable, dict[Hashable, CachedResponse]] = field(
        default_factory=OrderedDict
    )
    _values: OrderedDict[Hashable, tuple[float, Any]] = field(default_factory=OrderedDict)
    _streams: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _opened: bool = False

    def __post_init__(self) -> None:
        self.limiter = RateLimiter(self._shared_counter)

    @property
    def lab(self) -> Lab:
        """The lab. Raises DatabaseDown, InvalidSetting."""
        return self.open_lab()

    def admit(self, request: Request, writes: bool) -> tuple[Principal, Quota]:
        """Who asks, if they are known and have not asked too often.

        Raises:
            NotSignedIn, TooManyRequests: they are not, or they have.
        """
        who = self.principal_of(request)
        settings = self.lab.settings
        self._opened = True
        limit = settings.api_writes_per_minute if writes else settings.api_reads_per_minute
        return who, self.limiter.count(who.name, "writes" if writes else "reads", limit)

    def admits_without_waiting(self, request: Request) -> bool:
        """Whether `admit` waits for nothing, so that it may be asked in the event loop: a thread
        for it costs more than it does."""
        return self._opened and self.lab.settings.redis_url is None and self.is_known(request)

    def versions(self, topics: tuple[Topic, ...]) -> tuple[int, ...]:
        """How much news of these topics there was."""
        bus = self.lab.bus
        return tuple(bus.version(topic) for topic in topics)

    def has_cached(self, scope: Scope) -> bool:
        """Whether an answer is kept for somebody who asked for the same."""
        return _request_key(scope) in self._responses

    def cached(self, who: Principal, scope: Scope) -> CachedResponse | None:
        """An answer that was made when there was as much news as now, if it is young enough."""
        with self._lock:
            found = self._responses.get(_request_key(scope), {}).get(_viewer_key(who))
        if found is None or found.until < time.monotonic():
            return None
        return found if found.versions == self.versions(found.topics) else None

    def cache(
        self,
        who: Principal,
        scope: Scope,
        kept: CachedResponse,
    ) -> None:
        """Keep an answer."""
        if len(kept.body) > MAX_CACHED_BYTES:
            return
        asked = _request_key(scope)
        with self._lock:
            of_each = self._responses.setdefault(asked, {})
            of_each.pop(_viewer_key(who), None)
            of_each[_viewer_key(who)] = kept
            if len(of_each) > MAX_VARIANTS:
                del of_each[next(iter(of_each))]
            self._responses.move_to_end(asked)
            while len(self._responses) > MAX_CACHED:
                self._responses.popitem(last=False)

    def shared(self, key: Hashable, for_s: float, make: Callable[[], T]) -> T:
        """A value that is costly to make, made at most every `for_s` seconds."""
        now = time.monotonic()
        with self._lock:
            found = self._values.get(key)
        if found is not None and found[0] > now:
            made: T = found[1]
            return made
        made = make()
        with self._lock:
            self._values[key] = (time.monotonic() + for_s, made)
            self._values.move_to_end(key)
            while len(self._values) > MAX_SHARED_VALUES:
                self._values.popitem(last=False)
        return made

    def begin_stream(self, user: str) -> None:
        """Somebody begins to follow a stream. Raises TooManyRequests: they follow enough."""
        with self._lock:
            if self._streams[user] >= MAX_STREAMS_PER_USER or self._streams.total() >= MAX_STREAMS:
                raise TooManyRequests(
                    "Too many streams are followed.", remedy="End one.", retry_after_s=10.0
                )
            self._streams[user] += 1

    def end_stream(self, user: str) -> None:
        """They follow it no longer."""
        with self._lock:
            self._streams[user] -= 1
            if not self._streams[user]:
                del self._streams[user]

    def _shared_counter(self) -> Storage | None:
        """Redis where every replica has the same one; the embedded server is one process's own."""
        url = self.lab.settings.redis_url
        if url is None:
            return None
        address = url.get_secret_value()
        if address.startswith("unix://"):
            address = f"redis+{address}"
        return RedisStorage(
            address,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),  # type: ignore[arg-type]
        )


def service_of(connection: HTTPConnection) -> Service:
    """The service that a request belongs to."""
    service: Service = connection.app.state.service
    return service


async def _desk_of(request: Request) -> Desk:
    """The desk of whoever asks, who was admitted before."""
    return Desk(service_of(request).lab, request.scope["spotlab.who"])


async def _service_of(request: Request) -> Service:
    return service_of(request)


# Both wait for nothing. What is not `async` FastAPI gives a thread, which costs more than they do.
DeskDep = Annotated[Desk, Depends(_desk_of)]
ServiceDep = Annotated[Service, Depends(_service_of)]


def _request_key(scope: Scope) -> Hashable:
    return scope["path"], scope["query_string"]


def _viewer_key(who: Principal) -> Hashable:
    return who.accounts, who.rights
