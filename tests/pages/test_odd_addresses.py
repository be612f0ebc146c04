"""No page makes a mistake because of its address: every parameter, with odd values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.ui.common.links import PAGE_TABLE
from spotlab.ui.models.tabs import VIEWS
from tests.conftest import ROOT
from tests.pages.conftest import Open
from tests.support.lab import small_lab

PAGES: Final = [page.name for page in PAGE_TABLE]
FILTERS: Final = ("nan", str(10**30), "\x00", "\u202e[x](//e.example)")
IDS: Final = ("nan", "0", "-1", "٣", "²", str(2**31), str(2**63), "9" * 5_000, "\x00")
SWITCHES: Final = ("id", "sweep", "decision", "view")
"""Parameters that open something else instead of the page's list."""
FORMS: Final = (
    r'key="(\w+)",\s*bind="query-params"',
    r'(?:query_params\.get|number_asked)\(\s*"(\w+)"',
    r'pick_(?:one|many|option)\([^()]*(?:\([^()]*\)[^()]*)*"(\w+)"(?:,\s*blank=[^()]*)?\)',
    r'_(?:text|pick|choice|select)\(\s*"[^"]*",\s*"(\w+)"',
)


@cache
def parameters() -> frozenset[str]:
    """Every query parameter that a screen reads, from the screens' sources."""
    sources = [*(ROOT / "spotlab/ui").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    text = "\n".join(path.read_text() for path in sources)
    return frozenset(name for form in FORMS for name in re.findall(form, text))


def test_the_parameters_were_found() -> None:
    assert {"region", "q", "id", "level", "component", "page", "job", "sweep"} <= parameters()
    assert {"account", "instance", "model", "decision", "since", "region_of"} <= parameters()


@pytest.fixture(scope="module")
def odd_lab(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Lab]:
    with small_lab(tmp_path_factory.mktemp("odd"), models_dir) as made:
        yield made


@pytest.fixture(autouse=True)
def _this_lab(odd_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_process, "lab", lambda: odd_lab)


def look(open_page: Open, page: str, query: dict[str, str]) -> list[str]:
    """What is wrong with a page at an address."""
    app = open_page(page, **query)
    where = f"{page} {str(query)[:120]}"
    found = [f"{where}: {each.message}" for each in app.exception]
    return found + [
        f"{where}: {each.value}"
        for each in app.error
        if any(text in str(each.proto) for text in ("Unexpected error", "does not respond"))
    ]


@pytest.mark.parametrize("page", PAGES)
def test_no_filter_is_a_mistake(page: str, open_page: Open) -> None:
    every = [name for name in parameters() if name not in SWITCHES]
    for value in FILTERS:
        assert look(open_page, page, dict.fromkeys(every, value)) == []


@pytest.mark.parametrize(
    ("page", "switch"),
    [("experiments", "id"), ("explanations", "decision"), ("backtests", "sweep"), *(
        (page, "view") for page in ("models", "backtests")
    )],
)  # fmt: skip
def test_no_switch_is_a_mistake(page: str, switch: str, open_page: Open) -> None:
    for value in IDS:
        assert look(open_page, page, {switch: value}) == []


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_of_models_makes_a_mistake(view: str, open_page: Open) -> None:
    every = [name for name in parameters() if name not in SWITCHES]
    for value in ("nan", "\x00", "toy@1.0.0", "toy@" + "9" * 5_000):
        asked = {**dict.fromkeys(every, value), "view": view}
        assert look(open_page, "models", asked) == []
