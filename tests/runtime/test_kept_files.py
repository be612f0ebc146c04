"""Files that somebody sent are kept under their own names, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidInput
from spotlab.runtime.kept_files import TRACES, keep
from spotlab.ui.models.files import sent


class Sent:
    """A file from a browser."""

    def __init__(self, name: str) -> None:
        self.name = name

    def getvalue(self) -> bytes:
        return b"x"


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", "", "a\0b", "a" * 300])
def test_a_name_that_leads_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        keep(tmp_path, TRACES, {name: b"x"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../x.json", "C:\\x.json", "é" * 300 + ".json", "con/..", "a\0b"])
def test_what_a_browser_calls_a_file_can_be_kept(name: str, tmp_path: Path) -> None:
    (file,) = sent([Sent(name)])
    place, new = keep(tmp_path, TRACES, {file.name: file.content})
    assert new
    assert [path.read_bytes() for path in place.iterdir()] == [b"x"]
