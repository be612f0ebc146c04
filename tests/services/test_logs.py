"""Log lines are filtered, and shown only to users who may read them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.domain.decision import Instance
from spotlab.domain.ports import Account
from spotlab.errors import Forbidden, InvalidInput, OnlineStoreDown
from spotlab.features.redis_online import connect_without_retries
from spotlab.runtime.lab import Lab
from spotlab.runtime.log_stream import LogStream
from spotlab.services.logs import LogFilter, LogService
from tests.support.log_lines import ListStream
from tests.support.online import embedded_server
from tests.support.people import ANA, person

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def line(message: str, minute: int = 0, **more: Any) -> str:
    written = {
        "time": (NOON + timedelta(minutes=minute)).isoformat(),
        "level": "INFO",
        "component": "runtime.evaluating",
        "message": message,
        "process": "host-1-abc",
        "role": "app",
    }
    return json.dumps(written | more)


LINES = [
    line("collected", 0, component="pipeline.collect", correlation_id="c1"),
    line("decided STAY", 1, correlation_id="c1", account="acme", fields={"instance_id": "i-17"}),
    line("no shadow", 2, level="WARNING", correlation_id="c2", account="other"),
    line("failed", 3, level="ERROR", process="host-2-def", role="worker", error="Trace: Boom"),
    line("answered", 4, component="api", request_id="r-9", user="ana"),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LogStream]:
    """A log stream on a real server."""
    with embedded_server(tmp_path_factory.mktemp("home")) as (url, _):
        stream = LogStream(lambda: connect_without_retries(url), 100)
        stream.append(LINES)
        yield stream
        stream.close()


@pytest.fixture
def listed() -> LogStream:
    stream = ListStream()
    stream.append(LINES)
    return stream


@pytest.fixture(params=["served", "listed"])
def stream(request: pytest.FixtureRequest) -> LogStream:
    return cast("LogStream", request.getfixturevalue(request.param))


class NoFleet:
    """A store without accounts and instances."""

    def accounts(self) -> list[Account]:
        return []

    def instances(self, *, active_only: bool = True) -> list[Instance]:
        return []


def services(stream: LogStream, who: Principal = ANA) -> LogService:
    lab = SimpleNamespace(log_stream=stream, store=SimpleNamespace(fleet=NoFleet()))
    return LogService(cast("Lab", lab), who)


def messages(stream: LogStream, who: Principal = ANA, **where: Any) -> list[str]:
    return [each.message for each in services(stream, who).query(LogFilter(**where)).lines]


def test_newest_first(stream: LogStream) -> None:
    assert messages(stream) == ["answered", "failed", "no shadow", "decided STAY", "collected"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"component": "runtime"}, ["failed", "no shadow", "decided STAY"]),
        ({"component": "run"}, []),
        ({"level": "WARNING"}, ["failed", "no shadow"]),
        ({"text": "boom"}, ["failed"]),
        ({"text": "I-17"}, ["decided STAY"]),
        ({"id": "c1"}, ["decided STAY", "collected"]),
        ({"id": "r-9"}, ["answered"]),
        ({"process": "worker"}, ["failed"]),
        ({"process": "host-1"}, ["answered", "no shadow", "decided STAY", "collected"]),
        ({"since": NOON + timedelta(minutes=3)}, ["answered", "failed"]),
        ({"level": "ERROR", "id": "c1"}, []),
    ],
)
def test_filters(stream: LogStream, where: dict[str, Any], found: list[str]) -> None:
    assert messages(stream, **where) == found


def test_pages_and_follows(stream: LogStream) -> None:
    page = services(stream).query(limit=2)
    assert [each.message for each in page.lines] == ["answered", "failed"]
    assert page.more
    older = services(stream).query(limit=10, before=page.lines[-1].id)
    assert [each.message for each in older.lines] == ["no shadow", "decided STAY", "collected"]
    assert not older.more
    came, end = services(stream).follow(page.lines[-1].id)
    assert [each.message for each in came] == ["answered"]
    assert (end, page.newest_id) == (page.lines[0].id, page.lines[0].id)
    assert services(stream).follow(end) == ([], end)
    with pytest.raises(InvalidInput):
        services(stream).follow("yesterday")


def test_who_sees_some_accounts_reads_their_lines_alone(listed: LogStream) -> None:
    researcher = person(Role.RESEARCHER, "acme")
    assert messages(listed, researcher) == ["decided STAY"]
    assert [each.message for each in services(listed, researcher).follow("0-0")[0]] == [
        "decided STAY"
    ]
    with pytest.raises(Forbidden):
        messages(listed, person(Role.VIEWER))
    with pytest.raises(Forbidden):
        services(listed, person(Role.DEMO)).newest_id()


def test_what_others_write_into_the_stream_is_left_out(listed: LogStream) -> None:
    listed.append(["no json", '{"time": "yesterday"}'])
    assert len(messages(listed)) == len(LINES)


def test_the_stream_is_capped(served: LogStream) -> None:
    served.append([line("filler") for _ in range(1000)])
    assert 100 <= len(served.before(None, 5000)) <= 300
    assert served.newest_id() == served.before(None, 1)[0][0]


def test_a_dead_server_is_told(tmp_path: Path) -> None:
    stream = LogStream(lambda: connect_without_retries(f"unix://{tmp_path}/nobody.sock"), 100)
    with pytest.raises(OnlineStoreDown):
        services(stream).query()
    with pytest.raises(OnlineStoreDown):
        services(LogStream.disconnected()).query()
