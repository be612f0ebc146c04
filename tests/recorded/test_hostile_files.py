"""Malicious recorded files are rejected and named, without using much time or memory."""

from __future__ import annotations

import gzip
import json
import random
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spotlab.domain import availability_traces as domain
from spotlab.errors import InvalidInput, SpotlabError
from spotlab.recorded import traces
from spotlab.recorded.formats import recognise_format
from spotlab.recorded.price_history import read_price_history
from spotlab.recorded.trace_json import MAX_KNOWN_TIMES
from spotlab.recorded.traces import MAX_TRACE_BYTES, read_panel, read_trace
from tests.support import trace_files as files


def test_a_trace_that_unpacks_to_more_than_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    inside = b'{"metadata": {"gap_seconds": 60}, "data": [' + b"1," * (MAX_TRACE_BYTES // 2)
    path.write_bytes(gzip.compress(inside + b"1]}"))
    assert path.stat().st_size < 100_000

    with pytest.raises(InvalidInput, match="over 16 MB"):
        read_trace(path)


def test_a_trace_of_lists_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b'{"data": [' + b"[]," * 5_000_000 + b"1]}"))

    with pytest.raises(InvalidInput, match="too many values"):
        read_trace(path)


def test_times_that_would_be_compared_for_hours_are_refused(tmp_path: Path) -> None:
    count = MAX_KNOWN_TIMES + 1
    times = [
        {"tick": n, "time": (files.START + timedelta(minutes=n)).isoformat()} for n in range(count)
    ]
    document = {"gap_seconds": 60, "available": [1] * count, "tick_times": times}

    with pytest.raises(InvalidInput, match="tick_times has 10,001 entries"):
        read_trace(files.write_json(tmp_path / "a.json", document))


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_that_utc_has_not_is_refused(tmp_path: Path, time: str) -> None:
    document = {
        "gap_seconds": 60,
        "available": [1, 0],
        "tick_times": [{"tick": 0, "time": time}],
    }

    with pytest.raises(InvalidInput, match="not a time"):
        read_trace(files.write_json(tmp_path / "a.json", document))


def test_more_ticks_than_are_read_at_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        files.write_counts(tmp_path / f"{name}.json", [0, 1] * 50)
    monkeypatch.setattr(domain, "MAX_CELLS", 299)
    with pytest.raises(InvalidInput, match="3 traces of 100 ticks are too many"):
        read_panel(tmp_path)

    monkeypatch.setattr(traces, "MAX_TICKS", 250)
    with pytest.raises(InvalidInput, match=r"c\.json: with it there are over 250 ticks"):
        read_panel(tmp_path)


ODD: tuple[Any, ...] = (
    *(None, True, -1, 1e308, 5e-324, 10**400, 2**63, "", "\x00", [], {}, [[]], "\ud800"),
    *("9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00", "2023-01-01", "nan", "1e999"),
    *("1_000", "²", 0.5, "us-east-1a", "Linux/UNIX"),
)
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {"metadata": {"gap_seconds": 600}, "data": [0, 3, 16, None]},
    {
        "gap_seconds": 600,
        "available": [1, None, 0, 1],
        "tick_times": [
            {"tick": 1, "time": "2023-02-15T22:00:00+00:00"},
            {"tick": 3, "time": "2023-02-15T22:20:00+00:00"},
        ],
        "availability_zone": "us-east-1a",
        "instance_type": "p3.2xlarge",
    },
    {
        "SpotPriceHistory": [
            {
                "AvailabilityZone": "us-east-1a",
                "InstanceType": "m5.large",
                "ProductDescription": "Linux/UNIX",
                "Timestamp": "2023-02-15T22:00:00Z",
                "SpotPrice": "0.03",
            }
        ]
    },
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers and keys of a document."""
    keys = value if isinstance(value, dict) else range(len(value))
    if not isinstance(value, dict | list):
        return []
    below = [
        place for key in keys if isinstance(value[key], dict | list) for place in places(value[key])
    ]
    return [(value, key) for key in keys] + below


def test_a_thousand_odd_documents_are_read_or_refused(tmp_path: Path) -> None:
    chance = random.Random(11)
    path = tmp_path / "odd"
    for _ in range(1000):
        document = json.loads(json.dumps(chance.choice(DOCUMENTS)))
        for _ in range(chance.randint(1, 2)):
            container, key = chance.choice(places(document))
            container[key] = json.loads(json.dumps(chance.choice(ODD)))
        text = bytearray(json.dumps(document).encode())
        if chance.random() < 0.3:
            text[chance.randrange(len(text))] = chance.randrange(256)
        path.write_bytes(gzip.compress(text) if chance.random() < 0.2 else bytes(text))
        for read in (read_trace, read_price_history, recognise_format):
            with suppress(SpotlabError):
                read(path)
