"""Extreme numbers, times, ids and texts for generated tests."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

NUMBERS: Final = ("nan", "-inf", "-1", "1e99", str(10**30), str(2**63), "9" * 5_000, "٣")
TIMES: Final = (
    *("0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00", "2999-12-31T23:59:59-12:00"),
    *("2026-11-01T00:00:00+99:99", "2026-11-01T00:00:00"),
)
TEXTS: Final = (
    "",
    "a\x00b",
    "\x1b[2J",
    "a\r\nb",
    "\u202egnp.exe",
    "\u2028",
    "a" * 5_000,
    "%",
    "=1",
)
ODD: Final = (*NUMBERS, *TIMES, *TEXTS)

BODY_VALUES: Final = (
    *("NaN", "Infinity", "-Infinity", "-1", "0", "1e99", "1e999", str(10**30), "9" * 5_000),
    *("2147483648", "9223372036854775808", "0.5", "true", "null", "[]", "{}", '""', '"\\u0000"'),
    *('"\\ud800"', '"a\\udfffb"', '"\\u202e"', '"\\u2028"', '"\\n"', '"9999-12-31T23:59:59-12:00"'),
    *('"nan"', '"-1"', '["\\u0000"]', '["\\ud800"]', "[null]", f'"{"a" * 5_000}"'),
)
"""As written in a JSON body, including numbers that only Python's parser accepts."""


def cursor(*place: Any) -> str:
    """A cursor that the API did not create."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


CURSORS: Final = (
    *(cursor("9999-12-31T23:59:59-12:00", 1), cursor("0001-01-01T00:00:00+12:00", 1)),
    *(cursor("9999-12-31T23:59:59+00:00", 1), cursor("2026-11-01T00:00:00+00:00", 2**63)),
    *(cursor("2026-11-01T00:00:00+00:00", -1), cursor("2026-11-01", 1), cursor("x", 1)),
    *(cursor(2**31), cursor(2**63), cursor(2**64), cursor(10**30), cursor(-1), cursor(0)),
    *(cursor(1.5), cursor(True), cursor(None), cursor(), cursor("\x00"), cursor("a", "\x00")),
    *(cursor("\u202e"), cursor([]), cursor({}), cursor("9" * 200), cursor(1, 2, 3), "A", "____"),
    *(cursor("99999999999999999999-0"), cursor("1-1-1"), cursor("0-99999999999999999999")),
)
