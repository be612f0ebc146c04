"""Sessions, renewal, tokens and passwords, and everything that must be rejected."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from weakref import WeakKeyDictionary

import jwt
import pytest
from pydantic import SecretStr

from spotlab.access import authentication as gate_module
from spotlab.access import sign_in_throttle
from spotlab.access.authentication import CACHED_FOR_S, LOCAL_ADMINISTRATOR, Gate
from spotlab.access.oidc_users import Identity, user_of
from spotlab.access.passwords import passwords, reject_weak
from spotlab.access.secret_key import FILE, secret_key
from spotlab.access.sessions import Visit
from spotlab.access.sign_in import SignIn, lock_s
from spotlab.access.usernames import name_from_provider
from spotlab.domain.access import Principal, Right, Role
from spotlab.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    InvalidSetting,
    NotSignedIn,
    TooManyRequests,
)
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from tests.support.access import (
    PASSWORD,
    VISIT,
    add_user,
    lab,
    quick_passwords,
    signed_in,
)
from tests.support.market import StillClock
from tests.support.people import ANA

__all__ = ["lab", "quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")


class Steady:
    """Monotonic seconds that stand where they are put."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def forward(lab: Lab, **delta: float) -> None:
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(**delta)


def with_settings(lab: Lab, **settings: object) -> Lab:
    lab.settings = lab.settings.model_copy(update=settings)
    return lab


# Sessions


def test_a_session_says_who_somebody_is(lab: Lab) -> None:
    add_user(lab, "ana", Role.OPERATOR, ("acme",))
    kept = signed_in(lab)
    who = Gate(lab).session(kept.token)
    expected = ("ana", Role.OPERATOR, ("acme",), None, "session", kept.session.session_id)
    assert (who.name, who.role, who.accounts, who.scopes, who.via, who.session_id) == expected


def test_a_token_of_a_session_is_valid_for_minutes(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=15)
    with pytest.raises(NotSignedIn, match="expired"):
        Gate(lab).session(kept.token)
    assert Gate(lab).session(kept.token, expired_too=True).name == "ana"
    renewed = SignIn(lab).renew(kept.renewal)
    assert Gate(lab).session(renewed.token).name == "ana"
    assert renewed.session.session_id == kept.session.session_id


def _forged(token: str, **claims: object) -> str:
    head, body, signature = token.split(".")
    told = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(told | claims).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def _unsigned(token: str) -> str:
    return jwt.encode(jwt.decode(token, options={"verify_signature": False}), None, "none")


def _with_another_secret(token: str) -> str:
    told = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode(told, "x" * 32, "HS256", headers=jwt.get_unverified_header(token))


@pytest.mark.parametrize(
    "forge",
    [
        lambda token: _forged(token, sub="root"),
        lambda token: _forged(token, exp=9_999_999_999),
        _unsigned,
        _with_another_secret,
        lambda token: token[:-3],
        lambda token: token.rsplit(".", 1)[0] + ".",
        lambda _token: "",
        lambda _token: "a.b.c",
    ],
    ids=["other user", "longer", "alg none", "other secret", "cut", "bare", "empty", "no token"],
)
def test_a_forged_token_is_refused(lab: Lab, forge: object) -> None:
    add_user(lab)
    token = signed_in(lab).token
    with pytest.raises(NotSignedIn):
        Gate(lab).session(forge(token))  # type: ignore[operator]


def test_a_renewal_token_is_no_session_and_the_other_way_round(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    with pytest.raises(NotSignedIn):
        Gate(lab).session(kept.renewal)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(kept.token)


def test_another_replicas_key_is_named_as_the_cause(lab: Lab) -> None:
    add_user(lab)
    token = signed_in(lab).token
    with_settings(lab, secret_key=SecretStr("k" * 32))
    with pytest.raises(NotSignedIn, match="another secret key") as refused:
        Gate(lab).session(token)
    assert "SPOTLAB_SECRET_KEY" in refused.value.remedy


def test_a_session_ends_when_unused_and_at_its_end(lab: Lab) -> None:
    add_user(lab)
    unused, used = signed_in(lab), signed_in(lab)
    gate = Gate(lab, Steady())
    for _ in range(4):
        forward(lab, hours=2.9)
        assert gate.session(used.token, expired_too=True)
    with pytest.raises(NotSignedIn, match="unused for too long"):
        gate.session(unused.token, expired_too=True)
    forward(lab, hours=0.5)
    with pytest.raises(NotSignedIn, match="session has expired"):
        gate.session(used.token, expired_too=True)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(used.renewal)


def test_what_runs_by_itself_keeps_no_session(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, hours=2)
    assert Gate(lab).session(kept.token, expired_too=True, used=False)
    forward(lab, hours=2)
    with pytest.raises(NotSignedIn, match="unused for too long"):
        Gate(lab).session(kept.token, expired_too=True, used=False)


def test_a_revocation_is_seen_by_another_process_within_seconds(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_user(lab)
    kept, steady = signed_in(lab), Steady()
    elsewhere = Gate(lab, steady)  # hears no news: its memory is its own
    elsewhere._caches = gate_module._Caches()
    assert elsewhere.session(kept.token)
    monkeypatch.setattr(lab.bus, "publish", lambda _topic: None)
    Services(lab, ANA).users.sign_out("ana")
    with pytest.raises(NotSignedIn):
        Gate(lab).session(kept.token)
    steady.now_s += CACHED_FOR_S
    with pytest.raises(NotSignedIn, match="was ended"):
        elsewhere.session(kept.token)


def test_a_changed_role_counts_at_once(lab: Lab) -> None:
    add_user(lab, "root")
    add_user(lab, "ben", Role.OPERATOR)
    kept = signed_in(lab, "ben")
    assert Gate(lab).session(kept.token).may(Right.EVALUATE)
    Services(lab, ANA).users.set("ben", role=Role.VIEWER)
    assert not Gate(lab).session(kept.token).may(Right.EVALUATE)


# Renewal


def test_a_stolen_renewal_token_ends_the_session_for_thief_and_victim(lab: Lab) -> None:
    add_user(lab)
    victim = signed_in(lab)
    forward(lab, minutes=20)
    thief = SignIn(lab).renew(SignIn(lab).renew(victim.renewal).renewal)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(victim.renewal)
    with pytest.raises(NotSignedIn):
        Gate(lab).session(thief.token, expired_too=True)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(thief.renewal)


def test_a_renewal_whose_answer_was_lost_signs_nobody_out(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=20)
    lost = SignIn(lab).renew(kept.renewal)
    forward(lab, minutes=20)
    renewed = SignIn(lab).renew(kept.renewal)
    assert Gate(lab).session(renewed.token).name == "ana"
    assert SignIn(lab).renew(renewed.renewal).renewal
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(lost.renewal)


def test_tabs_that_renew_at_once_stay_signed_in(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    forward(lab, minutes=20)
    first, second = SignIn(lab).renew(kept.renewal), SignIn(lab).renew(kept.renewal)
    assert first.renewal
    assert not second.renewal
    assert Gate(lab).session(second.token).name == "ana"
    forward(lab, minutes=20)
    assert SignIn(lab).renew(first.renewal).renewal


def test_a_renewal_token_that_nobody_gave_ends_nothing(lab: Lab) -> None:
    add_user(lab)
    kept = signed_in(lab)
    with pytest.raises(NotSignedIn):
        SignIn(lab).renew(_with_another_secret(kept.renewal))
    assert Gate(lab).session(kept.token)


# Passwords


def test_whoever_fails_is_told_the_same(lab: Lab) -> None:
    add_user(lab, "ana")
    add_user(lab, "ben")
    Services(lab, ANA).users.set("ben", active=False)
    told = []
    for name, password in (("ana", "wrong"), ("nobody", PASSWORD), ("ben", PASSWORD)):
        with pytest.raises(NotSignedIn) as refused:
            SignIn(lab).by_password(name, password, VISIT)
        told.append(str(refused.value))
    assert len(set(told)) == 1


def test_failures_lock_for_longer_each_time(lab: Lab) -> None:
    assert [lock_s(n) for n in (4, 5, 6, 7, 30)] == [0, 30, 60, 120, 900]
    add_user(lab)
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            SignIn(lab).by_password("ana", "wrong", VISIT)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_password("ana", PASSWORD, VISIT)
    forward(lab, seconds=31)
    assert signed_in(lab).session.user == "ana"
    found = lab.store.users.find("ana")
    assert found is not None
    assert found.failures == 0


def test_an_administrator_unlocks(lab: Lab) -> None:
    add_user(lab)
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            SignIn(lab).by_password("ana", "wrong", VISIT)
    Services(lab, ANA).users.unlock("ana")
    assert signed_in(lab)


def fail(lab: Lab, times: int, name: str = "ana", visit: Visit = VISIT) -> None:
    for _ in range(times):
        with pytest.raises(NotSignedIn):
            SignIn(lab).by_password(name, "wrong", visit)


def test_what_others_type_does_not_keep_out_a_browser_that_is_known(lab: Lab) -> None:
    add_user(lab)
    known = replace(VISIT, device=signed_in(lab).device)
    fail(lab, 50)
    with pytest.raises(TooManyRequests):
        signed_in(lab)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_password("ana", PASSWORD, Visit("192.0.2.8", "unknown"))
    fail(lab, 9, visit=known)
    assert SignIn(lab).by_password("ana", PASSWORD, known).session.user == "ana"


def test_a_known_browser_may_fail_a_few_times_only(lab: Lab) -> None:
    add_user(lab)
    known = replace(VISIT, device=signed_in(lab).device)
    fail(lab, 10, visit=known)
    found = lab.store.users.find("ana")
    assert found is not None
    assert found.failures == 0
    fail(lab, 5, visit=known)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_password("ana", PASSWORD, known)


@pytest.mark.parametrize("whose", ["ben's", "expired", "a session's", "forged"])
def test_a_browser_is_known_by_its_own_cookie_alone(lab: Lab, whose: str) -> None:
    add_user(lab)
    add_user(lab, "ben")
    mine = signed_in(lab)
    cookie = {
        "ben's": signed_in(lab, "ben").device,
        "expired": mine.device,
        "a session's": mine.renewal,
        "forged": _with_another_secret(mine.device),
    }[whose]
    forward(lab, days=180 if whose == "expired" else 0)
    fail(lab, 5)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_password("ana", PASSWORD, replace(VISIT, device=cookie))


def test_unlocking_counts_in_every_process(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    add_user(lab)
    fail(lab, 12)
    with monkeypatch.context() as elsewhere:  # a command line's process: it shares the database
        elsewhere.setattr(sign_in_throttle, "_counters", WeakKeyDictionary())
        elsewhere.setattr(lab.bus, "publish", lambda _topic: None)
        Services(lab, ANA).users.unlock("ana")
    assert signed_in(lab).session.user == "ana"


def test_too_many_failures_are_refused_before_they_are_checked(lab: Lab) -> None:
    fail(lab, 50, "nobody")
    with pytest.raises(TooManyRequests) as refused:
        SignIn(lab).by_password("nobody", "wrong", VISIT)
    assert refused.value.retry_after_s > 0


@pytest.mark.parametrize(
    "password",
    [
        "short",
        "aaaaaaaaaaaaaaaa",
        "password1234",
        "P@ssw0rd2026!",
        "qwertyuiop123",
        "1234567890123",
        "abcdefghijklmnop",
        "Winter2026Winter",
        "jonathan-2026!",
        "x" * 257,
    ],
)
def test_a_password_that_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        reject_weak(password, "jonathan")
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", [PASSWORD, "violet-harbour-92", "Grüße aus dem Maschinenraum"])
def test_a_reasonable_password_may_be_chosen(password: str) -> None:
    reject_weak(password, "jonathan")
    kept = passwords().hash(password)
    assert kept.startswith("$argon2id$")
    assert passwords().check(kept, password)
    assert not passwords().check(kept, f"{password}!")


def test_changing_the_password_ends_the_other_sessions(lab: Lab) -> None:
    add_user(lab)
    here, there = signed_in(lab), signed_in(lab)
    services = Services(lab, Gate(lab).session(here.token))
    with pytest.raises(InvalidInput, match="old password"):
        services.own_account.change_password("wrong", "another moss fjord")
    services.own_account.change_password(PASSWORD, "another moss fjord")
    assert Gate(lab).session(here.token)
    with pytest.raises(NotSignedIn):
        Gate(lab).session(there.token)
    with pytest.raises(NotSignedIn):
        SignIn(lab).by_password("ana", PASSWORD, VISIT)


# API tokens


def _token(lab: Lab, *scopes: Right, days: float = 1) -> str:
    valid_for = timedelta(days=days)
    return Services(lab, ANA).api_tokens.create("ana", "ci", scopes, valid_for)[1]


def test_a_token_has_its_users_rights_within_its_scopes(lab: Lab) -> None:
    add_user(lab, "root")
    add_user(lab, "ana", Role.OPERATOR, ("acme",))
    token = _token(lab, Right.READ, Right.EVALUATE)
    who = Gate(lab).bearer(token)
    assert who.rights == {Right.READ, Right.EVALUATE}
    assert (who.accounts, who.via) == (("acme",), "token ci")
    Services(lab, ANA).users.set("ana", role=Role.VIEWER)
    assert Gate(lab).bearer(token).rights == {Right.READ}


def test_a_token_ends(lab: Lab) -> None:
    add_user(lab)
    expiring, revoked, of_disabled = (_token(lab, Right.READ) for _ in range(3))
    Services(lab, ANA).api_tokens.revoke(revoked.split("_")[1])
    with pytest.raises(NotSignedIn, match="revoked"):
        Gate(lab).bearer(revoked)
    forward(lab, days=1)
    with pytest.raises(NotSignedIn, match="expired"):
        Gate(lab).bearer(expiring)
    forward(lab, days=-1)
    add_user(lab, "root")
    Services(lab, ANA).users.set("ana", active=False)
    with pytest.raises(NotSignedIn, match="may not sign in"):
        Gate(lab).bearer(of_disabled)


@pytest.mark.parametrize("change", ["secret", "id", "shape"])
def test_a_token_that_nobody_made_is_refused(lab: Lab, change: str) -> None:
    add_user(lab)
    head, token_id, secret = _token(lab, Right.READ).split("_", 2)
    wrong = {
        "secret": f"{head}_{token_id}_{'A' * len(secret)}",
        "id": f"{head}_{'0' * 12}_{secret}",
        "shape": secret,
    }
    with pytest.raises(NotSignedIn, match="is unknown"):
        Gate(lab).bearer(wrong[change])


def test_a_token_is_looked_up_again_after_a_change_and_in_time(lab: Lab) -> None:
    add_user(lab, "root")
    add_user(lab)
    token, now = _token(lab, Right.READ), [0.0]
    gate = Gate(lab, lambda: now[0])
    assert not gate.knows(token)
    for _ in range(2):  # the first notes that it is used
        gate.bearer(token)
    assert gate.knows(token)
    now[0] += 5
    assert not gate.knows(token)
    gate.bearer(token)
    Services(lab, ANA).api_tokens.revoke(token.split("_")[1])
    assert not gate.knows(token)
    assert gate.knows("no token")


def test_a_token_makes_no_tokens(lab: Lab) -> None:
    add_user(lab)
    who = Gate(lab).bearer(_token(lab, *Right))
    with pytest.raises(Forbidden, match="may not change tokens"):
        Services(lab, who).own_account.create_token("more", [Right.READ], timedelta(days=1))


def test_nobody_gives_a_token_more_than_they_may(lab: Lab) -> None:
    add_user(lab, "root")
    add_user(lab, "ana", Role.VIEWER)
    mine = Services(lab, Gate(lab).session(signed_in(lab).token)).own_account
    with pytest.raises(Forbidden):
        mine.create_token("ci", [Right.EVALUATE], timedelta(days=1))
    with pytest.raises(InvalidInput, match="cannot have more rights"):
        _token(lab, Right.EVALUATE)
    token, shown = mine.create_token("ci", [Right.READ], timedelta(days=1))
    assert shown.startswith(f"spl_{token.token_id}_")
    assert shown not in repr(lab.store.audit.entries())


# Visitors, keys, providers


def test_visitors_see_the_emulated_accounts_if_they_may(lab: Lab) -> None:
    assert Gate(lab).visitor() is None
    with_settings(lab, demo_visitors=True)
    visitor = Gate(lab).visitor()
    assert visitor is not None
    assert (visitor.role, visitor.accounts) == (Role.DEMO, ())
    assert Gate(with_settings(lab, auth="off")).visitor() == LOCAL_ADMINISTRATOR


def test_the_key_is_made_once_and_kept_from_others(lab: Lab) -> None:
    first, second = secret_key(lab.settings), secret_key(lab.settings)
    path = lab.settings.home / FILE
    assert first.fingerprint == second.fingerprint
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in repr(first)
    path.chmod(0o644)
    with pytest.raises(InvalidSetting, match="Other users may read"):
        secret_key(lab.settings)
    with pytest.raises(InvalidSetting, match="9 characters"):
        secret_key(with_settings(lab, secret_key=SecretStr("too short")).settings)


def _identity(lab: Lab, **claims: object) -> Identity:
    told: dict[str, object] = {
        "iss": "https://id.example",
        "sub": "42",
        "email": "ana@example.org",
        "email_verified": True,
        "iat": lab.clock.now().timestamp(),
    }
    return Identity.of(told | claims)


def _add_by_email(lab: Lab) -> None:
    services = Services(
        with_settings(lab, auth="oidc"), Principal("root", Role.ADMIN, via="a test")
    )
    services.users.add("ana", Role.ADMIN, email="Ana@example.org")


def test_a_provider_vouches_by_verified_email_and_then_by_subject(lab: Lab) -> None:
    _add_by_email(lab)
    with pytest.raises(Forbidden, match="are not a user here"):
        user_of(lab, _identity(lab, email_verified=False))
    assert user_of(lab, _identity(lab)).name == "ana"
    assert user_of(lab, _identity(lab, email="changed@example.org")).name == "ana"
    with pytest.raises(Forbidden):
        user_of(lab, _identity(lab, sub="43"))  # the address is another subject's now


def test_an_address_that_only_reads_like_another_vouches_for_nobody(lab: Lab) -> None:
    """The Kelvin sign is a k once it is lowered."""
    services = Services(
        with_settings(lab, auth="oidc"), Principal("root", Role.ADMIN, via="a test")
    )
    services.users.add("kate", Role.ADMIN, email="kate@example.org")
    services.users.add("mike", Role.ADMIN, email="mi\u212ae@example.org")
    for email in ("\u212aate@example.org", "mike@example.org"):
        with pytest.raises(Forbidden, match="are not a user here"):
            user_of(lab, _identity(lab, email=email))
    assert user_of(lab, _identity(lab, email="KATE@example.org")).name == "kate"


@pytest.mark.parametrize(
    "name",
    [
        "Admin",
        " admin ",
        "ADMIN",
        "\uff41dmin",
        "\u0430dmin",
        "admin\u200b",
        "adm\u0131n",
        "admin\n",
        "admin\x00",
        "a*",
        "%",
        "admin'--",
    ],
)
def test_no_user_is_called_what_reads_like_another(lab: Lab, name: str) -> None:
    services = Services(lab, ANA)
    services.users.add("admin", Role.ADMIN)
    with pytest.raises((Conflict, InvalidInput)):
        services.users.add(name, Role.VIEWER)
    assert [user.name for user in services.users.list()] == ["admin"]


def test_somebody_new_gets_the_role_of_the_settings_or_none(lab: Lab) -> None:
    _add_by_email(lab)
    new = {"sub": "7", "email": "ana@other.example", "preferred_username": "Ana"}
    with pytest.raises(Forbidden, match="are not a user here"):
        user_of(lab, _identity(lab, **new))
    with_settings(lab, oidc_role="viewer")
    user = user_of(lab, _identity(lab, **new))
    assert (user.name, user.role) == ("ana-2", Role.VIEWER)
    assert user_of(lab, _identity(lab, **new)) == user


@pytest.mark.parametrize("name", ["spotlab", " SpotLab", "VISITOR"])
def test_nobody_is_called_what_the_audit_log_calls_the_app(lab: Lab, name: str) -> None:
    with pytest.raises(InvalidInput, match="Use another name than spotlab and visitor"):
        Services(lab, ANA).users.add(name, Role.ADMIN)
    assert name_from_provider(name) == "user"


def test_what_a_provider_signed_long_ago_begins_no_session(lab: Lab) -> None:
    _add_by_email(lab)
    old = _identity(lab)
    forward(lab, minutes=11)
    with pytest.raises(NotSignedIn, match="too long ago"):
        user_of(lab, old)
