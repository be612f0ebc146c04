"""Times in AWS's responses, parsed without dateutil.

dateutil takes 0.2 ms a time: two thirds of reading a page of spot prices.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import botocore.session
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp


def use_fast_times(session: botocore.session.Session) -> None:
    """Make the clients of a session parse times with `parse_time`."""
    factory = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=parse_time)


def parse_time(value: Any) -> datetime:
    """The time of a response, as botocore parses it.

    >>> parse_time("2026-11-03T09:30:00.000Z").isoformat()
    '2026-11-03T09:30:00+00:00'

    Raises:
        ResponseParserError: it is not a time.
    """
    try:
        if isinstance(value, str) and value.endswith("Z"):
            return datetime.fromisoformat(value)
    except ValueError:
        pass  # RFC 822, or not a time
    try:
        return parse_timestamp(value)
    except (RuntimeError, TypeError, ValueError) as exc:
        raise ResponseParserError("a time cannot be read") from exc
