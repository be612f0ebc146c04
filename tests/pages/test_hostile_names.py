"""Nobody's name, reason or log line is Markdown, HTML, mathematics or a link on any screen.

A picture in Markdown tells its server who looks, a link may lead anywhere, and a directive may say
"healthy" in green. So every field of every element is looked at, save those that Streamlit shows as
they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from spotlab.runtime import app_process
from spotlab.runtime.lab import Lab
from spotlab.ui.common import tables
from spotlab.ui.common.links import PAGE_TABLE
from spotlab.ui.models.tabs import VIEWS
from tests.pages.conftest import Open, button
from tests.support.hostile import CANARY, ME, hostile_card, make_hostile
from tests.support.lab import save_toy_model, small_lab
from tests.support.people import open_pages_as

PAGES: Final = [page.name for page in PAGE_TABLE]
MARKUP: Final = re.compile(
    r"(?<!\\):red\[|(?<!\\)\]\((?:http|javascript)|(?<!\\)\$y|(?<!\\)<b>|(?<!\\)\*s\*"
)
CODE: Final = re.compile(r"(?<![`\\])`(?!`)[^`]+`(?!`)")
"""Shown as it is, whatever it holds."""
HTML: Final = re.compile(r"<b>z")
UNSEEN: Final = re.compile("[\u202e\x1b]|\nFAKE")
HIDDEN: Final = re.compile("[\u202e\x1b]")
IN_LINES: Final = {"Code", "Text"}
"""What may have several lines."""
EDITED: Final = {"PageLink", "TextInput", "TextArea"}
"""What holds a value itself, not its words: an address, and what is changed in a form."""
AS_IT_IS: Final = {
    "Code": {"code_text"},
    "Json": {"body"},
    "Text": {"body"},
    "TextInput": {"value", "default", "placeholder"},
    "TextArea": {"value", "default", "placeholder"},
    "Selectbox": {"options", "raw_value", "placeholder"},
    "MultiSelect": {"options", "raw_values", "placeholder"},
    "PageLink": {"page", "page_script_hash", "query_string"},
}
"""What Streamlit shows as it is, by element: neither Markdown nor HTML."""
NAMING: Final = {"id", "element_id", "form_id", "user_key", "group_id", "key", "fragment_id", "alt"}


def found(message: Message, kind: str = "") -> Iterator[str]:
    """What of the canary is not escaped in an element, with its place."""
    kind = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        for each in values:
            if isinstance(each, Message):
                yield from found(each)
            elif isinstance(each, str) and field.name not in NAMING:
                yield from wrong(kind, field.name, each)


def wrong(kind: str, field: str, text: str) -> Iterator[str]:
    where = f"{kind}.{field}: {text[:400]!r}"
    if kind == "PlotlyChart":
        text = "\n".join(words_of(json.loads(text))) if field == "spec" else text
        rule = HTML
    elif kind == "Arrow" and field == "columns":
        text, rule = "\n".join(words_of(json.loads(text))), MARKUP
    elif field in AS_IT_IS.get(kind, ()):
        rule = None
    else:
        rule = HTML if kind == "Html" else MARKUP
    if rule is not None and rule.search(CODE.sub("", text)):
        yield where
    elif (HIDDEN if kind in IN_LINES else UNSEEN).search(text) and kind not in EDITED:
        yield f"unseen in {where}"


def words_of(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from words_of(each)


def elements(app: AppTest) -> Iterator[Message]:
    waiting: list[Any] = [app._tree]
    while waiting:
        node = waiting.pop()
        waiting.extend(getattr(node, "children", {}).values())
        if isinstance(getattr(node, "proto", None), Message):
            yield node.proto


def faults(app: AppTest) -> list[str]:
    """Everything on a page that is not as it should be."""
    assert not app.exception
    told = [each for proto in elements(app) for each in found(proto)]
    assert "Unexpected error" not in str([str(each.proto) for each in app.error])
    for table in app.dataframe:
        cells = "\n".join(map(str, table.value.to_numpy().ravel()))
        if UNSEEN.search(cells.replace("\n", " ") if "\nFAKE" not in cells else cells):
            told.append(f"unseen in a cell of {list(table.value.columns)}")
    return sorted(set(told))


@pytest.fixture(scope="module")
def hostile_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("hostile")
    save_toy_model(folder / "models")
    hostile_card(folder / "models")
    with small_lab(folder / "home", folder / "models") as made:
        yield make_hostile(made)


@pytest.fixture(autouse=True)
def _this_lab(hostile_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_process, "lab", lambda: hostile_lab)
    open_pages_as(monkeypatch, ME)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_on_a_page_is_markup(name: str, open_page: Open) -> None:
    assert faults(open_page(name)) == []


@pytest.mark.parametrize("row", [0, 1])
@pytest.mark.parametrize(
    "name",
    [
        *("instances", "candidates", "workloads", "alerts", "logs", "accounts", "users", "audit"),
        "jobs",
    ],
)
def test_nothing_about_a_selected_row_is_markup(
    name: str, row: int, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_selected", lambda _state, length: [min(row, length - 1)][:length])
    assert faults(open_page(name)) == []


def test_nothing_about_an_assigned_tag_is_markup(open_page: Open) -> None:
    app = open_page("workloads", workload="checkpointed-training")
    app.selectbox(key="assign-key tag").set_value(f"{CANARY}={CANARY}").run()
    assert faults(app) == []
    button(app, "Assign checkpointed-training").click().run()
    assert faults(app) == []


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_of_a_card_is_markup(view: str, open_page: Open) -> None:
    assert faults(open_page("models", view=view, model="toy@1.1.0")) == []


@pytest.mark.parametrize("name", ["experiments", "explanations", "candidates"])
def test_nothing_of_a_decision_is_markup(name: str, open_page: Open) -> None:
    asked = {"experiments": "id", "explanations": "decision", "candidates": "instance"}[name]
    value = "i-0000000000000000a" if asked == "instance" else "1"
    assert faults(open_page(name, **{asked: value})) == []
