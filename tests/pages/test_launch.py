"""Every page opens, says its answer in the first line, and shows no error."""

from __future__ import annotations

import pytest

from spotlab.runtime.lab import Lab
from spotlab.ui.common.links import PAGE_TABLE
from tests.pages.conftest import Open

NAMES = [page.name for page in PAGE_TABLE]


@pytest.mark.parametrize("name", NAMES)
def test_page_opens_with_its_answer(name: str, lab: Lab, open_page: Open) -> None:
    app = open_page(name)
    assert not app.exception
    assert [box.value for box in app.error] == []
    assert len(app.title) == 1
    assert any(character.isdigit() for character in app.title[0].value), app.title[0].value
