"""Following a stream of server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from spotlab.client import schemas
from spotlab.client.transport import PREFIX, Transport, error_of, params

SILENCE_TIMEOUT_S: Final = 45.0
"""The server beats every 15 s: one that is quiet for three beats is gone."""


def follow(
    asking: Transport, after: str | None, where: Mapping[str, Any]
) -> Iterator[schemas.LogLine]:
    """Log lines as they are written; see `Logs.follow`.

    Raises:
        SpotlabError: they may not be read (any more), or the server is gone for good.
    """
    failures = 0
    while True:
        headers = {} if after is None else {"Last-Event-ID": after}
        path = f"{PREFIX}/logs/stream"
        timeout = httpx.Timeout(asking.http.timeout.connect, read=SILENCE_TIMEOUT_S)
        try:
            with asking.http.stream(
                "GET", path, params=params(where), headers=headers, timeout=timeout
            ) as answer:
                if not answer.is_success:
                    answer.read()
                    raise error_of(answer)
                for line in lines(answer.iter_lines()):
                    failures, after = 0, line.id
                    yield line
        except httpx.TransportError as exc:
            failures = asking.failed(failures, exc)


def lines(received: Iterator[str]) -> Iterator[schemas.LogLine]:
    """The log lines among the events of a stream."""
    fields: dict[str, str] = {}
    for text in received:
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.get("event") == "log":
            yield msgspec.json.decode(fields["data"], type=schemas.LogLine)
        fields = {}
