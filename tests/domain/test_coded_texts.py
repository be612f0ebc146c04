"""Columns of texts as numbers, and which columns share them."""

from __future__ import annotations

import gc
from weakref import ref

import pandas as pd

from spotlab.domain.coded_texts import Texts


def column(*texts: str | None) -> pd.Series:
    return pd.DataFrame({"name": pd.Series(texts, dtype="str")})["name"]


def test_texts_are_numbered_and_unknown_ones_have_no_number() -> None:
    texts = Texts.of(column("b", "a", None, "b"))
    assert texts.codes.tolist() == [0, 1, -1, 0]
    assert texts.names == ("b", "a")
    assert [texts.at(row) for row in range(4)] == ["b", "a", None, "b"]
    assert texts.order.tolist() == [1, 0, 2, 1]
    assert texts.places_in({"a": 7}).tolist() == [-1, 7, -1, -1]
    assert texts.places_in({"a": 7}, unknown=9).tolist() == [-1, 7, 9, -1]


def test_a_copy_and_an_equal_column_share_their_numbers() -> None:
    table = pd.DataFrame({"name": pd.Series(["b", "a"], dtype="str")})
    first = Texts.of(table["name"])
    assert Texts.of(table.copy(deep=False).reset_index(drop=True)["name"]) is first
    assert Texts.of(column("b", "a")) is first
    assert Texts.of(column("a", "b")) is not first


def test_a_changed_column_is_numbered_again() -> None:
    table = pd.DataFrame({"name": pd.Series(["b", "a"], dtype="str")})
    first = Texts.of(table["name"])
    table.loc[1, "name"] = "c"
    assert Texts.of(table["name"]).names == ("b", "c")
    assert first.names == ("b", "a")


def test_objects_are_numbered_too() -> None:
    texts = Texts.of(pd.Series(["b", None, "b"], dtype=object))
    assert (texts.codes.tolist(), texts.names) == ([0, -1, 0], ("b",))


def test_numbers_are_freed_with_their_table() -> None:
    table = pd.DataFrame({"name": pd.Series(["freed", "with", "it"], dtype="str")})
    texts = ref(Texts.of(table["name"]))
    del table
    gc.collect()
    assert texts() is None
