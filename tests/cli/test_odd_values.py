"""No value of an option causes a traceback; generated for every command from the parser."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Final

import pytest

from spotlab.cli import main
from spotlab.cli.main import CommandParser, build_parser
from spotlab.domain.ports import AuditFilter
from spotlab.runtime import bootstrap
from spotlab.runtime.lab import Lab
from tests.support.access import add_user, lab, quick_passwords

__all__ = ["lab", "quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")

LONG: Final = {("serve",), ("worker",), ("train",)}
"""Commands that run for long if their values are valid."""
IMPOSSIBLE: Final = ("nan", "inf", "-inf", "1e99", "1e999", str(10**30), "9" * 5_000, "0x10", "٣")
"""Values that are not a valid number for any option."""
_TEXTS: Final = ("Path", "column_names")
"""Types of which any text may be a value."""
EDGES: Final = ("-1", "0", "1e-300", str(2**31 - 1), "1970-01-01T00:00:00Z")
"""Values that are valid for some options."""


def commands(
    parser: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command, with its words."""
    if isinstance(parser, CommandParser):
        parser.complete()
    nested = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not nested:
        yield words, parser
    for action in nested:
        for name, below in action.choices.items():
            yield from commands(below, (*words, name))


ROOT: Final = build_parser()
ALL: Final = dict(commands(ROOT))


@pytest.fixture(autouse=True)
def _one_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[build_parser.__module__], "build_parser", lambda: ROOT)


def options() -> list[tuple[tuple[str, ...], str]]:
    """Every option and argument with a type other than text."""
    return [
        (words, action.option_strings[0] if action.option_strings else "")
        for words, parser in ALL.items()
        for action in parser._actions
        if action.type is not None and getattr(action.type, "__name__", "") not in _TEXTS
    ]


def needed(words: tuple[str, ...], without: str) -> list[str]:
    """The required arguments of a command."""
    given = []
    for action in ALL[words]._actions:
        if action.option_strings and action.required and without not in action.option_strings:
            given.append(f"{action.option_strings[0]}={plausible(action)}")
        elif not action.option_strings and action.nargs in (None, "+") and without:
            given.append(plausible(action))
    return given


def earlier(words: tuple[str, ...]) -> list[str]:
    """The positional arguments before the one whose type is checked."""
    positionals = [each for each in ALL[words]._actions if not each.option_strings]
    return ["advisor" for each in positionals if each.type is None]


def plausible(action: argparse.Action) -> str:
    return str(next(iter(action.choices))) if action.choices else "nobody"


def test_the_parser_was_walked() -> None:
    found = {" ".join((*words, name)) for words, name in options()}
    assert {"tokens create --days", "alerts add --over", "backtest --deadline-h"} <= found
    assert len(found) >= 40


@pytest.mark.parametrize(("words", "option"), options(), ids=str)
def test_a_value_that_cannot_be_is_named(
    words: tuple[str, ...], option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in IMPOSSIBLE:
        given = [*words, *needed(words, option)]
        given += [f"{option}={value}"] if option else ["--", *earlier(words), value]
        with pytest.raises(SystemExit) as stopped:
            main(given)
        output = capsys.readouterr().err
        assert stopped.value.code == 2, (given, output)
        assert "Traceback" not in output
        last = output.strip().splitlines()[-1]
        assert last.startswith("spotlab: argument"), last
        assert (option or ("TIME" if earlier(words) else "ID")) in last
        assert repr(value[:40])[:-1] in last, last


@pytest.mark.parametrize(
    ("words", "option"), [each for each in options() if each[0] not in LONG], ids=str
)
def test_no_number_is_a_traceback(
    words: tuple[str, ...],
    option: str,
    lab: Lab,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each value is accepted or rejected in one line, with a documented exit code."""
    monkeypatch.delenv("SPOTLAB_TOKEN", raising=False)
    monkeypatch.setattr(bootstrap, "bootstrap", lambda _settings: nullcontext(lab))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    before = lab.store.audit.count(AuditFilter())
    for value in EDGES:
        given = [*words, *needed(words, option)]
        given += [f"{option}={value}"] if option else ["--", *earlier(words), value]
        try:
            code = main([*given[: len(words)], "--json", *given[len(words) :]])
        except SystemExit as stopped:
            code = int(stopped.code or 0)
        written = capsys.readouterr()
        assert code in (0, 1, 2, 3), (given, written.err)
        assert "Traceback" not in written.err
        assert isinstance(json.loads(written.out), dict)
        if code:
            assert len([x for x in written.err.splitlines() if x.startswith("spotlab: ")]) == 1
    assert lab.store.audit.count(AuditFilter()) == before, "nobody was there to be changed"


@pytest.mark.parametrize("days", ["99999999999", "nan", "inf", "0", "-1", "367", "1e-9999"])
def test_a_token_of_an_impossible_length_is_not_made(
    lab: Lab, days: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab, "ana")
    monkeypatch.setattr(bootstrap, "bootstrap", lambda _settings: nullcontext(lab))
    with pytest.raises(SystemExit) as stopped:
        main(["tokens", "create", "ana", "ci", "--scope", "read", f"--days={days}"])
    assert stopped.value.code == 2
    output = capsys.readouterr().err.strip().splitlines()[-1]
    wanted = f"argument --days: {days!r} is not a number of days above 0, up to 366."
    assert output.startswith(f"spotlab: {wanted}")
    assert lab.store.tokens.list(None) == []
