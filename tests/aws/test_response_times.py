"""Times in responses are what botocore makes of them, only faster."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.parsers import ResponseParserError
from botocore.utils import parse_timestamp

from spotlab.aws.response_times import parse_time


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-03T09:30:00.000Z",
        "2026-11-03T09:30:00Z",
        "2026-11-03T09:30:00.123456Z",
        "2026-11-03T09:30:00+02:00",
        "20261103T093000Z",
        "Tue, 03 Nov 2026 09:30:00 GMT",
        1793698200,
        1793698200.5,
        "1793698200",
    ],
)
def test_a_time_is_what_botocore_makes_of_it(value: Any) -> None:
    assert parse_time(value) == parse_timestamp(value)
    assert parse_time(value).utcoffset() == parse_timestamp(value).utcoffset()


@pytest.mark.parametrize("value", ["yesterday", "Z", "", "2026-13-03T09:30:00Z", None])
def test_what_is_no_time_cannot_be_parsed(value: Any) -> None:
    with pytest.raises(ResponseParserError, match="time"):
        parse_time(value)
