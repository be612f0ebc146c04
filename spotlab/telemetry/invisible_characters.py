r"""Invisible characters: shown as escapes, or rejected.

Control characters move a terminal's cursor and end a log line; bidirectional ones reverse the text
that follows (a name that ends in U+202E and "gnp.exe" reads "exe.png"); others have no width. An
unpaired surrogate cannot even be encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

BASIC: Final = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
)
"""Those of the basic plane, as the content of a character class; Python, Rust (pydantic) and
ECMAScript (the OpenAPI document) read it the same way."""
LABEL: Final = rf"^[^{BASIC}]*$"
"""A line of text without invisible characters."""
_OTHERS: Final = r"\ud800-\udfff\U000e0000-\U000e0fff"
_ANY: Final = re.compile(f"[{BASIC}{_OTHERS}]")
_ANY_IN_LINES: Final = re.compile(f"(?![\n\t])[{BASIC}{_OTHERS}]")
_SHORT_ESCAPES: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, *, lines: bool = False) -> str:
    r"""A text with its invisible characters as escapes.

    The result is for reading, not for parsing: backslashes are not escaped.

    Args:
        text: any text.
        lines: keep newlines and tabs.

    >>> visible("photo\u202egnp.exe")
    'photo\\u202egnp.exe'
    """
    if text.isascii() and text.isprintable():
        return text
    return (_ANY_IN_LINES if lines else _ANY).sub(_escape, text)


def in_lines(lines: Iterable[str]) -> str:
    """Joins lines; newlines inside a line become escapes."""
    return "\n".join(map(visible, lines))


def hides_something(text: str) -> bool:
    """Whether a text contains invisible characters, which no name or reason needs."""
    return _ANY.search(text) is not None


def json_visible(document: str) -> str:
    r"""The same JSON document with its invisible characters as \u escapes."""
    if document.isascii() and document.isprintable():
        return document
    return _ANY_IN_LINES.sub(_json_escape, document)


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[sign]
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
