"""Secrets are masked, and nothing else: error messages stay complete."""

from __future__ import annotations

import ast
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from spotlab.errors import SpotlabError
from spotlab.telemetry.redaction import MASK, MAX_CHARS, redact

ROOT = Path(__file__).resolve().parents[2]
FILLINGS = (
    "x",
    "/srv/Backups/with-secrets",
    "/srv/SpotLab-Production-2026-11-30T0700-nightly-full.tar",
    "spotlab.db.before-20261130T074500",
    "i-0123456789abcdef0",
)
_LOGGING = {"debug", "info", "warning", "error", "exception", "critical"}


def errors() -> set[str]:
    """Names of all error classes, whatever module they are in."""
    found, left = set[str](), [SpotlabError]
    while left:
        each = left.pop()
        found.add(each.__name__)
        left += each.__subclasses__()
    return found


def text_of(node: ast.AST, filling: str) -> str:
    if isinstance(node, ast.Constant):
        return node.value.replace("%s", filling) if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part, filling) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left, filling) + text_of(node.right, filling)
    return filling if isinstance(node, ast.FormattedValue | ast.Name) else ""


def told(path: Path) -> Iterator[ast.expr]:
    """The messages and remedies of errors, and what is logged, in a module."""
    names = errors()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name in names or name in _LOGGING:
            yield from node.args
            yield from (each.value for each in node.keywords)


@pytest.mark.parametrize("filling", FILLINGS)
def test_no_message_of_ours_is_masked(filling: str) -> None:
    seen, masked = 0, []
    for path in sorted(ROOT.glob("spotlab/**/*.py")):
        for node in told(path):
            text = text_of(node, filling)
            seen += bool(text)
            # In the place of an account's number in a role's name, a path means nothing.
            if redact(text) != text and "arn:aws" not in text:
                masked.append(f"{path.name}:{node.lineno}: {text} -> {redact(text)}")
    assert seen > 800
    assert masked == []


@pytest.mark.parametrize(
    "text",
    [
        "/srv/with-secrets cannot be read: No such file or directory.",
        "/srv/with-secret: the manifest cannot be read: it is cut short.",
        "/srv/SpotLab-Production-2026-11-30T0700-nightly-full-backup.tar is not a SpotLab backup.",
        "cannot note that a session or token is used: the database is locked",
        "Only bearer tokens are understood.",
        "A token that may change users is as good as an administrator: it can add one.",
        'It holds a JSON list: [{"name": "…", "external_id": "…", "regions": ["us-east-1"]}].',
        "Model advisor-Boosted-Calibrated-2026-11-30-r0010-candidate@1.0.0 exists.",
    ],
)
def test_what_is_no_secret_is_told_whole(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "password: hunter",
        "password=hunter",
        "the password for ana: hunter",
        "secret key: hunter",
        "secret access key : hunter",
        "API_KEY = hunter",
        "SPOTLAB_SECRET_KEY=hunter",
        "?path=/a/token=hunter",
        '{"password": "hunter"}',
        "Authorization: Bearer hunter",
        "Bearer hunter",
        "bearer hunter2hunter",
        "Authorization: Digest hunter",
        "postgresql://me:hunter@db/x",
    ],
)
def test_even_a_weak_secret_is_masked_where_it_is_named(text: str) -> None:
    assert "hunter" not in redact(text)


def test_random_runs_are_masked_as_names_are_not() -> None:
    shown = [
        code for _ in range(2000) if (code := secrets.token_urlsafe(32)) in redact(f"a {code}")
    ]
    # Without a digit, or in letters of one kind, it looks like a name: one in some hundred.
    assert len(shown) < 40


@pytest.mark.parametrize(
    "part",
    ["secret", "secret ", "token: ", "a-", "eyJa.", "://a:", "=\"'", f"{'a' * 44}12345x "],
)
def test_a_long_text_is_read_in_no_time_to_speak_of(part: str) -> None:
    assert len(redact(part * 20_000)) <= MAX_CHARS + len(MASK)
