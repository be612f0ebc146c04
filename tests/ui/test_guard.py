"""Who may see a page, and what a reader sees when something fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from spotlab.domain.access import Right
from spotlab.ui.links import PAGE_TABLE
from tests.conftest import ROOT

PAGES = sorted((ROOT / "pages").glob("*.py"))


def guarded() -> None:
    import streamlit as st

    from spotlab.ui import guard

    user = guard.require(guard.Right.EVALUATE)
    st.write(f"hello {user.name}")


@pytest.fixture
def bound_to(request: pytest.FixtureRequest) -> Iterator[None]:
    before = config.get_option("server.address")
    config.set_option("server.address", request.param)
    yield
    config.set_option("server.address", before)


@pytest.mark.parametrize("bound_to", ["127.0.0.1", "::1", "localhost"], indirect=True)
@pytest.mark.usefixtures("bound_to")
def test_on_loopback_the_reader_is_the_local_administrator() -> None:
    app = AppTest.from_function(guarded).run()
    assert app.markdown[0].value == "hello local administrator"


@pytest.mark.parametrize("bound_to", ["0.0.0.0", "", "192.168.1.4", "example.org"], indirect=True)
@pytest.mark.usefixtures("bound_to")
def test_anywhere_else_the_page_is_refused() -> None:
    app = AppTest.from_function(guarded).run()
    assert not app.markdown
    assert "no sign-in" in app.error[0].value


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_guard_is_every_pages_first_statement(path: object) -> None:
    tree = ast.parse(path.read_text())  # type: ignore[attr-defined]
    imports = (ast.Import, ast.ImportFrom)
    first = next(node for node in tree.body[1:] if not isinstance(node, imports))
    said = re.fullmatch(r"(?:\w+ = )?guard\.require\(guard\.Right\.(\w+)\)", ast.unparse(first))
    assert said is not None
    entry = next(page for page in PAGE_TABLE if page.name == path.stem)  # type: ignore[attr-defined]
    assert Right[said[1]] is entry.right, "the guard and the page table ask for the same"
