"""`spotlab users`, `tokens` and `audit`."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from typing import Any

import pytest
from sqlalchemy import text

from spotlab.access.authentication import Gate
from spotlab.access.sign_in import SignIn
from spotlab.cli import main
from spotlab.errors import NotSignedIn
from spotlab.runtime import bootstrap
from spotlab.runtime.lab import Lab
from spotlab.store.engine import writing
from tests.support.access import (
    PASSWORD,
    VISIT,
    add_user,
    lab,
    quick_passwords,
    signed_in,
)

__all__ = ["lab", "quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")


class Terminal:
    """Runs commands in a lab that is already open, which is fast."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def json(self, *words: str) -> tuple[int, Any]:
        code = main([*words, "--json"])
        return code, json.loads(self._capsys.readouterr().out)

    def words(self, *words: str) -> str:
        assert main(list(words)) == 0
        return self._capsys.readouterr().out


@pytest.fixture
def typed(
    lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.delenv("SPOTLAB_TOKEN", raising=False)
    monkeypatch.setattr(bootstrap, "bootstrap", lambda _settings: nullcontext(lab))
    return Terminal(capsys)


def test_somebody_new_chooses_a_password_by_the_link_that_is_printed(typed: Terminal) -> None:
    code, made = typed.json("users", "add", "Ben", "--role", "operator", "--reason", "joined")
    assert (code, made["name"], made["role"], made["accounts"]) == (0, "ben", "operator", None)
    assert made["link"].startswith("/choose-password?code=")
    code, again = typed.json("users", "add", "ben", "--role", "viewer")
    assert code == 1
    assert "A user 'ben' already exists." in again["error"]
    assert "ben (operator); all accounts; last sign-in: never" in typed.words("users", "list")
    (entry,) = typed.json("audit", "list", "--action", "user.add")[1]["entries"]
    assert (entry["target"], entry["via"], entry["reason"]) == ("ben", "command line", "joined")


def test_a_password_comes_from_stdin_and_is_told_nowhere(
    typed: Terminal, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    _, made = typed.json("users", "add", "ana", "--role", "admin", "--password")
    assert made["link"] == ""
    assert signed_in(lab).session.user == "ana"
    assert PASSWORD not in typed.words("audit", "list")


def test_roles_and_accounts_are_set_and_checked(typed: Terminal, lab: Lab) -> None:
    add_user(lab)
    add_user(lab, "ben")
    _, changed = typed.json("users", "set", "ben", "--role", "viewer", "--email", "b@example.org")
    assert (changed["role"], changed["email"]) == ("viewer", "b@example.org")
    assert typed.json("users", "set", "ben", "--all-accounts")[1]["accounts"] is None
    refused = {
        ("ben", "--account", "nowhere"): (1, "There is no account 'nowhere'."),
        ("ben",): (2, "Nothing to change"),
        ("eve", "--role", "admin"): (1, "There is no user 'eve'."),
        ("ana", "--role", "viewer"): (1, "ana is the last active administrator."),
    }
    for words, (expected, why) in refused.items():
        code, output = typed.json("users", "set", *words)
        assert (code, why in output["error"]) == (expected, True), output


def test_a_locked_user_is_unlocked(typed: Terminal, lab: Lab) -> None:
    add_user(lab)
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            SignIn(lab).by_password("ana", "wrong", VISIT)
    assert typed.json("users", "list")[1]["users"][0]["locked_until"] is not None
    assert typed.json("users", "unlock", "ana")[1]["locked_until"] is None
    assert signed_in(lab)


def test_who_is_disabled_or_reset_is_signed_out(typed: Terminal, lab: Lab) -> None:
    add_user(lab)
    add_user(lab, "ben")
    kept = signed_in(lab, "ben")
    code, output = typed.json("users", "reset-password", "ben")
    assert (code, output["link"].partition("=")[0]) == (0, "/choose-password?code")
    for attempt in (lambda: Gate(lab).session(kept.token), lambda: signed_in(lab, "ben")):
        with pytest.raises(NotSignedIn):
            attempt()
    assert not typed.json("users", "disable", "ben", "--reason", "left")[1]["active"]
    assert "ben can no longer sign in." in typed.words("users", "disable", "ben")


def test_a_token_is_shown_once_and_ended(typed: Terminal, lab: Lab) -> None:
    add_user(lab)
    code, made = typed.json("tokens", "create", "ana", "ci", "--scope", "read", "--days", "1")
    shown, secret = made["token"], made["token"].split("_", 2)[2]
    assert (code, made["scopes"], shown[:17]) == (0, ["read"], f"spl_{made['id']}_")
    assert Gate(lab).bearer(shown).via == "token ci"
    assert f"{made['id']}  ana: ci (read), valid until " in typed.words(
        "tokens", "list", "--user", "ana"
    )
    for words in (("tokens", "list"), ("audit", "list")):
        assert secret not in json.dumps(typed.json(*words)[1])

    assert typed.json("tokens", "revoke", made["id"], "--reason", "lost")[1]["revoked_at"]
    assert "revoked" in typed.words("tokens", "list")
    with pytest.raises(NotSignedIn, match="was revoked"):
        Gate(lab).bearer(shown)
    code, output = typed.json("tokens", "create", "ana", "ci", "--scope", "everything")
    assert code == 1
    assert "'everything' is not a scope." in output["error"]


def test_a_command_acts_as_the_user_of_its_token(
    typed: Terminal, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    made = typed.json("tokens", "create", "ana", "ci", "--scope", "audit:read")[1]
    monkeypatch.setenv("SPOTLAB_TOKEN", made["token"])
    assert typed.json("audit", "verify")[0] == 0
    code, output = typed.json("users", "list")
    assert code == 1
    assert "Use a token with the scope users:write." in output["error"]


def test_the_audit_log_is_listed_and_a_change_to_it_is_told(typed: Terminal, lab: Lab) -> None:
    add_user(lab)
    typed.json("users", "set", "ana", "--email", "a@example.org", "--reason", "asked for")
    newest = typed.words("audit", "list", "--target", "ana", "--limit", "1")
    assert newest.count("\n") == 1
    assert "user.change ana: " in newest
    assert newest.endswith("(asked for)\n")
    assert typed.words("audit", "list", "--actor", "eve") == "No entries.\n"

    code, output = typed.json("audit", "verify")
    assert (code, output["entries"], output["holds"]) == (0, 2, True)
    head = output["head"]
    assert typed.json("audit", "verify", "--head", head)[0] == 0
    code, output = typed.json("audit", "verify", "--head", "f" * 64)
    assert (code, output["holds"]) == (1, False)
    assert "No entry has the stored head" in output["reason"]
    with writing(lab.store.engine) as session:
        session.connection().execute(text("UPDATE audit_log SET actor = 'eve' WHERE number = 1"))
    code, output = typed.json("audit", "verify")
    assert (code, output["broken_at"], output["holds"]) == (1, 1, False)
    assert output["reason"] == "Entry 1 was changed since it was written."
