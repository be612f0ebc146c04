"""`spotlab backup`, `restore` and `retention`."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from spotlab.cli import main


def spotlab(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_home_moves_by_backup_and_restore(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new, file = str(tmp_path / "old"), str(tmp_path / "new"), str(tmp_path / "b.tar")
    code, made = spotlab(capsys, "backup", file, "--home", old)
    assert (code, made["database"]) == (0, "sqlite")
    rows = made["rows"]
    assert isinstance(rows, dict)
    assert rows["model_versions"] >= 2

    code, done = spotlab(capsys, "restore", file, "--home", new)
    assert (code, done["rows"], done["former"]) == (0, rows, [])

    code, again = spotlab(capsys, "restore", file, "--home", new)
    assert code == 1
    assert "--replace" in str(again["error"])

    assert main(["backup", str(tmp_path / "c.tar"), "--home", new]) == 0
    assert "to sign in again" in capsys.readouterr().out

    code, output = spotlab(capsys, "retention", "--dry-run", "--home", new)
    assert (code, output["dry_run"], output["deleted"]) == (0, True, {})


def test_what_is_no_backup_is_named_with_what_would_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    text = tmp_path / "notes.txt"
    text.write_text("no backup")
    empty = tmp_path / "empty.tar"
    empty.touch()
    other = tmp_path / "other.tar"
    with tarfile.open(other, "w") as archive:
        archive.add(text, "notes.txt")
    why = {
        tmp_path / "absent.tar": "cannot be read: No such file or directory.",
        tmp_path: "cannot be read: Is a directory.",
        text: "is not a SpotLab backup.",
        empty: "is not a SpotLab backup.",
        other: "is not a SpotLab backup.",
    }
    for file, problem in why.items():
        code, output = spotlab(capsys, "restore", str(file), "--home", str(home))
        assert code == 1
        assert output["error"] == f"{file} {problem} Use a file made by `spotlab backup FILE`."
    assert not home.exists()
