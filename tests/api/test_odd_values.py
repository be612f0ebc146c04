"""No extreme value causes a server error; generated for every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.runtime.lab import Lab
from spotlab.services import Services
from spotlab.telemetry.invisible_characters import hides_something
from tests.api.conftest import ApiClient, OnBothDatabases
from tests.support.databases import KINDS, migrated_postgres, postgres_url
from tests.support.lab import FLEET, save_toy_model, small_lab
from tests.support.odd_values import BODY_VALUES, CURSORS, ODD, cursor

__all__ = ["migrated_postgres", "postgres_url"]

PATHS: Final = {
    "instance_id": FLEET[0][0],
    "name": "acme",
    "experiment_id": "1",
    "reference": "toy@1.0.0",
    "step": "approve",
    "key": "database",
    "rule_id": "0f1e2d3c4b5a",
    "token_id": "0f1e2d3c4b5a",
    "switch_id": "sw-0f1e2d3c4b5a",
}
NAMES: Final = {"jobs": "retention", "users": "ana"}
"""Values of {name} in a path, by resource; otherwise an account's name."""
AWS: Final = (
    "create_account",
    "change_account",
    "validate_account",
    "get_account_role",
    "confirm_external_id",
    "collect_market",
    "plan_switch",
    "request_switch",
    "get_orphans",
    "delete_orphans",
)
"""The AWS of the lab rejects all requests, so that these operations may respond with 502."""
ENDLESS: Final = "stream_logs"
REQUESTS: Final = OnBothDatabases()


@pytest.fixture(scope="module", params=KINDS)
def odd_ask(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiClient]:
    """A client with administrator rights, for a lab with all kinds of records, on each database."""
    home = tmp_path_factory.mktemp("odd")
    save_toy_model(home / "models")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "postgres":
            patch.setenv("SPOTLAB_DATABASE_URL", request.getfixturevalue("postgres_url"))
        with small_lab(home / "home", home / "models") as lab:
            boss = Principal("boss", Role.ADMIN, via="a test")
            with ApiClient(fill(lab), admin=boss) as asking:
                yield asking


def fill(lab: Lab) -> Lab:
    plenty = {"api_reads_per_minute": 1_000_000, "api_writes_per_minute": 1_000_000}
    lab.settings = lab.settings.model_copy(update=plenty)
    Services(lab, Principal("boss", Role.ADMIN, via="a test")).instances.evaluate()
    return lab


def operations(ask: ApiClient) -> list[tuple[str, str, dict[str, Any]]]:
    document = ask("GET", "/api/openapi.json").json()
    return [
        (method.upper(), path.removeprefix("/api/v1"), operation)
        for path, found in document["paths"].items()
        for method, operation in found.items()
        if operation["operationId"] != ENDLESS
    ]


def address(path: str, **other: str) -> str:
    known = {**PATHS, "name": NAMES.get(path.split("/")[1], "acme"), **other}
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def fault(operation: dict[str, Any], what: str, answer: Any) -> list[str]:
    """Faults of a response: a server error, or a problem without details."""
    where = f"{operation['operationId']} {what[:90]}: {answer.status_code} {answer.text[:300]}"
    if answer.status_code >= 500:
        refused_by_aws = answer.status_code == 502 and operation["operationId"] in AWS
        return [] if refused_by_aws else [where]
    if answer.status_code >= 400:
        body = answer.json()
        if not {"type", "title", "status", "detail", "errors"} <= set(body) or not body["detail"]:
            return [where]
        if "does not answer" in body["detail"] or "does not respond" in body["detail"]:
            return [where]
    return []


def test_no_parameter_is_the_servers_fault(odd_ask: ApiClient) -> None:
    faults: list[str] = []
    for method, path, operation in operations(odd_ask):
        for parameter in operation["parameters"]:
            name, place = parameter["name"], parameter["in"]
            if place == "header":
                continue
            for value in (*ODD, *(CURSORS if name == "cursor" else ())):
                if place == "path":
                    if value in ("", ".", "..") or "/" in value:
                        continue
                    asked = address(path, **{name: value})
                else:
                    asked = f"{address(path)}?{urlencode({name: value})}"
                answer = REQUESTS.send(odd_ask, method, asked)
                if answer is None:
                    continue
                faults += fault(operation, f"{name}={value!r}", answer)
                if name == "cursor" and value in CURSORS:
                    known = answer.status_code in (200, 404)  # 404, as for any other invented name
                    faults += [] if known else [f"{asked}: {answer.status_code}"]
    assert faults == []


def test_no_field_of_a_body_is_the_servers_fault(odd_ask: ApiClient) -> None:
    faults: list[str] = []
    for method, path, operation in operations(odd_ask):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        headers = {"Content-Type": "application/json", "If-Match": "*"}
        for field, sent in bodies(content["example"]):
            answer = REQUESTS.send(
                odd_ask, method, address(path), content=sent.encode(), headers=headers
            )
            faults += [] if answer is None else fault(operation, f"{field} {sent}", answer)
    assert faults == []


def bodies(example: Any) -> Iterator[tuple[str, str]]:
    """The example with one value replaced, at every depth, and the odd value alone."""
    mark = "\0odd\0"
    for field, changed in replaced(example, mark):
        for value in BODY_VALUES:
            yield field, json.dumps(changed).replace(json.dumps(mark), value)


def replaced(value: Any, mark: str, where: str = "body") -> Iterator[tuple[str, Any]]:
    yield where, mark
    if isinstance(value, dict):
        for name, each in value.items():
            for field, changed in replaced(each, mark, f"{where}.{name}"):
                yield field, {**value, name: changed}
    if isinstance(value, list):
        for number, each in enumerate(value):
            for field, changed in replaced(each, mark, f"{where}[{number}]"):
                yield field, [*value[:number], changed, *value[number + 1 :]]


@pytest.mark.parametrize("place", [("9999-12-31T23:59:59-12:00", 1), ("x", 1)])
def test_a_cursor_that_no_page_gave_is_no_page(odd_ask: ApiClient, place: tuple[Any, ...]) -> None:
    answer = odd_ask("GET", f"/experiments?cursor={cursor(*place)}")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "This page does not exist."


def test_a_changed_cursor_is_no_fault_either(odd_ask: ApiClient) -> None:
    given = odd_ask("GET", "/experiments?limit=1").json()["next"]
    found = set()
    for number in range(len(given)):
        for sign in "A9_z":
            changed = given[:number] + sign + given[number + 1 :]
            found.add(odd_ask("GET", f"/experiments?cursor={changed}").status_code)
    assert found <= {200, 404}


def test_what_was_taken_hides_nothing(odd_ask: ApiClient) -> None:
    for entry in odd_ask.lab.store.audit.entries(limit=10_000):
        assert not hides_something(entry.reason)
