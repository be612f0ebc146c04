"""A small lab behind the API, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import pytest
from sqlalchemy import event
from starlette.requests import HTTPConnection

from spotlab.api.application import build
from spotlab.api.mount import LabApi
from spotlab.domain.access import Principal, Role
from spotlab.domain.decision import Instance, Lifecycle
from spotlab.domain.market import Pool
from spotlab.domain.ports import Account
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from tests.support.lab import save_toy_model, small_lab

FOREIGN = "i-0000000000000009f"
Result = TypeVar("Result")


class ApiClient:
    """A client without a socket; `people` are the principals by token.

    In a `with` statement, all requests share one event loop, which takes a quarter less time.
    """

    def __init__(self, lab: Lab, **people: Principal) -> None:
        self.lab = lab
        self.people = people
        self.app = LabApi(lambda: build(lambda: lab, lambda each: self._who(each), lambda _: True))
        self._transport = httpx.ASGITransport(self.app)
        self._client = httpx.AsyncClient(transport=self._transport, base_url="http://lab")
        self._loop: asyncio.Runner | None = None
        self._busy = False  # a request may send another one from a thread of its own
        self._busy_lock = threading.Lock()

    def __enter__(self) -> Self:
        self._loop = asyncio.Runner()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None:
            self._loop.close()

    def _run(self, request: Coroutine[Any, Any, Result]) -> Result:
        with self._busy_lock:
            free, self._busy = not self._busy, True
        try:
            return self._loop.run(request) if free and self._loop else asyncio.run(request)
        finally:
            if free:
                self._busy = False

    def _who(self, connection: HTTPConnection) -> Principal:
        name = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if name not in self.people:
            raise NotSignedIn("You are not signed in.", remedy="Send an API token.")
        return self.people[name]

    def __call__(
        self, method: str, path: str, who: str | None = "admin", **options: Any
    ) -> httpx.Response:
        """Send one request; paths are below /api/v1 unless they begin with /api."""
        return self._run(self._ask(method, path, who, options))

    def request_concurrently(self, *asked: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Send several requests concurrently."""

        async def all_of_them() -> list[httpx.Response]:
            waiting = [self._ask(method, path, "admin", opts) for method, path, opts in asked]
            return list(await asyncio.gather(*waiting))

        return self._run(all_of_them())

    async def _ask(
        self, method: str, path: str, who: str | None, options: dict[str, Any]
    ) -> httpx.Response:
        headers = dict(options.get("headers", {}))  # the same options may be sent several times
        if who is not None:
            headers["Authorization"] = f"Bearer {who}"
        url = path if path.startswith("/api") else f"/api/v1{path}"
        request = self._client.build_request(method, url, **{**options, "headers": headers})
        # Sending through the client would take three times as long: cookies, redirects, logging.
        response = await self._transport.handle_async_request(request)
        response.request = request
        await response.aread()
        return response


class OnBothDatabases:
    """Sends generated requests on SQLite, and those that depend on the database on PostgreSQL too.

    A request that is rejected on SQLite without any SQL statement cannot differ on PostgreSQL.
    """

    def __init__(self) -> None:
        self._rejected_without_sql: set[str] = set()

    def send(
        self, asking: ApiClient, method: str, url: str, **options: Any
    ) -> httpx.Response | None:
        """The response; None if the request need not be repeated on this database."""
        engine, request = asking.lab.store.engine, repr((method, url, options))
        is_first = engine.dialect.name == "sqlite"
        if not is_first and request in self._rejected_without_sql:
            return None
        statements: list[Any] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        event.listen(engine, "before_cursor_execute", note)
        try:
            response = asking(method, url, **options)
        finally:
            event.remove(engine, "before_cursor_execute", note)
        if is_first and response.status_code >= 400 and not statements:
            self._rejected_without_sql.add(request)
        return response


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_toy_model(folder)
    return folder


@pytest.fixture
def lab(tmp_path: Path, models_dir: Path) -> Iterator[Lab]:
    with small_lab(tmp_path / "home", models_dir) as opened:
        opened.store.fleet.save_account(Account("other", "210987654321", emulated=True))
        foreign = Instance(
            FOREIGN, "other", Pool("us-east-1", "us-east-1a", "m5.large"), Lifecycle.SPOT, "theirs"
        )
        opened.store.fleet.sync("other", [foreign])
        yield opened


@pytest.fixture
def ask(lab: Lab) -> Iterator[ApiClient]:
    people = {role.value: Principal(f"the {role}", role, via="a test") for role in Role}
    own = Principal("acme's", Role.OPERATOR, ("acme",), via="a test")
    with ApiClient(lab, **people, own=own) as asking:
        yield asking
