r"""Characters that are not seen as they are: shown as escapes, or refused.

Control characters move a terminal's cursor and end a log's line; bidirectional ones turn what
follows round (a name that ends in U+202E and "gnp.exe" reads "exe.png"); others have no width.
Half of a surrogate pair cannot even be written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

BASIC: Final = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
)
"""Of the basic plane, as it stands in a class of a regular expression: Python's, Rust's (pydantic)
and ECMA's (the API's document) read it alike."""
LABEL: Final = rf"^[^{BASIC}]*$"
"""A line of text that is read as it is."""
_OTHERS: Final = r"\ud800-\udfff\U000e0000-\U000e0fff"
_ANY: Final = re.compile(f"[{BASIC}{_OTHERS}]")
_ANY_IN_LINES: Final = re.compile(f"(?![\n\t])[{BASIC}{_OTHERS}]")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, *, lines: bool = False) -> str:
    r"""Somebody else's text with its unseen characters as escapes, for whoever reads it.

    It is for reading, not for parsing: a backslash stays one.

    Args:
        text: whatever it is.
        lines: it may have several lines; newlines and tabs stay.

    >>> visible("photo\u202egnp.exe")
    'photo\\u202egnp.exe'
    """
    if text.isascii() and text.isprintable():
        return text
    return (_ANY_IN_LINES if lines else _ANY).sub(_escape, text)


def in_lines(lines: Iterable[str]) -> str:
    """Lines as one text; none of them is more than one line."""
    return "\n".join(map(visible, lines))


def hides_something(text: str) -> bool:
    """Whether a text holds what `visible` would escape: no name and no reason has to."""
    return _ANY.search(text) is not None


def json_visible(document: str) -> str:
    r"""The same for JSON that was written with its characters as they are: still the same JSON,
    with \u escapes that its readers turn back."""
    if document.isascii() and document.isprintable():
        return document
    return _ANY_IN_LINES.sub(_json_escape, document)


def _escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in _SHORT:
        return _SHORT[sign]
    code = ord(sign)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
