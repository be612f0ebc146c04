"""Redaction: the one place that masks secrets in log lines and messages.

It masks known formats first, then values that follow the name of a secret, then any long run of
random characters, because a renewal token or the code of a one-time link has no format of its own.
Everything else stays readable, since half an error message helps no one.

Much of the text was sent by users. Therefore no pattern repeats without an upper bound before a
part that may fail: a text of partial matches would take quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"
MAX_CHARS: Final = 65_536
"""Longer texts are shortened to their beginning and end."""
_NAMES: Final = (
    r"secret|passw(?:or)?d|passphrase|pwd|token|external_?id|api_?key|private_?key|signature"
    r"|credential|renewal"
)
_VALUE: Final = r"(?:\\?\"(?!…\")[^\"]*\"|'[^']*'|[^\s\"',}&]+)"
_SECRETS: Final = (
    # An address's password: scheme://user:password@host.
    (re.compile(r"(://[^:/@\s]*:)[^@/\s]+(@)"), rf"\1{MASK}\2"),
    # Anyone who knows a webhook's address can post to it.
    (re.compile(r"(https?://hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)(https?://[^\s/]{1,255}/(?:[^\s?#\"']{0,512}?/)?(?:web)?hooks?(?:b2)?/)[^\s\"'<>]+"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*)[^\r\n]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)(authorization[\\\"']{0,8}\s{0,8}[:=,]\s{0,64}[\\\"']{0,8})"
            r"(?:[\w-]{1,64}\s{1,8})?[^\s\"',}]+"
        ),
        rf"\1{MASK}",
    ),
    # "bearer tokens" is not a secret: a lower-case word is one only at the start of a header.
    (re.compile(r"\b(Bearer\s{1,8})(?!realm=)[\w.~+/=-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"\b((?i:bearer)\s{1,8})(?![a-z]{6,15}\b)[\w.~+/=-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{1,512}\.[\w-]{1,4096}\.[\w-]*"), MASK),
    (re.compile(r"\bspl_[\w-]+"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}\b"), MASK),
    # Session tokens of AWS STS.
    (re.compile(r"\b(?:FwoG|FQoG|IQoJ)[A-Za-z0-9+/=]{40,}"), MASK),
)
_NAMED_SECRET: Final = re.compile(
    rf"(?i)((?:{_NAMES})[\w-]{{0,60}}(?: (?:access )?(?:key|token|value|code|id|hash)s?)?"
    rf"(?: (?:of|for) [\w.@-]{{1,60}})?[\\\"']{{0,8}}\s{{0,64}}[:=]\s{{0,64}}){_VALUE}"
)
"""Colons occur in sentences, too: "the token is used: …" contains no token."""
_NAME_BEFORE: Final = re.compile(r"[\w-]{0,200}\Z")
_SECRET_NAME: Final = re.compile(rf"(?i){_NAMES}|authorization|cookie|webhook")
_SEPARATOR: Final = re.compile(r"[-_]+")
_WORD: Final = re.compile(
    r"|[A-Z]*[0-9]{0,4}|[A-Z]?[a-z]+(?:[A-Z][a-z]+)*[0-9]{0,4}|[0-9]+|[0-9]{2,8}T[0-9]{2,6}Z?"
)
"""Words, including CamelCase, with up to four digits behind; numbers; timestamps."""
_LONG_TOKEN: Final = re.compile(r"(?<![\w-])[\w-]{40,}(?![\w-])", re.ASCII)


def redact(text: str) -> str:
    """The text with every possible secret masked.

    >>> redact("redis://:hunter2@127.0.0.1:6379")
    'redis://:***@127.0.0.1:6379'
    """
    if len(text) > MAX_CHARS:
        text = _shortened(text)
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return _LONG_TOKEN.sub(_mask_unless_readable, _NAMED_SECRET.sub(_mask_unless_path, text))


def _shortened(text: str) -> str:
    """Without the middle and the words cut there: half a secret would not be recognised."""
    begins, ends = text[: MAX_CHARS // 2], text[-MAX_CHARS // 2 :]
    return f"{begins[: _last_gap(begins)]} … {ends[_first_gap(ends) :]}"


def _last_gap(text: str) -> int:
    return max(text.rfind(" "), text.rfind("\n"), 0)


def _first_gap(text: str) -> int:
    gap = re.search(r"\s", text)
    return len(text) if gap is None else gap.start()


def redacted(value: Any) -> Any:
    """The same for a JSON value: its texts, and values whose name is that of a secret."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            str(name): MASK if each and _SECRET_NAME.search(str(name)) else redacted(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _mask_unless_path(found: re.Match[str]) -> str:
    """Masks a named value, except after a path: `/srv/with-secrets: it is a folder`."""
    before = found.string[max(0, found.start() - 200) : found.start()]
    start = len(before) - len(_NAME_BEFORE.search(before)[0])  # type: ignore[index]
    is_path = before[:start].endswith("/") and found[1][-1].isspace()
    return found[0] if is_path else f"{found[1]}{MASK}"


def _mask_unless_readable(found: re.Match[str]) -> str:
    """Masks a long token unless it consists of words and numbers, or is a digest in hex.

    Digits mixed with upper- and lower-case letters count as random.
    """
    text = found[0]
    random = (
        any(c.isdigit() for c in text)
        and any(c.islower() for c in text)
        and any(c.isupper() for c in text)
    )
    words = all(map(_WORD.fullmatch, _SEPARATOR.split(text)))
    return MASK if random and not words else text
