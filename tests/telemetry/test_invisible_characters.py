"""Invisible characters are shown as escapes, and a log line stays one line."""

from __future__ import annotations

import json
import logging
import re
import unicodedata

import pytest

from spotlab.telemetry.invisible_characters import LABEL, hides_something, json_visible, visible
from spotlab.telemetry.logs import JsonFormatter

UNSEEN = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2066\u2067\u2068\u2069\ufeff\U000e0001\U000e0041\U000e007f\ud800\udfff",
]


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
def test_what_is_not_seen_is_an_escape(sign: str) -> None:
    shown = visible(f"a{sign}b")
    assert sign not in shown
    assert shown.isprintable()
    assert shown.startswith("a\\")
    assert hides_something(f"a{sign}b")
    if ord(sign) < 0x10000 and not 0xD800 <= ord(sign) < 0xE000:
        assert not re.fullmatch(LABEL, f"a{sign}b")


def test_every_control_and_format_character_but_those_of_a_script_is_one_of_them() -> None:
    left = [
        code
        for code in range(0x3000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Zl", "Zp")
        and not hides_something(chr(code))
    ]
    arabic_and_syriac = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2}
    assert set(left) <= arabic_and_syriac, "signs that are written, of Arabic and Syriac numbers"


@pytest.mark.parametrize("text", ["web-1", "Zürich", "東京 1", "🙂", "a\\b", "“x” – 1 €", "مرحبا"])
def test_what_is_seen_stays(text: str) -> None:
    assert visible(text) == text
    assert not hides_something(text)
    assert re.fullmatch(LABEL, text)


def test_lines_stay_lines_where_they_may() -> None:
    assert visible("a\n\tb\x1b[2J\r", lines=True) == "a\n\tb\\x1b[2J\\r"


def test_json_says_the_same_in_characters_that_are_seen() -> None:
    told = {"a": "\u202e\u2028\x85\U000e0041\ud800é🙂"}
    document = json_visible(json.dumps(told, ensure_ascii=False))
    assert document.isprintable()
    assert "é🙂" in document
    assert json.loads(document) == told


@pytest.mark.parametrize("sign", UNSEEN, ids=ascii)
def test_a_log_line_is_one_line_that_any_stream_takes(sign: str) -> None:
    text = f'GET /{sign}{{"level": "INFO"}}'
    record = logging.LogRecord("spotlab.api", logging.ERROR, "", 0, "%s", (text,), None)
    record.fields = {text: [text]}
    line = JsonFormatter().format(record)
    assert line.encode("utf-8").decode().splitlines() == [line]
    assert sign not in line
    assert json.loads(line)["message"] == text
