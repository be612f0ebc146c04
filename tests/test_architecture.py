"""Imports point to lower floors and form no cycles; modules and rooms stay small."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FLOORS: list[set[str]] = [
    {"errors", "telemetry"},
    {"domain", "settings"},
    {"processes", "client"},
    {"aws", "recorded", "store", "features", "inference", "gym", "demo"},
    {"pipeline", "training"},
    {"runtime"},
    {"access"},
    {"monitoring", "maintenance", "switching"},
    {"scheduling"},
    {"sweeps"},
    {"services"},
    {"ui", "api", "cli"},
]
"""From the bottom up; rooms on the same floor do not import each other."""
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
KNOWS_ONLY = {"client": {"errors", "domain"}}
"""The client can be installed without the other rooms' dependencies."""
ONLY_IN = {
    "streamlit": {"ui", "pages", "app"},
    "boto3": {"aws", "demo"},
    "botocore": {"aws", "demo"},
    "fastapi": {"api", "app"},
    "starlette": {"api", "app"},
    "moto": {"demo"},
}
STREAMLIT_INTERNALS = "streamlit_internals.py"
PUBLIC_STREAMLIT = {"delta_generator", "navigation"}
"""Modules of Streamlit that others may import, for types; all else is undocumented."""
SHARE_OF_ALL_LINES = {"runtime": 0.06}
LARGEST_SHARE = 0.175
MODULES = sorted(
    [*ROOT.glob("spotlab/**/*.py"), *ROOT.glob("pages/*.py"), *ROOT.glob("app.py")],
)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[1] if parts[0] == "spotlab" and len(parts) > 1 else parts[0]


@cache
def imports_of(path: Path) -> list[tuple[int, str]]:
    """Line and full name of every import in a module."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
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
        if (
            parts[0] == "streamlit"
            and len(parts) > 1
            and parts[1] not in PUBLIC_STREAMLIT
            and path.name != STREAMLIT_INTERNALS
        ):
            breaches.append(f"line {line}: only {STREAMLIT_INTERNALS} may import {name}")
        if parts[0] != "spotlab" or len(parts) < 2 or parts[1] not in FLOOR_OF:
            continue
        other = parts[1]
        if room not in FLOOR_OF or other == room:
            continue
        if FLOOR_OF[other] > FLOOR_OF[room]:
            breaches.append(f"line {line}: {room} may not import {other}, which is above it")
        if FLOOR_OF[other] == FLOOR_OF[room] and room != "telemetry":
            breaches.append(f"line {line}: {room} and {other} are on the same floor")
        if room in KNOWS_ONLY and other not in KNOWS_ONLY[room]:
            breaches.append(f"line {line}: {room} may import {sorted(KNOWS_ONLY[room])} only")
        if other == "demo" and path.name not in {"bootstrap.py", "prestart.py"}:
            breaches.append(f"line {line}: only runtime/bootstrap and prestart may import demo")
    assert not breaches, "\n".join(breaches)


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(path) for path in MODULES} - {"pages", "app", "__init__"}
    assert rooms == set(FLOOR_OF)


def test_no_circle_of_files() -> None:
    """Imports inside functions and for type checking count as well."""
    known = {name_of(path): path for path in MODULES}
    graph: dict[str, set[str]] = {}
    for name, path in known.items():
        found = {_module(imported, known) for _, imported in imports_of(path)}
        graph[name] = found - {"", name, *_packages(name)}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        pytest.fail(" imports ".join(reversed(exc.args[1])))


def _module(imported: str, known: dict[str, Path]) -> str:
    while imported and imported not in known:
        imported = imported.rpartition(".")[0]
    return "" if imported == "spotlab" else imported


def _packages(name: str) -> set[str]:
    """The packages that contain a module: they may re-export it."""
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_stay_readable(path: Path) -> None:
    text = path.read_text()
    limit = 100 if path.parent.name == "pages" else 400
    lines = text.count("\n")
    assert lines <= limit, f"{lines} lines (limit {limit})"
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "the first line says what it holds"


PACKAGES = [path for path in MODULES if path.name == "__init__.py"]


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_package_takes_the_name_of_its_module_for_something_else(path: Path) -> None:
    """Importing the module later would replace it."""
    package = name_of(path)
    modules = {each.stem for each in path.parent.iterdir()} - {"__init__"}
    taken = [
        alias.asname or alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(package)
        for alias in node.names
    ]
    assert not modules.intersection(taken)


def test_no_room_is_a_drawer() -> None:
    """A room with too large a share of all lines is likely to contain more than its name says."""
    lines: dict[str, int] = {}
    for path in ROOT.glob("spotlab/**/*.py"):
        room = room_of(path)
        lines[room] = lines.get(room, 0) + path.read_text().count("\n")
    total = sum(lines.values())
    shares = {room: count / total for room, count in lines.items()}
    too_large = {
        room: f"{share:.1%}"
        for room, share in shares.items()
        if share > SHARE_OF_ALL_LINES.get(room, LARGEST_SHARE)
    }
    assert not too_large
