"""Concurrent requests: one of several changes succeeds, and rate limits hold."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from limits.storage import RedisStorage, Storage

from spotlab.access.authentication import Gate
from spotlab.api import etags
from spotlab.api.rate_limit import RateLimiter
from spotlab.domain.access import Principal, Right, Role
from spotlab.domain.decision import PipelineMode
from spotlab.domain.ports import AuditFilter
from spotlab.errors import NotSignedIn
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.services.instances import InstanceService
from tests.api.conftest import ApiClient
from tests.support.access import add_user, quick_passwords
from tests.support.lab import FLEET
from tests.support.online import REDIS_URL, why_no_redis
from tests.support.racing import call_concurrently, outcomes, synchronise_first_calls

__all__ = ["quick_passwords"]
pytestmark = pytest.mark.usefixtures("quick_passwords")
WEB = f"/instances/{FLEET[0][0]}"
RULE = {
    "name": "redis",
    "condition": {"kind": "state", "component": "Redis cache"},
    "channel": "webhook",
    "address": "http://127.0.0.1:9/x",
}
ACCOUNT = {
    "name": "staging",
    "aws_account_id": "111122223333",
    "regions": ["us-east-1"],
    "external_id": "hush",
}
Change = tuple[str, str, dict[str, Any]]
PAIRS: dict[str, tuple[Change, Change]] = {
    "shadow": (("PUT", "/shadow", {"shadow": False}),) * 2,
    "shadow and mode": (("PUT", "/shadow", {"shadow": False}), ("PUT", "/mode", {"mode": "off"})),
    "model and shadow": (
        ("PUT", "/model", {"model": "toy@1.0.0"}),
        ("PUT", "/shadow", {"shadow": False}),
    ),
    "requirements": (("PUT", "/requirements", {"requirements": {"vcpu_min": 8}}),) * 2,
    "account": (("PATCH", "", {"active": False}), ("PATCH", "", {"regions": ["eu-west-1"]})),
    "alert rule": (("PATCH", "", {"enabled": False}), ("PATCH", "", {"name": "other"})),
    "account's external id": (
        ("PATCH", "", {"external_id": "first"}),
        ("PATCH", "", {"external_id": "other"}),
    ),
    "alert rule's address": (
        ("PATCH", "", {"address": "http://127.0.0.1:9/y"}),
        ("PATCH", "", {"address": "http://127.0.0.1:9/z"}),
    ),
}


def place(ask: ApiClient, what: str) -> str:
    """The path for the two requests; creates the resource."""
    if what.startswith("account"):
        assert ask("POST", "/accounts", json=ACCOUNT).status_code == 201
        return "/accounts/staging"
    if what.startswith("alert rule"):
        return f"/alerts/rules/{ask('POST', '/alerts/rules', json=RULE).json()['rule_id']}"
    return WEB


@pytest.mark.parametrize("what", PAIRS)
def test_of_two_changes_made_from_one_state_one_succeeds(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = place(ask, what)
    tag = ask("GET", path).headers["etag"]
    synchronise_first_calls(
        monkeypatch, etags, "require_match", 2
    )  # both have read the same state by then
    asked = [
        (method, f"{path}{part}", {"json": body, "headers": {"If-Match": tag}})
        for method, part, body in PAIRS[what]
    ]
    answers = ask.request_concurrently(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    won = next(answer for answer in answers if answer.status_code == 200)
    assert ask("GET", path).headers["etag"] == won.headers["etag"] != tag


@pytest.mark.parametrize("what", ["account", "alert rule"])
def test_changes_of_any_state_lose_nothing_of_each_other(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path = place(ask, what)
    synchronise_first_calls(monkeypatch, etags, "require_match", 2)
    answers = ask.request_concurrently(
        *((m, path, {"json": body, "headers": {"If-Match": "*"}}) for m, _, body in PAIRS[what])
    )
    assert [answer.status_code for answer in answers] == [200, 200]
    found = ask("GET", path).json()
    for _, _, body in PAIRS[what]:
        assert {name: found[name] for name in body} == body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/accounts", ACCOUNT),
        ("/users", {"name": "vera", "role": "viewer"}),
    ],
)
def test_the_same_is_made_once(ask: ApiClient, path: str, body: dict[str, Any]) -> None:
    answers = ask.request_concurrently(*[("POST", path, {"json": body})] * 6)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 5}


def test_a_rule_is_deleted_once(ask: ApiClient) -> None:
    path = place(ask, "alert rule")
    answers = ask.request_concurrently(*[("DELETE", path, {})] * 6)
    assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 5}


def test_a_job_is_asked_for_once(ask: ApiClient) -> None:
    answers = ask.request_concurrently(*[("POST", "/jobs/retention/runs", {"json": {}})] * 6)
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: 5}


def test_the_last_administrator_stays_however_many_are_put_out(ask: ApiClient, lab: Lab) -> None:
    names = [f"root-{number}" for number in range(3)]
    for name in names:
        add_user(lab, name)
    answers = ask.request_concurrently(
        *[("PATCH", f"/users/{n}", {"json": {"active": False}}) for n in names]
    )
    assert Counter(answer.status_code for answer in answers) == {200: 2, 409: 1}
    left = [user for user in lab.store.users.list() if user.active and user.role is Role.ADMIN]
    assert len(left) == 1


def test_writes_with_one_key_are_carried_out_once(ask: ApiClient, lab: Lab) -> None:
    body = {"json": {"reason": "now"}, "headers": {"Idempotency-Key": "k"}}
    answers = ask.request_concurrently(*[("POST", "/jobs/retention/runs", body)] * 8)
    kinds = Counter(answer.status_code for answer in answers)
    assert set(kinds) <= {202, 409}
    assert kinds[202] >= 1
    output = {answer.content for answer in answers if answer.status_code == 202}
    assert len(output) == 1, "each is told the same"
    assert len(lab.store.audit.entries(AuditFilter(action="job.run"))) == 1
    again = ask("POST", "/jobs/retention/runs", **body)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")


def test_a_write_that_is_being_carried_out_is_not_begun_again(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    within: list[int] = []
    set_mode = InstanceService.set_mode
    body = {"json": {"mode": "off"}, "headers": {"Idempotency-Key": "k", "If-Match": "*"}}

    def asked_again(services: InstanceService, *given: Any) -> Any:
        within.append(ask("PUT", f"{WEB}/mode", **body).status_code)
        return set_mode(services, *given)

    monkeypatch.setattr(InstanceService, "set_mode", asked_again)
    done = ask("PUT", f"{WEB}/mode", **body)
    assert (within, done.status_code) == ([409], 200)
    assert done.json()["mode"] == PipelineMode.OFF.value


# Limits


@pytest.fixture(params=["alone", pytest.param("redis", marks=pytest.mark.redis)])
def shared(request: pytest.FixtureRequest) -> Iterator[Storage | None]:
    """The shared counter of replicas: none, or Redis."""
    if request.param == "alone":
        yield None
        return
    if reason := why_no_redis():
        pytest.skip(reason)
    storage = RedisStorage(REDIS_URL, key_prefix=f"spotlab-test-{secrets.token_hex(4)}")
    yield storage
    storage.reset()


def test_a_limit_is_exact_for_requests_at_once(shared: Storage | None) -> None:
    replicas = [
        RateLimiter(lambda: shared, lambda: 30.0) for _ in range(1 if shared is None else 3)
    ]
    user = secrets.token_hex(4)
    asked = [partial(replicas[n % len(replicas)].count, user, "writes", 20) for n in range(48)]
    assert outcomes(call_concurrently(asked)) == {"ok": 20, "TooManyRequests": 28}


def test_a_thread_that_is_late_does_not_begin_a_window_anew() -> None:
    now = [60.0]
    limiter = RateLimiter(lambda: None, lambda: now[0])
    for moment in (60.0, 60.1, 59.9, 60.2):  # the third thread read the clock earlier
        now[0] = moment
        left = limiter.count("ana", "writes", 10).remaining
    assert left == 6


def test_a_clock_that_is_set_back_counts_in_a_window_of_its_own() -> None:
    now = [36_000.0]
    limiter = RateLimiter(lambda: None, lambda: now[0])
    limiter.count("ana", "writes", 1)
    now[0] = 30_000.0
    assert limiter.count("ana", "writes", 1).remaining == 0


# Tokens


def test_a_token_that_is_revoked_while_it_is_used_counts_no_more(ask: ApiClient, lab: Lab) -> None:
    add_user(lab)
    boss = Services(lab, Principal("root", Role.ADMIN, via="a test"))
    made, token = boss.api_tokens.create("ana", "ci", [Right.READ], timedelta(days=1))
    uses = [partial(Gate(lab).bearer, token)] * 12
    call_concurrently([*uses, partial(boss.api_tokens.revoke, made.token_id), *uses])
    with pytest.raises(NotSignedIn):
        Gate(lab).bearer(token)
