"""Files that are sent to a page of the real server: Streamlit's own route, with our bounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

MB = 2**20
XSRF = "_streamlit_xsrf"


@contextmanager
def page(url: str) -> Iterator[str]:
    """The id of a session that Streamlit keeps for an open page."""
    target = f"{url.replace('http', 'ws', 1)}/_stcore/stream"
    with connect(target, additional_headers={"Origin": url}, proxy=None, max_size=None) as socket:
        ask = BackMsg()
        ask.rerun_script.query_string = ""
        socket.send(ask.SerializeToString())
        session = ""
        while True:  # the page has run by the end: whose it is is known
            told = ForwardMsg.FromString(socket.recv(60))
            if told.WhichOneof("type") == "new_session":
                session = told.new_session.initialize.session_id
            if told.WhichOneof("type") == "script_finished":
                break
        yield session


def put(client: httpx.Client, session: str, file: str, size: int) -> int:
    token = client.cookies.get(XSRF, "")
    return client.put(
        f"/_stcore/upload_file/{session}/{file}",
        files={"file": ("a.csv", bytes(size))},
        headers={"X-Xsrftoken": token},
    ).status_code


def test_a_page_holds_so_many_files_and_lets_go_of_them(app_url: str) -> None:
    with httpx.Client(base_url=app_url, trust_env=False, timeout=60) as client:
        client.get("/_stcore/host-config")
        client.get("/_stcore/health")
        with page(app_url) as session:
            assert put(client, session, "one", 60 * MB) == 204
            assert put(client, session, "huge", 66 * MB) == 413
            assert put(client, session, "two", 60 * MB) == 204
            assert put(client, session, "three", 60 * MB) == 413
            assert put(client, session, "small", 1 * MB) == 204
            gone = client.delete(
                f"/_stcore/upload_file/{session}/one",
                headers={"X-Xsrftoken": client.cookies.get(XSRF, "")},
            )
            assert gone.status_code == 204
            assert put(client, session, "three", 60 * MB) == 204
        with page(app_url) as session:
            assert put(client, session, "one", 60 * MB) == 204
        assert put(client, "nobody", "one", 1) == 404
