"""`spotlab accounts`: from a name to a role, and what is printed for a program."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from spotlab.cli import main

NUMBER = "111111111111"
PRINCIPAL = "arn:aws:iam::222222222222:role/spotlab-server"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPOTLAB_HOME", str(tmp_path))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["accounts", *words])
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code, out = run(capsys, *words, "--json")
    assert code == 0
    return dict(json.loads(out))


def test_an_account_is_added_and_its_role_printed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = document(capsys, "add", "team", "--account-id", NUMBER, "--region", "us-east-1")
    secret = added["external_id"]
    assert added["role_arn"] == f"arn:aws:iam::{NUMBER}:role/SpotLab"
    role = ("team", "--principal", PRINCIPAL)
    policy = document(capsys, "policy", *role, "--access", "switching")
    assert len(policy["explanation"]) == len(policy["policy"]["Statement"])
    code, printed = run(capsys, "policy", *role, "--access", "switching")
    assert (code, json.loads(printed)) == (0, policy["policy"])
    trust = document(capsys, "trust", *role)["trust_policy"]
    assert trust["Statement"][0]["Principal"] == {"AWS": PRINCIPAL}
    _, template = run(capsys, "cloudformation", *role)
    assert yaml.safe_load(template)["Parameters"]["ExternalId"]["NoEcho"] is True
    _, terraform = run(capsys, "terraform", *role)
    assert 'resource "aws_iam_role" "spotlab"' in terraform

    shown = document(capsys, "show", "team")
    assert (shown["active"], shown["external_id_set"], shown["listings"]) == (False, True, [])
    arn = f"arn:aws:iam::{NUMBER}:role/SpotLab"
    assert document(capsys, "enable", "team", "--role-arn", arn)["active"] is True
    (listed,) = document(capsys, "list")["accounts"]
    assert (listed["name"], listed["active"]) == ("team", True)
    assert document(capsys, "disable", "team")["active"] is False
    assert secret not in str(shown) + str(listed) + template + terraform
    rotated = document(capsys, "rotate", "team")
    assert rotated["external_id"] != secret
    assert document(capsys, "show", "team")["rotation_pending"] is True
    assert document(capsys, "rotate", "team", "--cancel")["state"] == "cancelled"
    stored = b"".join(path.read_bytes() for path in home.glob("spotlab.db*"))
    assert secret.encode() not in stored
    assert rotated["external_id"].encode() not in stored


def test_the_text_names_the_next_step_and_quotes_the_name(
    home: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, text = run(capsys, "add", "card shop", "--account-id", NUMBER, "--region", "us-east-1")
    assert "spotlab accounts cloudformation 'card shop' > spotlab-role.yaml" in text
    assert "It is shown only once." in text
    _, shown = run(capsys, "show", "card shop")
    assert "us-east-1: not listed yet" in shown
    _, listed = run(capsys, "list")
    assert "card shop" in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "nobody"), "There is no account 'nobody'."),
        (("add", "x", "--account-id", "12", "--region", "us-east-1"), "12 digits"),
        (("add", "x", "--account-id", NUMBER, "--region", "Ireland"), "Ireland"),
    ],
)
def test_what_is_wrong_is_said(
    home: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    said: str,
) -> None:
    assert main(["accounts", *words]) != 0
    assert said in capsys.readouterr().err


def test_an_account_is_removed_after_a_yes(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "add", "card shop", "--account-id", NUMBER, "--region", "us-east-1")
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    code = main(["accounts", "remove", "card shop"])
    said = capsys.readouterr().err
    assert code == 2, "nobody is there to answer"
    assert f"card shop, AWS account {NUMBER}, and its external id are removed" in said
    assert "card shop was not removed" in said
    assert document(capsys, "show", "card shop")["name"] == "card shop"
    code, text = run(capsys, "remove", "card shop", "--yes", "--reason", "sold")
    assert code == 0
    assert f"The role arn:aws:iam::{NUMBER}:role/SpotLab remains in AWS" in text
    assert document(capsys, "list")["accounts"] == []
    assert run(capsys, "remove", "card shop", "--yes")[0] == 1


def test_a_rotation_is_confirmed_with_the_command_that_is_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "add", "card shop", "--account-id", NUMBER, "--region", "us-east-1")
    run(capsys, "rotate", "card shop")
    _, text = run(capsys, "show", "card shop")
    assert "spotlab accounts rotate 'card shop' --confirm" in text
