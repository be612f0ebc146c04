"""An import only ever points down the floors, and a module stays readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS: list[set[str]] = [
    {"errors", "telemetry", "processes"},
    {"domain", "settings"},
    {"aws", "recorded", "store", "features", "inference", "client"},
    {"pipeline"},
    {"training", "gym"},
    {"runtime", "demo"},
    {"ui", "api", "cli"},
]
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
NEVER_EACH_OTHER = {"aws", "recorded", "store", "features", "inference", "client"}
KNOWS_ONLY = {"client": {"errors", "domain"}}
"""Whoever installs the client wants to wait for no more than it needs."""
ONLY_IN = {
    "streamlit": {"ui", "pages", "app"},
    "boto3": {"aws", "demo"},
    "botocore": {"aws", "demo"},
    "fastapi": {"api", "app"},
    "starlette": {"api", "app"},
    "moto": {"demo"},
}
MODULES = sorted(
    [*ROOT.glob("spotlab/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("app.py")],
)


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "spotlab" and len(parts) > 1 else parts[0]


def imports_of(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.lineno, node.module))
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    room = room_of(path)
    breaches = []
    for line, name in imports_of(path):
        parts = name.split(".")
        if parts[0] in ONLY_IN and room not in ONLY_IN[parts[0]]:
            breaches.append(f"line {line}: {parts[0]} belongs in {sorted(ONLY_IN[parts[0]])}")
        if parts[0] != "spotlab" or len(parts) < 2 or parts[1] not in FLOOR_OF:
            continue
        other = parts[1]
        if room not in FLOOR_OF or other == room:
            continue
        if FLOOR_OF[other] > FLOOR_OF[room]:
            breaches.append(f"line {line}: {room} may not import {other}, which is above it")
        if room in KNOWS_ONLY and other not in KNOWS_ONLY[room]:
            breaches.append(f"line {line}: {room} may import {sorted(KNOWS_ONLY[room])} only")
        if {room, other} <= NEVER_EACH_OTHER:
            breaches.append(f"line {line}: {room} and {other} never import each other")
        if other == "demo" and path.name != "bootstrap.py":
            breaches.append(f"line {line}: only runtime/bootstrap may import demo")
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_readable(path: Path) -> None:
    lines = path.read_text().count("\n")
    limit = 100 if path.parent.name == "pages" else 400
    assert lines <= limit, f"{lines} lines (limit {limit})"
    text = path.read_text()
    if text.strip():
        docstring = ast.get_docstring(ast.parse(text))
        assert docstring, "the first line says the floor"
