"""Streamlit's own routes behind our door: a screen's files are its user's, and no path leads round.

A page of two lines runs in a real server: no browser, and no market to wait for.
"""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from spotlab.api import server
from spotlab.api.auth_middleware import OPEN_PATHS
from spotlab.domain.access import Role
from tests.conftest import ROOT
from tests.e2e.serving import _wait_until_it_answers
from tests.support.access import add_user, quick_passwords, signed_in
from tests.support.lab import empty_lab

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.timeout(120)

APP = """
import streamlit as st
from spotlab.api import file_access, server
from spotlab.ui.common import browser_message_filter, file_owners as screens, streamlit_internals

browser_message_filter.limit()
file_access.register(screens.watch(), streamlit_internals.uploaded_bytes)
app = st.App("screen.py", routes=server.ROUTES, middleware=server.MIDDLEWARE)
"""
SCREEN = """
import streamlit as st
from spotlab.domain.access import Right
from spotlab.ui.common import guard

@st.cache_resource
def shared():
    return []

def counted():
    shared().append("seen")
    return len(shared())

who = guard.require(Right.READ)
kept = st.session_state.setdefault("secret", f"the secret of {who.name}")
st.download_button("now", f"made for {who.name}".encode(), "now.csv", "text/csv")
st.download_button("later", lambda: f"made later for {who.name}".encode(), "later.csv", "text/csv")
st.text(f"{who.name} sees {kept}, {counted()} times")
"""
PEOPLE = {"ana": Role.ADMIN, "ben": Role.ADMIN, "vic": Role.VIEWER}
MEDIA = re.compile(rb"/media/[0-9a-f]+\.csv")


@dataclass
class Doors:
    """A running server, and the cookies of who is signed in."""

    url: str
    cookies: dict[str, str] = field(default_factory=dict)
    log: Path | None = None

    def written(self) -> str:
        return self.log.read_text(errors="replace") if self.log else ""

    def headers(self, who: str) -> dict[str, str]:
        return {"Cookie": f"spotlab_session={self.cookies[who]}"} if who else {}

    def ask(self, method: str, path: str, who: str = "", **headers: str) -> tuple[int, bytes]:
        """One request, its path as it is written here."""
        at = urlsplit(self.url)
        connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
        try:
            connection.request(method, path, headers={**self.headers(who), **headers})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def opens(self, who: str, *session: str) -> ClientConnection:
        protocols = ["streamlit", *(("xsrf", *session) if session else ())]
        return connect(
            f"{self.url.replace('http', 'ws', 1)}/_stcore/stream",
            origin=self.url,  # type: ignore[arg-type]
            additional_headers=self.headers(who),
            subprotocols=protocols,  # type: ignore[arg-type]
            proxy=None,
        )


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    (folder / "app.py").write_text(APP)
    (folder / "screen.py").write_text(SCREEN)
    home, models = folder / "home", folder / "models"
    models.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = Doors(f"http://127.0.0.1:{port}", log=folder / "log")
    env = {
        "SPOTLAB_HOME": str(home),
        "SPOTLAB_MODELS_DIR": str(models),
        "SPOTLAB_AUTH": "accounts",
        "PYTHONPATH": str(ROOT),
    }
    with empty_lab(home, models) as lab:
        # The server reads the real clock.
        from spotlab.runtime.bootstrap import SystemClock

        lab.clock = SystemClock()
        for name, role in PEOPLE.items():
            add_user(lab, name, role)
            made.cookies[name] = signed_in(lab, name).token
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    options = ["--server.address", "127.0.0.1", "--server.headless", "true"]
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [*command, *options], cwd=folder, env=os.environ | env, stdout=log, stderr=log
        )
        try:
            _wait_until_it_answers(f"{made.url}/healthz", running, made)  # type: ignore[arg-type]
            yield made
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(timeout=20)


def run(screen: ClientConnection, sent: BackMsg | None = None) -> tuple[bytes, list[ForwardMsg]]:
    """Have the page run, and all that it says."""
    asked = sent or BackMsg()
    if sent is None:
        asked.rerun_script.query_string = ""
    screen.send(asked.SerializeToString())
    got, messages = b"", list[ForwardMsg]()
    while True:
        data = screen.recv(timeout=30)
        assert isinstance(data, bytes)
        message = ForwardMsg()
        message.ParseFromString(data)
        got, messages = got + data, [*messages, message]
        if message.WhichOneof("type") in (
            "script_finished",
            "backend_operation_response",
            "file_urls_response",
        ):
            return got, messages


def file_of(doors: Doors, who: str, kind: str) -> str:
    """The address of a file that a screen of somebody's shows, or makes when it is clicked on."""
    with doors.opens(who) as screen:
        got, messages = run(screen)
        if kind == "later":
            asked = BackMsg()
            asked.backend_operation_request.session_id = session_of(messages)
            asked.backend_operation_request.deferred_file.file_id = next(
                button.deferred_file_id
                for message in messages
                if (button := message.delta.new_element.download_button).deferred_file_id
            )
            got, _ = run(screen, asked)
    found = MEDIA.search(got)
    assert found is not None
    return found[0].decode()


@pytest.mark.parametrize("kind", ["now", "later"])
def test_a_file_of_a_screen_is_its_users_alone(doors: Doors, kind: str) -> None:
    address = file_of(doors, "ana", kind)
    content = {"now": b"made for ana", "later": b"made later for ana"}[kind]
    assert doors.ask("GET", address, "ana") == (200, content)
    for method in ("GET", "HEAD"):
        statuses = [doors.ask(method, address, who)[0] for who in ("ana", "ben", "vic", "")]
        assert statuses == [200, 404, 404, 401], method
    for other in (address.replace(".csv", ".png"), address.removesuffix(".csv"), f"{address}/x"):
        assert doors.ask("GET", other, "ben")[0] == 404
        assert doors.ask("GET", other, "")[0] == 401
    own = file_of(doors, "ben", kind)
    assert own != address
    assert doors.ask("GET", own, "ben")[0] == 200


def test_a_screen_takes_files_from_its_user_alone(doors: Doors) -> None:
    def upload(screen: str, who: str, method: str = "PUT") -> int:
        token = httpx.get(f"{doors.url}/_stcore/health").cookies["_streamlit_xsrf"]
        return httpx.request(
            method,
            f"{doors.url}/_stcore/upload_file/{screen}/00000000-0000-4000-8000-000000000000",
            headers={"X-Xsrftoken": token, "Origin": doors.url},
            cookies={"_streamlit_xsrf": token, "spotlab_session": doors.cookies.get(who, "")},
            files={"file": b"hello"} if method == "PUT" else None,
        ).status_code

    with doors.opens("ana") as of_ana, doors.opens("vic") as of_vic:
        ana, vic = (session_of(run(screen)[1]) for screen in (of_ana, of_vic))
        for method in ("PUT", "DELETE"):
            assert upload(ana, "ana", method) == 204
            assert upload(ana, "ben", method) == 404
            assert upload(vic, "vic", method) == 403, "a viewer is shown no form that takes a file"
            assert upload(ana, "", method) == 401


def session_of(messages: list[ForwardMsg]) -> str:
    return next(
        message.new_session.initialize.session_id
        for message in messages
        if message.WhichOneof("type") == "new_session"
    )


def test_a_tab_that_connects_again_as_somebody_else_begins_anew(doors: Doors) -> None:
    with doors.opens("ana") as screen:
        got, messages = run(screen)
        assert b"ana sees the secret of ana" in got
    with doors.opens("ben", session_of(messages)) as again:
        got, messages = run(again)
        while b"ben sees" not in got:  # the first run ends where it begins anew
            got, messages = run(again)
    assert b"ben sees the secret of ben" in got
    assert b"secret of ana" not in got


def test_nobody_empties_the_caches_of_all(doors: Doors) -> None:
    with doors.opens("vic") as screen:
        seen = [int(re.findall(rb", (\d+) times", run(screen)[0])[-1])]
        asked = BackMsg()
        asked.clear_cache = True
        screen.send(asked.SerializeToString())
        seen.append(int(re.findall(rb", (\d+) times", run(screen)[0])[-1]))
    assert seen[1] == seen[0] + 1


def variants(path: str) -> set[str]:
    """The same path as it might be written to lead round a lock."""
    last = path.rpartition("/")[2]
    return {
        path,
        f"{path}/",
        f"/{path}",
        f"//{path}",
        path.replace("/", "//"),
        path.upper(),
        path.title(),
        f"/.{path}",
        f"/x/..{path}",
        f"/static/..{path}",
        f"/static/%2e%2e{path}",
        f"/static/..%2f{path[1:]}",
        f"/static{path}",
        f"/healthz/..{path}",
        f"/sign-in/%2e%2e{path}",
        f"/healthz;{path}",
        path.replace(last, f"%{ord(last[0]):02x}{last[1:]}"),
        path.replace("/", "%2f"),
        f"{path}%00",
        f"{path};x=1",
        f"{path}?x=/healthz",
        f"{path}#/healthz",
        path.replace("/", "\\"),
    }


CLOSED = sorted(
    {route.path for route in server.ROUTES if route.path not in OPEN_PATHS}  # type: ignore[attr-defined]
    | {
        *("/api/v1/users", "/api/v1/me", "/api/v1/audit", "/metrics", "/users"),
        *("/_stcore/host-config", "/_stcore/metrics", "/_stcore/script-health-check"),
        *("/_stcore/agent/openapi.json", "/_stcore/agent/interact", "/media/0123.csv"),
    }
)
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "get", "PROPFIND")
OVERRIDES = {
    "X-HTTP-Method-Override": "GET",
    "X-Original-URL": "/healthz",
    "X-Rewrite-URL": "/healthz",
    "X-Forwarded-Prefix": "/static",
    "X-Forwarded-For": "127.0.0.1",
    "Host": "127.0.0.1",
}


@pytest.mark.parametrize("path", CLOSED)
def test_no_path_leads_round_the_door(doors: Doors, path: str) -> None:
    entered = []
    for written in variants(path):
        for method in METHODS:
            status, body = doors.ask(method, written, **OVERRIDES)
            if status < 300 and not harmless(method, body):
                entered.append(f"{method} {written}: {status} {body[:80]!r}")
    assert entered == []


def harmless(method: str, body: bytes) -> bool:
    """Streamlit's empty page, which it gives for what is not in its bundle; and no body at all."""
    return (method in ("HEAD", "OPTIONS") and not body) or b"<title>Streamlit</title>" in body


def test_no_other_site_opens_a_screen(doors: Doors) -> None:
    for origin in ("https://evil.example", f"{doors.url}.evil.example", "null"):
        refused = doors.ask(
            "GET",
            "/_stcore/stream",
            "ana",
            **{
                "Origin": origin,
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            },
        )
        assert refused[0] == 403, origin


@pytest.mark.parametrize("who", ["ana", "vic", ""])
@pytest.mark.parametrize("path", ["/_stcore/agent/openapi.json", "/_stcore/agent/mcp"])
def test_streamlits_door_for_programs_is_closed(doors: Doors, who: str, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        assert doors.ask(method, path, who)[0] == (403 if who else 401)
