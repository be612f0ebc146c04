"""Streamlit sessions without a browser, over Streamlit's websocket protocol.

A session connects, runs a page and waits. Meanwhile it reruns fragments with `run_every`, as a
browser would.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

TIMEOUT_S = 60.0
START_PAGE = "instances"
"""The page at the address without a path."""
FRAGMENT = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY


@dataclass
class Tally:
    """Measurements of all sessions.

    Args:
        reruns_s: seconds by page, from the click to the end of the script.
        first_runs_s: seconds from opening the first page to the end of its run.
        fragment_reruns_s: seconds of automatic reruns of fragments.
        errors: texts.
        wake_delays_s: seconds by which a session resumed later than planned, caused by the
            generator.
        received_bytes: of all sessions.
    """

    reruns_s: dict[str, list[float]] = field(default_factory=dict)
    first_runs_s: list[float] = field(default_factory=list)
    fragment_reruns_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wake_delays_s: list[float] = field(default_factory=list)
    received_bytes: int = 0


class Session:
    """One open screen.

    Args:
        url: ws://host:port.
        tally: shared by all sessions.
        cookie: of a signed-in session; "" if none is needed.
        origin: header of the websocket; "": the url's.
    """

    def __init__(self, url: str, tally: Tally, cookie: str = "", origin: str = "") -> None:
        self.url = f"{url}/_stcore/stream"
        self.tally = tally
        self.headers = {"Cookie": cookie} if cookie else {}
        self.origin = origin or url.replace("ws", "http", 1)
        self.pages: dict[str, str] = {}
        self.page = ""
        self.connection: websockets.ClientConnection
        self.auto: dict[str, float] = {}
        self.timers: list[asyncio.Task[None]] = []
        self.elements = 0
        self.texts: list[str] = []
        self._done: asyncio.Future[float] | None = None
        self._fragments: list[float] = []

    async def __aenter__(self) -> Session:
        self.connection = await websockets.connect(
            self.url,
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=self.headers,
            origin=self.origin,  # type: ignore[arg-type]
            max_size=None,
            open_timeout=TIMEOUT_S,
            ping_interval=None,
            compression=None,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_timers()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.connection.close()

    async def open(self, name: str, query: str = "") -> float:
        """Run a page by its name, as a click in the menu does; seconds until the end of the run."""
        self._stop_timers()
        self.page = name
        message = BackMsg()
        message.rerun_script.query_string = query
        if name in self.pages:
            message.rerun_script.page_script_hash = self.pages[name]
        else:
            message.rerun_script.page_name = "" if name == START_PAGE else name
        self.texts, self.elements = [], 0
        self._done = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        await self.connection.send(message.SerializeToString())
        async with asyncio.timeout(TIMEOUT_S):
            await self._done
        return time.perf_counter() - began

    async def _read(self) -> None:
        try:
            async for data in self.connection:
                assert isinstance(data, bytes)
                self.tally.received_bytes += len(data)
                self._handle(ForwardMsg.FromString(data))
        except (websockets.ConnectionClosed, OSError) as exc:
            self._connection_lost(exc)
            return
        self._connection_lost(ConnectionError("the server closed the connection"))

    def _connection_lost(self, exc: Exception) -> None:
        self.tally.errors.append(f"{self.page}: broken connection: {exc}")
        if self._done is not None and not self._done.done():
            self._done.set_exception(exc)

    def _handle(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "navigation":
            self.pages = {
                page.url_pathname.strip("/") or page.page_name: page.page_script_hash
                for page in message.navigation.app_pages
            }
            self.pages |= {
                START_PAGE: page.page_script_hash  # noqa: B035 (there is one)
                for page in message.navigation.app_pages
                if page.is_default
            }
        elif kind == "delta":
            self._handle_element(message)
        elif kind == "auto_rerun":
            self._start_timer(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "script_finished":
            self._handle_end(message.script_finished)
        elif kind == "session_event" and message.session_event.HasField(
            "script_compilation_exception"
        ):
            self.tally.errors.append(f"{self.page}: compilation error")
        elif kind == "page_not_found":
            self.tally.errors.append(f"{self.page}: page not found")

    def _handle_element(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        element_type = element.WhichOneof("type") if message.delta.HasField("new_element") else None
        self.elements += element_type is not None
        if element_type == "exception":
            self.tally.errors.append(f"{self.page}: {element.exception.message[:200]}")
        elif element_type == "markdown":
            self.texts.append(element.markdown.body)
        elif element_type == "alert":
            self.texts.append(element.alert.body)
            if element.alert.format == element.alert.ERROR:
                self.tally.errors.append(f"{self.page}: {element.alert.body[:200]}")

    def _handle_end(self, status: int) -> None:
        if status == FRAGMENT:
            if self._fragments:
                self.tally.fragment_reruns_s.append(time.perf_counter() - self._fragments.pop(0))
        elif self._done is not None and not self._done.done():
            self._done.set_result(0.0)

    def _start_timer(self, fragment_id: str, interval: float) -> None:
        if fragment_id not in self.auto:
            self.auto[fragment_id] = interval
            self.timers.append(asyncio.create_task(self._rerun(fragment_id, interval)))

    async def _rerun(self, fragment_id: str, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            message = BackMsg()
            message.rerun_script.fragment_id = fragment_id
            message.rerun_script.is_auto_rerun = True
            message.rerun_script.page_script_hash = self.pages.get(self.page, "")
            self._fragments.append(time.perf_counter())
            try:
                await self.connection.send(message.SerializeToString())
            except websockets.ConnectionClosed:
                return

    def _stop_timers(self) -> None:
        for timer in self.timers:
            timer.cancel()
        self.timers, self.auto, self._fragments = [], {}, []


async def click_through(
    session: Session, pages: list[str], until: float, think_s: tuple[float, float], seed: int
) -> None:
    """Open pages in random order, with pauses, until a time of `time.perf_counter`."""
    random_source = random.Random(seed)
    tally = session.tally
    first = True
    while time.perf_counter() < until:
        name = random_source.choice([page for page in pages if page != session.page] or pages)
        try:
            seconds = await session.open(name)
        except TimeoutError:
            tally.errors.append(f"{name}: no response within {TIMEOUT_S:.0f} s")
            return
        except (websockets.ConnectionClosed, OSError):
            return
        if first:
            tally.first_runs_s.append(seconds)
        else:
            tally.reruns_s.setdefault(name, []).append(seconds)
        first = False
        pause = random_source.uniform(*think_s)
        wake = time.perf_counter() + pause
        await asyncio.sleep(pause)
        tally.wake_delays_s.append(time.perf_counter() - wake)
