"""The command line: one document on stdout, messages on stderr, and exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from spotlab.cli import main
from spotlab.cli.command import Command, Result, no_arguments
from spotlab.cli.commands import COMMANDS, CommandEntry

DATABASES = {"alembic", "redis", "sqlalchemy", "sqlmodel"}
SERVERS_AND_CLIENTS = {"boto3", "botocore", "fastapi", "httpx", "moto", "prometheus_client"}
NUMBERS_AND_SCREENS = {"lightgbm", "numba", "pandas", "plotly", "sklearn", "streamlit"}
NOT_FOR_HELP = DATABASES | SERVERS_AND_CLIENTS | NUMBERS_AND_SCREENS
"""Packages that take long to import."""


def imported(code: str) -> set[str]:
    """The packages that a new process imports for some code."""
    shown = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in shown.stdout.split()}


def test_the_list_of_commands_needs_no_packages() -> None:
    packages = imported("import spotlab.cli")
    assert not packages & (NOT_FOR_HELP | {"numpy", "pydantic"})


def test_the_help_of_a_command_imports_neither_the_lab_nor_its_libraries() -> None:
    packages = imported(
        "from spotlab.cli.commands import COMMANDS\nfor entry in COMMANDS: entry.load()"
    )
    assert not packages & NOT_FOR_HELP


def test_the_version_needs_no_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTLAB_AWS", "mars")
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("spotlab ")


def test_the_table_of_commands_says_what_they_say() -> None:
    for entry in COMMANDS:
        command = entry.load()
        assert (entry.name, entry.summary) == (command.name, command.summary)


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        with pytest.raises(SystemExit) as stopped:
            main([command.name, "--help"])
        shown = capsys.readouterr().out
        assert stopped.value.code == 0
        assert command.summary in shown
        assert "--json" in shown


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["score", "--arch", "mips"], ["serve", "-x"]])
def test_wrong_usage_exits_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    assert "usage: spotlab" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [["models", "evaluate", "capacity", "--horizon-h", "0"], ["models", "crown"], ["backtest"]],
    ids=["a number that cannot be", "no such command", "something is missing"],
)
def test_wrong_usage_is_a_document_too(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*argv, "--json"])
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert stopped.value.code == document["exit_code"] == 2
    assert "--help" in document["error"]
    assert document["error"] in captured.err


def test_version_as_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["version", "--json", "--home", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["spotlab"]
    assert document["packages"]["lightgbm"]


def test_migrate_says_what_it_did(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["migrate", "--json", "--home", str(tmp_path)]) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["from"] is None
    assert first["changed"]
    assert main(["migrate", "--json", "--home", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "from": first["to"],
        "to": first["to"],
        "changed": False,
    }


def test_a_setting_that_cannot_be_used_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SPOTLAB_AWS", "mars")
    assert main(["doctor", "--json", "--home", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "SPOTLAB_AWS" in json.loads(captured.out)["error"]
    assert "SPOTLAB_AWS" in captured.err


def test_a_port_in_use_is_not_available(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--home", str(tmp_path)]) == 3
    assert f"Port {port} on 127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "worker", "models"])
def test_a_home_that_cannot_be_used_is_told_in_one_line(
    command: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = tmp_path / "file"
    taken.touch()
    argv = [command, "list"] if command == "models" else [command]
    assert main([*argv, "--home", str(taken / "home")]) == 2
    output = capsys.readouterr().err
    assert output.splitlines() == [
        f"spotlab: SPOTLAB_HOME {taken / 'home'} cannot be used: Not a directory. "
        "Name a folder that SpotLab may write to."
    ]
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any folder
    assert main([*argv, "--home", str(tmp_path)]) == 2
    assert "cannot be used: It cannot be written." in capsys.readouterr().err


def test_a_database_that_does_not_answer_is_not_available(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "SPOTLAB_DATABASE_URL", "postgresql+psycopg://someone:hunter2@127.0.0.1:1/none"
    )
    assert main(["migrate", "--json", "--home", str(tmp_path)]) == 3
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "many"])
@pytest.mark.parametrize("option", ["--horizon-h", "--vcpu-min", "--memory-gb-max"])
def test_a_number_that_cannot_be_is_named(
    option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["score", f"{option}={text}"])
    assert stopped.value.code == 2
    assert f"{option}: '{text}' is not a number above 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["serve", "worker", "doctor"])
def test_a_mistyped_variable_is_told(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPOTLAB_DATABSE_URL", "postgresql://ignored")
    stands_for = Command(command, "", no_arguments, lambda _args, _settings: Result({}, "ran"))
    monkeypatch.setattr(CommandEntry, "load", lambda _entry: stands_for)
    assert main([command]) == 0
    output = capsys.readouterr()
    assert "SPOTLAB_DATABSE_URL is set" in output.err
    assert "Did you mean SPOTLAB_DATABASE_URL?" in output.err
    assert output.out == "ran\n"
