"""A small lab behind the API, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
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


class Asking:
    """A client without a socket; `who` maps tokens to principals."""

    def __init__(self, lab: Lab, **people: Principal) -> None:
        self.lab = lab
        self.people = people
        self.app = LabApi(lambda: build(lambda: lab, lambda each: self._who(each), lambda _: True))

    def _who(self, connection: HTTPConnection) -> Principal:
        name = connection.headers.get("authorization", "").removeprefix("Bearer ")
        if name not in self.people:
            raise NotSignedIn("You are not signed in.", remedy="Send an API token.")
        return self.people[name]

    def __call__(
        self, method: str, path: str, who: str | None = "admin", **options: Any
    ) -> httpx.Response:
        """Send one request; paths are below /api/v1 unless they start with /api."""
        return asyncio.run(self._ask(method, path, who, options))

    def at_once(self, *asked: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """Send several requests at the same time."""

        async def all_of_them() -> list[httpx.Response]:
            waiting = [self._ask(method, path, "admin", opts) for method, path, opts in asked]
            return list(await asyncio.gather(*waiting))

        return asyncio.run(all_of_them())

    async def _ask(
        self, method: str, path: str, who: str | None, options: dict[str, Any]
    ) -> httpx.Response:
        headers = dict(options.get("headers", {}))  # the same options may be sent several times
        if who is not None:
            headers["Authorization"] = f"Bearer {who}"
        url = path if path.startswith("/api") else f"/api/v1{path}"
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://lab") as client:
            return await client.request(method, url, **{**options, "headers": headers})


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
def ask(lab: Lab) -> Asking:
    people = {role.value: Principal(f"the {role}", role, via="a test") for role in Role}
    own = Principal("acme's", Role.OPERATOR, ("acme",), via="a test")
    return Asking(lab, **people, own=own)
