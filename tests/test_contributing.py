"""Paths, functions, make targets and floors named in CONTRIBUTING.md exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from spotlab.ui.common.links import PAGE_TABLE
from tests.conftest import ROOT
from tests.test_architecture import FLOORS

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
README = (ROOT / "README.md").read_text()
FOLDERS = "spotlab|tests|pages|docs|deploy|benchmarks|models|requirements"
NAMED = sorted(set(re.findall(rf"(?<![\w/.])(?:{FOLDERS})/[\w./-]*(?:::\w+)?", PAGE)))
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)\)", PAGE)))


@cache
def names(path: str) -> frozenset[str]:
    """Names of functions, classes and assigned variables in a file, at any depth."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return frozenset(found)


def floors_drawn(text: str) -> list[set[str]]:
    """The rooms of each floor in the Mermaid picture, from the bottom up."""
    floors = re.findall(r"subgraph F(\d+)\S*.*\n(.*)\n", text)
    assert [int(number) for number, _ in floors] == [*range(len(floors), 0, -1)]
    return [set(rooms.split()) - {"~~~"} for _, rooms in reversed(floors)]


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_exists(named: str) -> None:
    path, _, name = named.rstrip(".").partition("::")

    assert (ROOT / path).exists(), named
    assert not name or name in names(path), named


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


@pytest.mark.parametrize("text", [PAGE, README], ids=["CONTRIBUTING.md", "README.md"])
def test_the_picture_has_the_floors_of_the_architecture_test(text: str) -> None:
    assert floors_drawn(text) == FLOORS


def test_the_table_says_what_is_in_every_room() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    floors: list[set[str]] = [set() for _ in FLOORS]
    for number, room in rows:
        floors[int(number) - 1].add(room)
    assert floors == FLOORS
    assert len(rows) == sum(map(len, FLOORS))


def test_make_targets_are_those_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"(?:^|`)make ([a-z-]+)", PAGE, re.MULTILINE)
    assert {*named} == {*targets} - {"help"}


def test_the_readme_lists_every_screen() -> None:
    for entry in PAGE_TABLE:
        assert f"\n| {entry.title} | " in README, entry.title


def test_the_page_can_be_found() -> None:
    assert "](CONTRIBUTING.md)" in README
    assert len(NAMED) > 80
