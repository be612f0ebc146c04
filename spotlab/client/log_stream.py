"""The log stream, as server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec

from spotlab.client import schemas
from spotlab.client.transport import PREFIX, Transport, error_of, params

SILENCE_TIMEOUT_S: Final = 45.0
"""Three heartbeats of the server, which sends one every 15 s."""


def follow(
    transport: Transport, after: str | None, filters: Mapping[str, Any]
) -> Iterator[schemas.LogLine]:
    """Log lines as they are written; see `Logs.follow`.

    Raises:
        SpotlabError: the user may not read the log, or the server does not respond.
    """
    failures = 0
    while True:
        headers = {} if after is None else {"Last-Event-ID": after}
        path = f"{PREFIX}/logs/stream"
        timeout = httpx.Timeout(transport.http.timeout.connect, read=SILENCE_TIMEOUT_S)
        try:
            with transport.http.stream(
                "GET", path, params=params(filters), headers=headers, timeout=timeout
            ) as response:
                if not response.is_success:
                    response.read()
                    raise error_of(response)
                for line in lines(response.iter_lines()):
                    failures, after = 0, line.id
                    yield line
        except httpx.TransportError as exc:
            failures = transport.failed(failures, exc)


def lines(stream_lines: Iterator[str]) -> Iterator[schemas.LogLine]:
    """The log lines in the events of a stream."""
    fields: dict[str, str] = {}
    for text in stream_lines:
        if text:
            name, _, value = text.partition(":")
            fields[name] = value.removeprefix(" ")
            continue
        if fields.get("event") == "log":
            yield msgspec.json.decode(fields["data"], type=schemas.LogLine)
        fields = {}
