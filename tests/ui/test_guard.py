"""Who may see a page, and what a reader sees when something fails."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit import config

from spotlab.domain.access import Right, Role
from spotlab.domain.ports import AuditCheck
from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.ui.audit.view import small_print
from spotlab.ui.common.links import PAGE_TABLE
from spotlab.ui.own_account.view import scope_warning
from tests.conftest import ROOT
from tests.support.app_test import AppTest
from tests.support.lab import empty_lab
from tests.support.people import open_pages_as, person

PAGES = sorted((ROOT / "pages").glob("*.py"))


def guarded() -> None:
    import streamlit as st

    from spotlab.domain.access import Right
    from spotlab.ui.common import guard

    user = guard.require(Right.EVALUATE)
    st.write(f"hello {user.name}")


@pytest.fixture
def bound_to(request: pytest.FixtureRequest) -> Iterator[None]:
    before = config.get_option("server.address")
    config.set_option("server.address", request.param)
    yield
    config.set_option("server.address", before)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    made = empty_lab(tmp_path, tmp_path / "models")
    monkeypatch.setattr(app_process, "lab", lambda: made)
    yield made
    made.close()


@pytest.fixture
def open_lab(lab: Lab) -> Lab:
    """The same without sign-in."""
    lab.settings = lab.settings.model_copy(update={"auth": "off"})
    return lab


@pytest.mark.parametrize("bound_to", ["127.0.0.1", "::1", "localhost"], indirect=True)
@pytest.mark.usefixtures("bound_to", "open_lab")
def test_without_sign_in_the_reader_on_loopback_is_the_local_administrator() -> None:
    app = AppTest.from_function(guarded).run()
    assert app.markdown[0].value == "hello local administrator"


@pytest.mark.parametrize("bound_to", ["0.0.0.0", "", "192.168.1.4", "example.org"], indirect=True)
@pytest.mark.usefixtures("bound_to", "open_lab")
def test_without_sign_in_the_page_is_refused_anywhere_else() -> None:
    app = AppTest.from_function(guarded).run()
    assert not app.markdown
    assert "without sign-in" in app.error[0].value


@pytest.mark.parametrize("bound_to", ["127.0.0.1", "0.0.0.0"], indirect=True)
@pytest.mark.usefixtures("bound_to", "lab")
def test_with_sign_in_nobody_is_let_in_by_address_alone() -> None:
    app = AppTest.from_function(guarded).run()
    assert not app.markdown
    assert "Sign in" in app.error[0].value


def test_a_role_without_the_right_is_told_who_may(monkeypatch: pytest.MonkeyPatch) -> None:
    open_pages_as(monkeypatch, person(Role.VIEWER))
    app = AppTest.from_function(guarded).run()
    assert not app.markdown
    assert "evaluate instances. Roles with this right: operator, admin" in app.error[0].value
    assert app.title[0].value == "Your role does not allow this page"


def test_a_role_with_the_right_is_let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    open_pages_as(monkeypatch, person(Role.OPERATOR))
    assert AppTest.from_function(guarded).run().markdown[0].value == "hello the operator"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_guard_is_every_pages_first_statement(path: object) -> None:
    tree = ast.parse(path.read_text())  # type: ignore[attr-defined]
    imports = (ast.Import, ast.ImportFrom)
    first = next(node for node in tree.body[1:] if not isinstance(node, imports))
    said = re.fullmatch(r"(?:\w+ = )?guard\.require\(Right\.(\w+)\)", ast.unparse(first))
    assert said is not None
    entry = next(page for page in PAGE_TABLE if page.name == path.stem)  # type: ignore[attr-defined]
    assert Right[said[1]] is entry.right, "the guard and the page table ask for the same"


def test_who_may_give_a_token_everything_is_told_so_where_it_is_made() -> None:
    assert "every right that it has" in scope_warning(person(Role.ADMIN))
    assert scope_warning(person(Role.OPERATOR)) == ""


def test_a_reader_of_some_accounts_is_told_that_changes_are_left_out() -> None:
    check = AuditCheck(9, None, "", "a" * 64)
    assert "are not shown" in small_print(check, person(Role.ADMIN, "acme"))
    assert "are not shown" not in small_print(check, person(Role.ADMIN))
