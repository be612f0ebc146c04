"""Files, tests and settings named in docs/threat-model.md exist."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest

from spotlab.settings import Settings
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests|spotlab|deploy|docs)/[^`\s]*|app\.py)`", PAGE)))
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE)))
SETTINGS = sorted(set(re.findall(r"`(SPOTLAB_[A-Z_]+)`", PAGE)))


@cache
def functions(path: str) -> frozenset[str]:
    """Names of the functions in a file, at any depth."""
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("named", NAMED)
def test_what_is_named_exists(named: str) -> None:
    path, _, function = named.partition("::")

    assert (ROOT / path).exists(), named
    assert not function or function in functions(path), named


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_that_is_named_is_one(setting: str) -> None:
    assert setting.removeprefix("SPOTLAB_").lower() in Settings.model_fields


@pytest.mark.parametrize("link", LINKS)
def test_links_lead_somewhere(link: str) -> None:
    assert (ROOT / "docs" / link).exists()


def test_every_input_and_every_try_names_a_test() -> None:
    for title in ("## Inputs and what reads them", "## Attacks that were tried"):
        table = PAGE.partition(title)[2].partition("\n## ")[0]
        rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
        assert len(rows) > 10
        for row in rows:
            assert re.search(r"`tests/[^`]+\.py(::test_\w+)?`", row.rsplit(" | ", 1)[1]), row


def test_the_page_can_be_found() -> None:
    assert "docs/threat-model.md" in (ROOT / "README.md").read_text()
    assert "threat-model.md" in (ROOT / "docs" / "operations.md").read_text()
    assert len(NAMED) > 40
