"""Log lines over the API: as a list, and as server-sent events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from starlette.types import Message

from spotlab.api.request_state import MAX_STREAMS_PER_USER
from spotlab.api.routes import logs
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.runtime.log_stream import LogStream
from spotlab.runtime.shutdown import Shutdown
from spotlab.telemetry.logs import JsonFormatter
from tests.api.conftest import ApiClient


@dataclass
class Event:
    """One server-sent event."""

    id: str = ""
    event: str = ""
    data: str = ""
    comments: list[str] = field(default_factory=list)


def read(text: str) -> list[Event]:
    """The events of a stream, without comments."""
    found = []
    for block in text.split("\n\n"):
        named = [line.partition(": ") for line in block.splitlines() if not line.startswith(":")]
        given = {name: value for name, _, value in named if name != "retry"}
        if given:
            found.append(Event(**given))
    return found


def write(stream: LogStream, *messages: str, level: int = logging.INFO) -> None:
    record = [
        logging.LogRecord("spotlab.test", level, "", 0, message, None, None) for message in messages
    ]
    stream.append([JsonFormatter().format(each) for each in record])


def test_lines_are_listed_in_pages(ask: ApiClient, lab: Lab) -> None:
    write(lab.log_stream, "one", "two", "three")
    first = ask("GET", "/logs?limit=2").json()
    assert [line["message"] for line in first["items"]] == ["three", "two"]
    second = ask("GET", f"/logs?limit=2&cursor={first['next']}").json()
    assert ([line["message"] for line in second["items"]], second["next"]) == (["one"], None)
    assert ask("GET", "/logs?text=TWO").json()["items"][0]["message"] == "two"
    assert ask("GET", "/logs?level=ERROR").json()["items"] == []
    assert ask("GET", "/logs", "viewer").status_code == 403


def test_a_stream_goes_on_after_the_last_line(ask: ApiClient, lab: Lab) -> None:
    write(lab.log_stream, "one", "two", "three")
    answer = ask("GET", "/logs/stream?for_s=0", headers={"Last-Event-ID": "1-0"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = read(answer.text)
    assert [(e.id, e.event) for e in events] == [("2-0", "log"), ("3-0", "log")]
    assert json.loads(events[0].data)["message"] == "two"
    fresh = ask("GET", "/logs/stream?for_s=0")
    assert read(fresh.text) == []  # without Last-Event-ID: new lines only
    assert ask("GET", "/logs/stream", headers={"Last-Event-ID": "x"}).status_code == 422
    assert ask("GET", "/logs/stream", None).status_code == 401
    assert ask("GET", "/logs/stream", "viewer").status_code == 403


def test_a_stream_beats_while_nothing_is_written(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "POLL_INTERVAL_S", 0.001)
    monkeypatch.setattr(logs, "HEARTBEAT_S", 0.0)
    assert ": heartbeat" in ask("GET", "/logs/stream?for_s=0.05").text


def test_a_stream_ends_with_the_right_to_read(
    ask: ApiClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "POLL_INTERVAL_S", 0.001)
    monkeypatch.setattr(logs, "REAUTHENTICATE_S", 0.0)
    asked = 0
    who = ask._who

    def revoked(connection: object) -> object:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise NotSignedIn("This token was revoked.")
        return who(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(ask, "_who", revoked)
    events = read(ask("GET", "/logs/stream").text)
    assert [(e.event, e.data) for e in events] == [("problem", '"This token was revoked."')]


def test_streams_end_when_the_server_is_about_to(
    ask: ApiClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaving = Shutdown()
    leaving.request()
    monkeypatch.setattr(logs, "SHUTDOWN", leaving)
    write(lab.log_stream, "one", "two")
    answer = ask("GET", "/logs/stream", headers={"Last-Event-ID": "1-0"})
    assert [e.id for e in read(answer.text)] == ["2-0"]


def test_only_so_many_streams_are_followed(ask: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spotlab.api.request_state.MAX_STREAMS_PER_USER", 0)
    refused = ask("GET", "/logs/stream?for_s=0")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")


def test_a_stream_whose_reader_left_at_once_is_not_counted_for_ever(ask: ApiClient) -> None:
    ended: list[str] = []

    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    async def left() -> Message:
        return {"type": "http.disconnect"}

    async def send(_message: Message) -> None:
        await asyncio.sleep(0)

    async def serve() -> None:
        following = logs.CountedStream(lambda: ended.append("own"), nothing())
        await following({"type": "http", "asgi": {"spec_version": "2.3"}}, left, send)

    asyncio.run(serve())
    assert ended == ["own"]
    for _ in range(MAX_STREAMS_PER_USER + 1):
        assert ask("GET", "/logs/stream?for_s=0").status_code == 200
