"""A file's bytes become text, JSON or lines only within limits."""

from __future__ import annotations

import gzip
import json
from typing import NoReturn

import pytest

from spotlab.domain import bounded_decoding
from spotlab.domain.bounded_decoding import csv_lines, gunzip, parse_json
from spotlab.errors import InvalidInput


def refuse(wrong: str, right: str) -> NoReturn:
    raise InvalidInput(wrong, remedy=right)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"[" * 100_000, "not readable JSON"),
        (b"9" * 5000, "not readable JSON"),
        (b'["\\ud800"]', "not readable JSON"),
        (b'{"\\uDFFF": 1}', "not readable JSON"),
        (b"\xff\xfe[", "not JSON|not readable JSON"),
        (b"[1,", "truncated or not JSON"),
        (b"", "truncated or not JSON"),
        (b"[" + b"[]," * (bounded_decoding.MAX_CONTAINERS + 1) + b"0]", "too many values"),
        (b"[" + b"1," * (bounded_decoding.MAX_VALUES + 1) + b"0]", "too many values"),
    ],
    ids=lambda text: str(text)[:20],
)
def test_json_that_would_not_end_well_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        parse_json(text, refuse)


def test_json_of_any_text_is_read() -> None:
    document = {"a": ["\U0001f4a5", "é", None, 1.5], "b": {}}

    assert parse_json(json.dumps(document).encode(), refuse) == document
    assert parse_json(json.dumps(document, ensure_ascii=False).encode(), refuse) == document


def test_what_unpacks_to_more_than_is_taken_stops_there() -> None:
    packed = gzip.compress(bytes(50_000_000))

    assert len(gunzip(packed, 1000, refuse)) == 1001
    assert len(gunzip(gzip.compress(bytes(600)) * 3, 1000, refuse)) == 1001


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'a,b\n1,"' + b"x" * 200_000, "not CSV"),
        (b"a,b\n1,2,3\n", "more or fewer fields"),
        (b"a,c\n1,2\n", "lacks b"),
        (b"a,b\n\xff,2\n", "not text"),
        (b"", "lacks a, b"),
    ],
)
def test_csv_that_is_none_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        list(csv_lines(text, ("a", "b"), refuse))
