"""The OpenAPI document describes every operation completely, and the docs page shows it."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from openapi_spec_validator import validate

from spotlab.api import docs_page
from spotlab.api.application import build
from spotlab.api.openapi import document

OPEN = {"get_health"}


def nobody(*_: object) -> Any:
    raise AssertionError("a document needs no lab")


@cache
def made() -> dict[str, Any]:
    return document(build(nobody, nobody))


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, there in made()["paths"].items()
        for method, operation in there.items()
    ]


def test_the_document_is_a_valid_one() -> None:
    validate(made())


def test_operation_ids_are_their_own() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]
    assert len(ids) == len(set(ids)) >= 40


@pytest.mark.parametrize(
    ("method", "path", "operation"), operations(), ids=[o["operationId"] for *_, o in operations()]
)
def test_an_operation_is_documented_whole(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    assert path.startswith("/api/v1/")
    is_open = operation["operationId"] in OPEN
    assert bool(operation["security"]) is not is_open
    answers = operation["responses"]
    wanted = {"422", "500", "503"} | (set() if is_open else {"401", "403", "429"})
    if "{" in path:
        wanted.add("404")
    assert wanted <= set(answers)
    for code, answer in answers.items():
        assert "X-Request-ID" in answer["headers"]
        for media, content in answer.get("content", {}).items():
            assert "example" in content, (code, media)
            if int(code) >= 400:
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
    for parameter in operation["parameters"]:
        assert parameter["description"], parameter["name"]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        assert "example" in content or content["schema"].get("format") == "binary"
    named = {parameter["name"] for parameter in operation["parameters"]}
    assert ("Idempotency-Key" if method != "get" else "If-None-Match") in named


def test_every_field_has_a_meaning() -> None:
    without = [
        f"{name}.{field}"
        for name, schema in made()["components"]["schemas"].items()
        for field, about in schema.get("properties", {}).items()
        if not about.get("description") and "$ref" not in about
    ]
    assert without == []


def test_the_docs_page_needs_nothing_from_elsewhere() -> None:
    page = docs_page.page(made())
    for _, path, operation in operations():
        assert path in page
        assert f'id="{operation["operationId"]}"' in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://127.0.0.1:8501", "")
    assert "https://" not in page.replace("https://hooks.example.com/", "")


def test_every_kind_of_problem_is_explained_there() -> None:
    assert set(docs_page.MEANINGS) == set(docs_page.SLUGS)
