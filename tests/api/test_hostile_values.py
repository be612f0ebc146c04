"""No value sent to any operation causes a server error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from spotlab.domain.access import Principal, Role
from spotlab.settings import Settings
from tests.api.conftest import ApiClient, OnBothDatabases
from tests.support import lab as labs
from tests.support.databases import KINDS, fresh_postgres

PLENTY = {"api_reads_per_minute": 1_000_000, "api_writes_per_minute": 1_000_000}
BOSS = Principal("boss", Role.ADMIN, via="a test")
TEXT = (
    *("a\x00b", "%", "a" * 5000, "../../etc/passwd", "9" * 5000, "1e999", "NaN", str(2**63)),
    "0001-01-01T00:00:00+14:00",
)
VALUES = (
    *("1e999", "NaN", "9" * 5000, str(2**63), "[]", "{}", "null", '"\\ud800"', '"a\\u0000b"'),
    '"0001-01-01T00:00:00+14:00"',
)
BODIES = (b"[" * 100_000, b'{"a":' * 40_000, b"1" * 5000, b"\xff\xfe{", b'{"\\ud800":1}', b"null")
ENDLESS = "stream_logs"
REQUESTS = OnBothDatabases()


@pytest.fixture(scope="module", params=KINDS)
def asking(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiClient]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    labs.save_toy_model(folder / "models")
    with (
        pytest.MonkeyPatch.context() as patched,
        fresh_postgres() if request.param == "postgres" else nullcontext(None) as url,
    ):
        patched.setattr(labs, "Settings", lambda **given: Settings(database_url=url, **given))
        with labs.small_lab(folder / "home", folder / "models") as lab:
            lab.settings = lab.settings.model_copy(update=PLENTY)
            with ApiClient(lab, admin=BOSS) as asking:
                yield asking


@pytest.fixture(scope="module")
def operations(asking: ApiClient) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation except streams."""
    document = asking("GET", "/api/openapi.json").json()
    return [
        (method.upper(), path, resolved(operation, document))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put", "patch", "delete")
        and operation["operationId"] != ENDLESS
    ]


def resolved(item: Any, document: Any) -> Any:
    """The schema with references resolved."""
    if isinstance(item, list):
        return [resolved(each, document) for each in item]
    if not isinstance(item, dict):
        return item
    if "$ref" in item:
        return resolved(document["components"]["schemas"][item["$ref"].split("/")[-1]], document)
    return {name: resolved(each, document) for name, each in item.items()}


def sample(schema: Any) -> Any:
    """A value that is valid according to a schema."""
    for word in ("examples", "enum", "anyOf", "oneOf", "allOf"):
        if word in schema:
            first = schema[word][0]
            return first if word in ("examples", "enum") else sample(first)
    if "default" in schema or "const" in schema:
        return schema.get("default", schema.get("const"))
    if schema.get("type") == "object":
        return {name: sample(each) for name, each in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema["items"])]
    return {"integer": 1, "number": 1.0, "boolean": True}.get(schema.get("type"), "x")


def answered(asking: ApiClient, method: str, url: str, content: bytes | None = None) -> None:
    headers = {} if method == "GET" else {"If-Match": "*", "Content-Type": "application/json"}
    answer = REQUESTS.send(asking, method, url, headers=headers, content=content)
    if answer is None:
        return
    assert answer.status_code < 500 or answer.status_code == 502, (method, url[:100], answer.text)


def parameters(operation: Any, where: str) -> list[Any]:
    return [each for each in operation.get("parameters", []) if each["in"] == where]


def filled(path: str, operation: Any) -> str:
    for each in parameters(operation, "path"):
        path = path.replace(f"{{{each['name']}}}", quote(str(sample(each["schema"])), safe=""))
    return path


def body_of(operation: Any) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    return sample(content["application/json"]["schema"]) if "application/json" in content else None


def test_every_parameter_of_every_operation(
    asking: ApiClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    for method, path, operation in operations:
        body = body_of(operation)
        content = None if body is None else json.dumps(body).encode()
        for text in TEXT:
            written = quote(text, safe="")
            for each in parameters(operation, "path"):
                url = path.replace(f"{{{each['name']}}}", written)
                answered(asking, method, filled(url, operation), content)
        for each in parameters(operation, "query"):
            for written in (*(quote(text, safe="") for text in TEXT), "%ff%fe", "%ed%a0%80"):
                url = f"{filled(path, operation)}?{each['name']}={written}"
                answered(asking, method, url, content)


def test_every_field_of_every_body(
    asking: ApiClient, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    for method, path, operation in operations:
        body = body_of(operation)
        if not isinstance(body, dict):
            continue
        url = filled(path, operation)
        for content in BODIES:
            answered(asking, method, url, content)
        for field in body:
            marked = json.dumps(body | {field: "@here@"})
            for value in VALUES:
                answered(asking, method, url, marked.replace('"@here@"', value).encode())
