"""The online store when its server is gone, mute, full, back again, or wants another password."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from spotlab.domain.ports import OnlineRow, OnlineStore, OnlineView
from spotlab.errors import InvalidInput, InvalidSetting, OnlineStoreDown
from spotlab.features.embedded_valkey import find_server
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.processes import Membership
from tests.support.online import MemoryOnlineStore, embedded_server, wait_until

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RISK = OnlineView("spot_risk", ("region", "instance_type"), 3600)
POOL = OnlineView("pool", ("region", "instance_type"), 3600, as_hash=True)
ROW = OnlineRow(("us-east-1", "m5.large"), NOON, {"bucket": 1})
PASSWORD = "hunter2-s3cret"
CALLS: dict[str, Callable[[OnlineStore], object]] = {
    "ping": lambda store: store.ping(),
    "write": lambda store: store.write(RISK, [ROW]),
    "read": lambda store: store.read(RISK, [ROW.key]),
    "write a hash": lambda store: store.write(POOL, [ROW]),
    "read a hash": lambda store: store.read(POOL, [ROW.key]),
    "scan": lambda store: store.scan(RISK),
    "renew": lambda store: store.renew(RISK, "bucket", "1"),
    "clear": lambda store: store.clear(),
    "info": lambda store: store.info(),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Membership]]:
    with embedded_server(tmp_path) as joined:
        yield joined


def fails_within(longest_s: float, call: Callable[[], object]) -> OnlineStoreDown:
    began = time.monotonic()
    with pytest.raises(OnlineStoreDown) as caught:
        call()
    assert time.monotonic() - began < longest_s
    return caught.value


def kill(membership: Membership) -> None:
    assert membership.pid is not None
    os.kill(membership.pid, signal.SIGKILL)
    wait_until(lambda: membership.pid is None, "the supervisor has ended")


def test_a_server_that_goes_is_down_at_once_and_comes_back_for_the_same_store(
    server: tuple[str, Membership],
) -> None:
    url, membership = server
    with connect(url) as client:
        store = RedisOnlineStore(client)
        store.write(RISK, [ROW])
        kill(membership)
        for call in CALLS.values():
            down = fails_within(1.0, lambda call=call: call(store))  # type: ignore[misc]
            assert "does not answer" in down.message
        membership.ensure_running()
        assert store.write(RISK, [ROW]) == 1, "its scripts are sent again"
        assert store.read(RISK, [ROW.key]) == [ROW]
        assert store.ping() < 1.0


def test_a_mute_server_is_down_soon(server: tuple[str, Membership]) -> None:
    url, membership = server
    pid = membership.pid
    assert pid is not None
    with connect(url) as client:
        store = RedisOnlineStore(client)
        store.write(RISK, [ROW])
        os.kill(pid, signal.SIGSTOP)
        try:
            fails_within(1.8, store.ping)
            fails_within(3.5, lambda: store.read(RISK, [ROW.key]))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert store.read(RISK, [ROW.key]) == [ROW]


def test_nobody_listening_is_down_at_once() -> None:
    with connect("redis://127.0.0.1:1/0") as client:
        store = RedisOnlineStore(client)
        assert "127.0.0.1:1" in fails_within(1.0, store.ping).message
        fails_within(1.0, lambda: store.read(RISK, [ROW.key]))


@pytest.mark.parametrize("user", ["", f":{PASSWORD}", f"nobody:{PASSWORD}"])
def test_a_wrong_password_is_said_but_never_shown(
    server: tuple[str, Membership], user: str
) -> None:
    url, _ = server
    path = url.removeprefix("unix://")
    with redis.Redis.from_url(url) as admin:
        admin.config_set("requirepass", "another")
        with connect(f"unix://{user}@{path}") as client:
            for call in CALLS.values():
                down = fails_within(1.0, lambda call=call: call(RedisOnlineStore(client)))  # type: ignore[misc]
                assert "rejected the user or password" in down.message
                assert "SPOTLAB_REDIS_URL" in down.remedy
                assert PASSWORD not in "".join(traceback.format_exception(down))
        with connect(f"unix://:another@{path}") as client:
            assert "another" not in str(RedisOnlineStore(client).info())
        admin.config_set("requirepass", "")


@pytest.mark.parametrize("command", ["hgetall", "hget", "evalsha"])
def test_what_the_user_may_not_do_is_no_missing_row(
    server: tuple[str, Membership], command: str
) -> None:
    url, _ = server
    with connect(url) as admin, connect(f"unix://bob:{PASSWORD}@{url[len('unix://') :]}") as client:
        RedisOnlineStore(admin).write(POOL, [ROW])
        rule = ("on", f">{PASSWORD}", "~*", "+@all", f"-{command}")
        admin.execute_command("ACL", "SETUSER", "bob", *rule)
        call = CALLS["write a hash" if command == "hget" else "read a hash"]
        down = fails_within(1.0, lambda: call(RedisOnlineStore(client)))
        assert f"'{command}'" in down.message
        assert RedisOnlineStore(admin).read(POOL, [ROW.key]) == [ROW]


def test_a_full_server_refuses_and_says_so(server: tuple[str, Membership]) -> None:
    url, _ = server
    with connect(url) as client:
        store = RedisOnlineStore(client)
        store.write(RISK, [ROW])
        client.config_set("maxmemory", "1")
        down = fails_within(1.0, lambda: store.write(RISK, [ROW]))
        assert "rejected" in down.message
        assert "maxmemory" in down.message
        assert store.read(RISK, [ROW.key]) == [ROW], "what is there can still be read"
        client.config_set("maxmemory", "0")
        assert store.write(RISK, [ROW]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "localhost:6379",
        f"http://:{PASSWORD}@h",
        f"redis://:{PASSWORD}@h:port/0",
        f"redis://:1234#{PASSWORD}@h/0",
        f"redis://:{PASSWORD}@h/15x",
        f"redis://:{PASSWORD}@h/0?socket_timeout=soon",
        f"redis://:{PASSWORD}@h/0?decode_responses=true",
        f"redis://:{PASSWORD}@h/0?no_such_option=1",
        "redis://",
        "unix://",
    ],
)
def test_an_address_that_is_none_is_named_by_its_setting(url: str) -> None:
    with pytest.raises(InvalidSetting, match="SPOTLAB_REDIS_URL") as caught:
        connect(url)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_an_address_without_a_port_is_shown_with_the_usual_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with connect(f"redis://:{PASSWORD}@cache.example/3") as client:
        monkeypatch.setattr(client, "info", lambda: {"redis_version": "8.0", "used_memory": 1})
        monkeypatch.setattr(client, "dbsize", lambda: 0)
        assert RedisOnlineStore(client).info()["address"] == "cache.example:6379"


@pytest.mark.parametrize("key", [("us-east-1",), ("us-east-1", "m5", "large"), ("us:east", "m5")])
def test_a_key_unlike_its_view_is_refused(key: tuple[str, ...]) -> None:
    with connect("unix:///nowhere.sock") as client:
        store = RedisOnlineStore(client)
        with pytest.raises(InvalidInput, match="region, instance_type"):
            store.write(RISK, [OnlineRow(key, NOON, {})])
        with pytest.raises(InvalidInput, match="spot_risk"):
            store.read(RISK, [key])


def test_a_value_that_cannot_be_kept_as_it_is_is_refused() -> None:
    with connect("unix:///nowhere.sock") as client:
        store = RedisOnlineStore(client)
        with pytest.raises(InvalidInput, match="no time zone"):
            store.write(RISK, [OnlineRow(ROW.key, NOON.replace(tzinfo=None), {})])
        with pytest.raises(InvalidInput, match="event_time"):
            store.write(POOL, [OnlineRow(ROW.key, NOON, {"event_time": 1})])


@pytest.mark.parametrize("name", CALLS)
def test_the_store_in_memory_can_be_down_too(name: str) -> None:
    store = MemoryOnlineStore()
    store.down = True
    with pytest.raises(OnlineStoreDown):
        CALLS[name](store)


@pytest.fixture
def cluster_url(tmp_path: Path) -> Iterator[str]:
    """A server in cluster mode that has all slots: the smallest cluster."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(find_server()), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--cluster-enabled", "yes", "--cluster-port", str(port + 1), "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port) as client:
            wait_until(lambda: answers(client), "the server answers")
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            wait_until(
                lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"),
                "the cluster is up",
            )
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_doctor_says_what_a_server_in_cluster_mode_does_not_do(cluster_url: str) -> None:
    with connect(cluster_url) as client:
        (sentence,) = RedisOnlineStore(client).limitations()
    assert "one command with keys of different hash slots (Keys in request" in sentence
    assert "The server runs in cluster mode." in sentence
    assert "SPOTLAB_REDIS_URL to a Redis or Valkey server with cluster mode disabled" in sentence


def test_a_command_that_a_cluster_refuses_says_what_to_do(cluster_url: str) -> None:
    keys = [("us-east-1", f"m{number}.large") for number in range(9)]
    with connect(cluster_url) as client, pytest.raises(OnlineStoreDown) as down:
        RedisOnlineStore(client).read(RISK, keys)
    assert "same slot" in down.value.message
    assert "cluster mode disabled" in down.value.remedy
    with connect(f"{cluster_url}/3") as client, pytest.raises(OnlineStoreDown) as down:
        RedisOnlineStore(client).ping()
    assert "cluster mode" in down.value.remedy


def test_a_server_that_does_everything_has_no_limitations(
    server: tuple[str, Membership],
) -> None:
    with connect(server[0]) as client:
        assert RedisOnlineStore(client).limitations() == ()
        assert client.dbsize() == 0
