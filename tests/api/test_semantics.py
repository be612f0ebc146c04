"""Behaviour shared by all operations: problems, idempotency keys, ETags, pages, rate limits."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from spotlab import errors
from spotlab.api import problems
from spotlab.api.rate_limit import RateLimiter
from spotlab.domain.access import Role
from spotlab.domain.decision import PipelineMode
from spotlab.errors import DatabaseDown, SpotlabError, TooManyRequests
from spotlab.runtime.lab import Lab
from spotlab.services.accounts import AccountService
from spotlab.services.instances import InstanceService
from tests.api.conftest import ApiClient
from tests.support.builders import BY
from tests.support.databases import Database
from tests.support.databases import database as database
from tests.support.lab import FLEET
from tests.support.market import StillClock

WEB = FLEET[0][0]
SHADOW = f"/instances/{WEB}/shadow"
XML = {"Content-Type": "text/xml"}
KEYS = {"type", "title", "status", "detail", "remedy", "instance", "request_id", "errors"}


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/api/nothing", {}, 404),
        ("DELETE", "/instances", {}, 405),
        ("GET", "/instances?limit=0", {}, 422),
        ("GET", "/experiments/abc", {}, 422),
        ("GET", f"/experiments/{2**40}", {}, 422),
        (
            "POST",
            "/evaluations",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            422,
        ),
        ("POST", "/evaluations", {"content": b"x" * 300_000}, 413),
        ("POST", "/evaluations", {"content": b"{}", "headers": XML}, 415),
        ("POST", "/evaluations", {"json": {"what": 1}}, 422),
        ("PUT", SHADOW, {"json": {"shadow": True}}, 428),
        ("PUT", SHADOW, {"json": {"shadow": True}, "headers": {"If-Match": '"old"'}}, 412),
        ("GET", "/instances/i-1", {}, 404),
    ],
)
def test_every_problem_has_one_shape(
    ask: ApiClient, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    answer = ask(method, path, **options)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.json()) == KEYS
    assert answer.json()["status"] == status
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_whoever_brings_no_token_is_told_how(ask: ApiClient) -> None:
    answer = ask("GET", "/instances?limit=0", None)
    assert answer.status_code == 401  # before the request is validated
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_all_methods_of_a_path_are_named(ask: ApiClient) -> None:
    assert ask("DELETE", "/accounts").headers["allow"] == "GET, POST"
    assert ask("POST", "/instances").headers["allow"] == "GET"


def test_an_unknown_parameter_is_named(ask: ApiClient) -> None:
    answer = ask("GET", "/instances?acount=acme")
    assert answer.status_code == 422
    assert "'acount'" in answer.json()["detail"]
    assert "account" in answer.json()["remedy"]


def test_each_wrong_thing_is_named(ask: ApiClient) -> None:
    wrong = ask("GET", "/experiments?limit=0&decision=MAYBE").json()["errors"]
    assert [each["where"] for each in wrong] == ["query.limit", "query.decision"]


def every_error() -> list[type[SpotlabError]]:
    return [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, SpotlabError) and each is not SpotlabError
    ]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_of_spotlab_has_a_status(kind: type[SpotlabError]) -> None:
    expected_to_be_unforeseen = {errors.SweepFailed}
    assert (problems.status_of(kind("x")) == 500) == (kind in expected_to_be_unforeseen)


def test_what_nobody_foresaw_is_told_by_its_reference_only(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_services: AccountService) -> None:
        raise ZeroDivisionError("the secret inside")

    monkeypatch.setattr(AccountService, "list", broken)
    monkeypatch.setattr(logging.getLogger("spotlab"), "propagate", True)
    with caplog.at_level(logging.ERROR, "spotlab"):
        answer = ask("GET", "/accounts")
    assert (answer.status_code, set(answer.json())) == (500, KEYS)
    assert "secret inside" not in answer.text
    assert "secret inside" in caplog.text


def test_a_database_that_is_down_is_said_without_its_address(
    ask: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_services: AccountService) -> None:
        raise DatabaseDown("The database /very/private.db is full.", what="has no room left")

    monkeypatch.setattr(AccountService, "list", down)
    answer = ask("GET", "/accounts")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "The database has no room left."
    assert "private" not in answer.text


def key(name: str, **more: str) -> dict[str, str]:
    return {"Idempotency-Key": name, "If-Match": "*"} | more


def test_a_write_with_a_key_is_carried_out_once(ask: ApiClient, lab: Lab) -> None:
    asked = ("POST", f"/instances/{WEB}/evaluations")
    first = ask(*asked, headers=key("a"))
    again = ask(*asked, headers=key("a"))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert lab.store.ledger.count() == 1
    assert ask(*asked, headers=key("b")).json()["experiment_id"] == 2


def test_a_key_belongs_to_one_write_of_one_user(ask: ApiClient) -> None:
    assert ask("PUT", SHADOW, json={"shadow": False}, headers=key("a")).status_code == 200
    other = ask("PUT", SHADOW, json={"shadow": True}, headers=key("a"))
    assert (other.status_code, "another request" in other.json()["detail"]) == (409, True)
    theirs = ask("PUT", SHADOW, "operator", json={"shadow": True}, headers=key("a"))
    assert theirs.json()["shadow"] is True
    bad = ask("PUT", SHADOW, json={"shadow": True}, headers=key("no spaces"))
    assert bad.status_code == 422


def test_who_may_do_less_by_now_is_not_given_an_answer_again(ask: ApiClient) -> None:
    asked = ("PUT", SHADOW, "operator")
    assert ask(*asked, json={"shadow": False}, headers=key("a")).status_code == 200
    ask.people["operator"] = replace(ask.people["operator"], role=Role.VIEWER)
    assert ask(*asked, json={"shadow": False}, headers=key("a")).status_code == 409
    assert ask(*asked, json={"shadow": False}, headers=key("b")).status_code == 403


def test_a_refused_write_may_be_sent_again(ask: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"json": {"shadow": False}, "headers": key("a")}
    with monkeypatch.context() as patched:

        def down(*_: object, **__: object) -> None:
            raise DatabaseDown("It does not answer.")

        patched.setattr(InstanceService, "set_shadow", down)
        assert ask("PUT", SHADOW, **asked).status_code == 503
    done = ask("PUT", SHADOW, **asked)
    assert (done.status_code, done.json()["shadow"]) == (200, False)


def test_a_write_that_was_cut_short_is_not_repeated(
    ask: ApiClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"json": {"shadow": False}, "headers": key("a")}
    with monkeypatch.context() as patched:

        def dies(*_: object, **__: object) -> None:
            raise RuntimeError("half way")

        patched.setattr(InstanceService, "set_shadow", dies)
        assert ask("PUT", SHADOW, **asked).status_code == 500
    soon = ask("PUT", SHADOW, **asked)
    assert (soon.status_code, "in progress" in soon.json()["detail"]) == (409, True)
    assert isinstance(lab.clock, StillClock)
    lab.clock.forward(minutes=11)
    later = ask("PUT", SHADOW, **asked)
    assert (later.status_code, "is unknown" in later.json()["detail"]) == (409, True)


def test_of_two_at_once_one_is_carried_out(ask: ApiClient, lab: Lab) -> None:
    asked = ("POST", f"/instances/{WEB}/evaluations", {"headers": key("a")})
    answers = ask.request_concurrently(asked, asked, asked)
    assert lab.store.ledger.count() == 1
    assert {a.status_code for a in answers} <= {201, 409}
    assert 201 in {a.status_code for a in answers}


def test_answers_are_kept_on_every_database(database: Database) -> None:
    with database.opened() as store:
        at = BY.at
        assert store.idempotency_keys.claim("ana", "k", "POST /x", "h", at) is None
        waiting = store.idempotency_keys.claim("ana", "k", "POST /x", "h", at)
        assert waiting is not None
        assert (waiting.status, waiting.created_at) == (0, at)
        store.idempotency_keys.settle("ana", "k", 201, {"body": "{}"})
        store.idempotency_keys.release("ana", "k")  # too late: it has a response
        known = store.idempotency_keys.claim("ana", "k", "POST /x", "h", at)
        assert known is not None
        assert (known.status, known.response) == (201, {"body": "{}"})


def test_a_read_that_is_known_is_not_sent_again(ask: ApiClient) -> None:
    for path in ("/instances", f"/instances/{WEB}", "/models/toy", "/me", "/candidates"):
        first = ask("GET", path)
        tag = first.headers["etag"]
        same = ask("GET", path, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
        assert ask("GET", path, headers={"If-None-Match": '"x"'}).status_code == 200


def test_a_change_says_what_it_was_made_from(ask: ApiClient) -> None:
    tag = ask("GET", f"/instances/{WEB}").headers["etag"]
    asked = {"json": {"shadow": False}}
    changed = ask("PUT", SHADOW, headers={"If-Match": tag}, **asked)
    assert changed.status_code == 200
    stale = ask("PUT", SHADOW, headers={"If-Match": tag}, **asked)
    assert (stale.status_code, stale.json()["type"]) == (412, "/api/docs#precondition-failed")
    fresh = ask("GET", f"/instances/{WEB}")
    assert (fresh.headers["etag"], fresh.json()["shadow"]) == (changed.headers["etag"], False)


def test_a_change_between_the_look_and_the_write_is_noticed(
    ask: ApiClient, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = ask("GET", f"/instances/{WEB}").headers["etag"]
    set_shadow = InstanceService.set_shadow

    def beaten(services: InstanceService, *given: Any) -> Any:
        lab.store.fleet.set_mode(WEB, PipelineMode.OFF, BY)
        return set_shadow(services, *given)

    monkeypatch.setattr(InstanceService, "set_shadow", beaten)
    answer = ask("PUT", SHADOW, json={"shadow": False}, headers={"If-Match": tag})
    assert answer.status_code == 412
    assert lab.store.fleet.instance(WEB).shadow is True


def test_own_changes_are_seen_at_once(ask: ApiClient) -> None:
    assert ask("GET", f"/instances/{WEB}").json()["shadow"] is True
    ask("PUT", SHADOW, json={"shadow": False}, headers=key("a"))
    assert ask("GET", f"/instances/{WEB}").json()["shadow"] is False
    assert ask("GET", "/instances?shadow=false").json()["total"] == 1


def test_kept_answers_are_never_those_of_somebody_who_sees_more(ask: ApiClient) -> None:
    assert ask("GET", "/instances").json()["total"] == 5
    assert ask("GET", "/instances", "own").json()["total"] == 4


@pytest.mark.parametrize("path", ["/instances", "/experiments", "/candidates"])
def test_pages_hold_everything_once(ask: ApiClient, path: str) -> None:
    ask("POST", "/evaluations", json={})
    whole = ask("GET", f"{path}?limit=500").json()
    seen: list[Any] = []
    answer = ask("GET", f"{path}?limit=2")
    while True:
        page = answer.json()
        assert page["total"] == whole["total"]
        seen += page["items"]
        assert 'rel="first"' in answer.headers["link"]
        if page["next"] is None:
            assert 'rel="next"' not in answer.headers["link"]
            break
        address = answer.headers["link"].split("<")[-1].split(">")[0]
        answer = ask("GET", address)
    assert seen == whole["items"]


def test_a_page_is_not_moved_by_what_comes_meanwhile(ask: ApiClient) -> None:
    ask("POST", "/evaluations", json={})
    first = ask("GET", "/experiments?limit=3").json()
    ask("POST", "/evaluations", json={})
    second = ask("GET", f"/experiments?limit=3&cursor={first['next']}").json()
    numbers = [e["experiment_id"] for e in first["items"] + second["items"]]
    assert numbers == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("cursor", ["AAAA", "bm9uZQ", "WzFd", "WyJhIl0", "WzAsMCwwXQ"])
def test_a_cursor_of_nowhere_is_not_found(ask: ApiClient, cursor: str) -> None:
    for path in ("/instances", "/experiments"):
        assert ask("GET", f"{path}?cursor={cursor}").status_code == 404
    assert ask("GET", "/instances?cursor=%00").status_code == 422


def test_an_empty_list_is_a_page(ask: ApiClient) -> None:
    page = ask("GET", "/experiments").json()
    assert page == {"items": [], "total": 0, "next": None}


def test_what_is_left_is_told_and_then_refused(ask: ApiClient, lab: Lab) -> None:
    lab.settings = lab.settings.model_copy(update={"api_reads_per_minute": 2})
    first = ask("GET", "/me", "viewer")
    assert first.headers["ratelimit-policy"] == '"reads";q=2;w=60'
    assert first.headers["ratelimit"].startswith('"reads";r=1;t=')
    ask("GET", "/me", "viewer")
    refused = ask("GET", "/me", "viewer")
    assert (refused.status_code, refused.json()["type"]) == (429, "/api/docs#too-many-requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert ask("GET", "/me", "admin").status_code == 200


def test_an_answer_that_is_given_again_is_counted_and_only_for_who_may_read_it(
    ask: ApiClient, lab: Lab
) -> None:
    lab.settings = lab.settings.model_copy(update={"api_reads_per_minute": 3})
    first, again = (ask("GET", "/models", "viewer") for _ in range(2))
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
    assert again.headers["ratelimit"].startswith('"reads";r=1;t=')
    same = ask("GET", "/models", "viewer", headers={"If-None-Match": again.headers["etag"]})
    assert (same.status_code, same.headers["ratelimit"][:12]) == (304, '"reads";r=0;')
    assert ask("GET", "/models", "viewer").status_code == 429
    assert ask("GET", "/models", None).status_code == 401


def test_windows_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [120.0]
    limiter = RateLimiter(lambda: None, lambda: now[0])
    assert limiter.count("ana", "reads", 1).remaining == 0
    with pytest.raises(TooManyRequests) as refused:
        limiter.count("ana", "reads", 1)
    assert refused.value.retry_after_s == 60
    now[0] = 180.0
    assert limiter.count("ana", "reads", 1).reset_s == 60


def test_requests_are_counted_here_while_the_shared_counter_is_down() -> None:
    def down() -> None:
        raise ConnectionError("no Redis")

    limiter = RateLimiter(down, lambda: 0.0)
    assert [limiter.count("ana", "reads", 5).remaining for _ in range(3)] == [4, 3, 2]


def test_the_request_id_is_the_readers_or_a_new_one(ask: ApiClient) -> None:
    first, second = ask("GET", "/me"), ask("GET", "/me")
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
