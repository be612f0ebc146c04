"""The one place where secrets are masked in what is written. Bottom floor.

Known shapes first; then whatever follows a telling name; then, whatever it is, any long run of
random characters: a renewal token or the code of a one-time link has no shape of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

MASK: Final = "***"
_NAMES: Final = (
    r"secret|passw(?:or)?d|passphrase|pwd|token|external_?id|api_?key|private_?key|signature"
    r"|credential|renewal"
)
_SECRETS: Final = (
    # An address's password: scheme://user:password@host.
    (re.compile(r"(://[^:/@\s]*:)[^@/\s]+(@)"), rf"\1{MASK}\2"),
    # Whoever knows a webhook's address may post to it.
    (re.compile(r"(https?://hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), rf"\1{MASK}"),
    (
        re.compile(r"(?i)(https?://[^\s/]+/(?:[^\s?#\"']*?/)?(?:web)?hooks?(?:b2)?/)[^\s\"'<>]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*)[^\r\n]+"), rf"\1{MASK}"),
    (
        re.compile(r"(?i)(authorization[\\\"']*\s*[:=,]\s*[\\\"']*)(?:[\w-]+\s+)?[^\s\"',}]+"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{6,}"), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), MASK),
    (re.compile(r"\bspl_[\w-]+"), MASK),
    (re.compile(r"\b(?:AKIA|ASIA|AIDA|AROA)[A-Z0-9]{12,}\b"), MASK),
    # Session tokens of AWS STS.
    (re.compile(r"\b(?:FwoG|FQoG|IQoJ)[A-Za-z0-9+/=]{40,}"), MASK),
    (
        re.compile(
            rf"(?i)((?:{_NAMES})[\w\- ]*[\\\"']*\s*[:=]\s*)"
            r"(?:\\?\"[^\"]*\"|'[^']*'|[^\s\"',}&]+)"
        ),
        rf"\1{MASK}",
    ),
)
_TELLING: Final = re.compile(rf"(?i){_NAMES}|authorization|cookie|webhook")
_LONG: Final = re.compile(r"(?<![\w-])[\w-]{40,}(?![\w-])", re.ASCII)


def redact(text: str) -> str:
    """The text with everything masked that may be a secret.

    >>> redact("redis://:hunter2@127.0.0.1:6379")
    'redis://:***@127.0.0.1:6379'
    """
    for pattern, mask in _SECRETS:
        text = pattern.sub(mask, text)
    return _LONG.sub(_unless_readable, text)


def redacted(value: Any) -> Any:
    """The same for a JSON value: texts in it, and whatever stands under a telling name."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            str(name): MASK if each and _TELLING.search(str(name)) else redacted(each)
            for name, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value))


def _unless_readable(found: re.Match[str]) -> str:
    """A name or a digest is readable; small and large letters among digits are random."""
    text = found[0]
    random = (
        any(c.isdigit() for c in text)
        and any(c.islower() for c in text)
        and any(c.isupper() for c in text)
    )
    return MASK if random else text
