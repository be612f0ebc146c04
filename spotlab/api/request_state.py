"""State that API requests share: the lab, rate limits and cached responses."""

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
from spotlab.services import Services

T = TypeVar("T")
REDIS_TIMEOUT_S: Final = 0.25
MAX_CACHED: Final = 256
MAX_VARIANTS: Final = 8
"""Cached responses per URL, for users with different rights."""
MAX_SHARED_VALUES: Final = 16
MAX_STREAMS_PER_USER: Final = 5
MAX_STREAMS: Final = 100
MAX_CACHED_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """A response that is reused while its inputs are unchanged.

    Args:
        topics: topics of its inputs.
        versions: version of each topic before the response was value.
        until: expiry, in seconds of the monotonic clock.
        body: body of the response.
        headers: headers of the response.
        route: route that value the response.
    """

    topics: tuple[Topic, ...]
    versions: tuple[int, ...]
    until: float
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    route: Any


@dataclass(slots=True)
class Service:
    """State that API requests share.

    Args:
        open_lab: returns the lab of this process.
        principal_of: returns the principal of a request; raises NotSignedIn.
        is_known: whether `principal_of` answers without waiting; called only if the lab is open.
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
        """Authenticate a request and count it.

        Raises:
            NotSignedIn: the request has no valid token or session.
            TooManyRequests: the user has reached the limit.
        """
        who = self.principal_of(request)
        settings = self.lab.settings
        self._opened = True
        limit = settings.api_writes_per_minute if writes else settings.api_reads_per_minute
        return who, self.limiter.count(who.name, "writes" if writes else "reads", limit)

    def admits_without_waiting(self, request: Request) -> bool:
        """Whether `admit` does not wait, so that the event loop may call it.

        A thread would cost more than the call itself.
        """
        return self._opened and self.lab.settings.redis_url is None and self.is_known(request)

    def versions(self, topics: tuple[Topic, ...]) -> tuple[int, ...]:
        """The current version of each topic."""
        bus = self.lab.bus
        return tuple(bus.version(topic) for topic in topics)

    def has_cached(self, scope: Scope) -> bool:
        """Whether there is a cached response for the same URL, for any user."""
        return _request_key(scope) in self._responses

    def cached(self, who: Principal, scope: Scope) -> CachedResponse | None:
        """The cached response, if it has not expired and its topics have not changed."""
        with self._lock:
            response = self._responses.get(_request_key(scope), {}).get(_viewer_key(who))
        if response is None or response.until < time.monotonic():
            return None
        return response if response.versions == self.versions(response.topics) else None

    def cache(
        self,
        who: Principal,
        scope: Scope,
        response: CachedResponse,
    ) -> None:
        """Cache a response."""
        if len(response.body) > MAX_CACHED_BYTES:
            return
        key = _request_key(scope)
        with self._lock:
            variants = self._responses.setdefault(key, {})
            variants.pop(_viewer_key(who), None)
            variants[_viewer_key(who)] = response
            if len(variants) > MAX_VARIANTS:
                del variants[next(iter(variants))]
            self._responses.move_to_end(key)
            while len(self._responses) > MAX_CACHED:
                self._responses.popitem(last=False)

    def shared(self, key: Hashable, max_age_s: float, compute: Callable[[], T]) -> T:
        """A value that is expensive to compute, computed at most every `max_age_s` seconds."""
        now = time.monotonic()
        with self._lock:
            entry = self._values.get(key)
        if entry is not None and entry[0] > now:
            value: T = entry[1]
            return value
        value = compute()
        with self._lock:
            self._values[key] = (time.monotonic() + max_age_s, value)
            self._values.move_to_end(key)
            while len(self._values) > MAX_SHARED_VALUES:
                self._values.popitem(last=False)
        return value

    def begin_stream(self, user: str) -> None:
        """Count a new log stream. Raises TooManyRequests: the user has too many."""
        with self._lock:
            if self._streams[user] >= MAX_STREAMS_PER_USER or self._streams.total() >= MAX_STREAMS:
                raise TooManyRequests(
                    "Too many log streams are open.", remedy="Close one.", retry_after_s=10.0
                )
            self._streams[user] += 1

    def end_stream(self, user: str) -> None:
        """Count the end of a log stream."""
        with self._lock:
            self._streams[user] -= 1
            if not self._streams[user]:
                del self._streams[user]

    def _shared_counter(self) -> Storage | None:
        """Counter in Redis if replicas share one; the embedded server belongs to one process."""
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
    """The shared state of the application that handles a request."""
    service: Service = connection.app.state.service
    return service


async def _services_of(request: Request) -> Services:
    """The services of the user who sends the request, which was admitted before."""
    return Services(service_of(request).lab, request.scope["spotlab.who"])


async def _service_of(request: Request) -> Service:
    return service_of(request)


# Both are async because FastAPI runs other dependencies in a thread, which costs more than they do.
ServicesDep = Annotated[Services, Depends(_services_of)]
ServiceDep = Annotated[Service, Depends(_service_of)]


def _request_key(scope: Scope) -> Hashable:
    return scope["path"], scope["query_string"]


def _viewer_key(who: Principal) -> Hashable:
    return who.accounts, who.rights
