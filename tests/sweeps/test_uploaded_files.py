"""Files that were sent are kept once, whole, and no more of them than there is room for."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidInput, NotAvailable
from spotlab.sweeps import uploaded_files
from spotlab.sweeps.uploaded_files import PRICES, TRACES, store_files
from spotlab.training.comparison_files import uploaded


def test_the_same_files_are_kept_once(tmp_path: Path) -> None:
    place, new = store_files(tmp_path, TRACES, {"a.json": b"1", "b.json": b"2"})

    assert new
    assert {file.name: file.read_bytes() for file in place.iterdir()} == {
        "a.json": b"1",
        "b.json": b"2",
    }
    assert store_files(tmp_path, TRACES, {"b.json": b"2", "a.json": b"1"}) == (place, False)


def test_no_more_is_kept_than_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploaded_files, "MAX_STORED_BYTES", 100)
    place, _ = store_files(tmp_path, TRACES, {"a.json": bytes(60)})
    store_files(tmp_path, PRICES, {"b.csv": bytes(30)})

    with pytest.raises(NotAvailable, match="reached their limit"):
        store_files(tmp_path, TRACES, {"c.json": bytes(11)})

    assert [folder.name for folder in (tmp_path / TRACES).iterdir()] == [place.name]
    assert store_files(tmp_path, TRACES, {"a.json": bytes(60)}) == (place, False)
    assert store_files(tmp_path, TRACES, {"d.json": bytes(10)})[1]


class Sent:
    """A file from a browser."""

    def __init__(self, name: str) -> None:
        self.name = name

    def getvalue(self) -> bytes:
        return b"x"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", "", "a\0b", "a" * 300])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a valid file name"):
        store_files(tmp_path, TRACES, {name: b"x"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x.json", "C:\\x.json", "é" * 300 + ".json", "con/..", "a\0b"])
def test_what_a_browser_calls_a_file_can_be_kept(name: str, tmp_path: Path) -> None:
    (file,) = uploaded([Sent(name)])
    place, new = store_files(tmp_path, TRACES, {file.name: file.content})
    assert new
    assert [path.read_bytes() for path in place.iterdir()] == [b"x"]
