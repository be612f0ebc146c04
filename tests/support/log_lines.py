"""An in-memory stream of log lines, for tests without a server."""

from __future__ import annotations

from collections.abc import Sequence

from spotlab.errors import OnlineStoreDown
from spotlab.runtime.log_stream import Entry, LogStream


class ListStream(LogStream):
    """LogStream in a list; with `down`, its methods raise OnlineStoreDown."""

    def __init__(self) -> None:
        super().__init__(lambda: None, 10_000)
        self.entries: list[Entry] = []
        self.down = False

    def append(self, lines: Sequence[str]) -> None:
        self._answer()
        for line in lines:
            self.entries.append((f"{len(self.entries) + 1}-0", line.encode()))

    def before(self, stream_id: str | None, count: int) -> list[Entry]:
        self._answer()
        end = int(stream_id.partition("-")[0]) - 1 if stream_id else len(self.entries)
        return self.entries[:end][::-1][:count]

    def after(self, stream_id: str, count: int) -> list[Entry]:
        self._answer()
        return self.entries[int(stream_id.partition("-")[0]) :][:count]

    def _answer(self) -> None:
        if self.down:
            raise OnlineStoreDown("The test's server is stopped.", remedy="Start it.")
