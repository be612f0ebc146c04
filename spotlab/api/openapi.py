"""The OpenAPI document: what FastAPI knows, and what all operations share."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from spotlab.api.idempotency import KEY_PATTERN
from spotlab.api.operation import CACHE_POLICY, JSON, UNREPEATABLE, ZIP
from spotlab.api.problems import MEDIA_TYPE, SLUGS, Problem

Document = dict[str, Any]

DESCRIPTION: Final = """
Everything the screens do, for programs. Errors are `application/problem+json` of one shape. Lists
come in pages: follow `next`, or the header `Link`. Reads carry an `ETag` and answer 304 to
`If-None-Match`. Send an `Idempotency-Key` with a write and it is carried out once, however often it
is sent. Times are UTC, prices USD per hour, risks within their `horizon_h`; unknown is null.
""".strip()

SECURITY: Final[list[Document]] = [{"token": []}, {"session": []}]
SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token: `spotlab tokens add`, or My account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "spotlab_session",
        "description": "The browser's session; writes from pages of this server only.",
    },
}
REQUEST_ID: Final = {
    "description": "The request's reference in the logs: what was sent, or a new one.",
    "schema": {"type": "string"},
}
RESPONSE_HEADERS: Final[Document] = {
    "X-Request-ID": REQUEST_ID,
    "RateLimit": {
        "description": "What is left of this minute.",
        "schema": {"type": "string", "example": '"reads";r=17999;t=42'},
    },
    "RateLimit-Policy": {
        "description": "How many requests a minute has.",
        "schema": {"type": "string", "example": '"reads";q=18000;w=60'},
    },
}
ETAG: Final = {"description": "Names this state of it.", "schema": {"type": "string"}}
PARAMETERS: Final[dict[str, Document]] = {
    "idempotency": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A write with the same key and content is carried out once.",
        "schema": {"type": "string", "pattern": KEY_PATTERN},
        "example": "0b6f2f0e-6f0c-4d8e-9a51-2f1b7b6f3c11",
    },
    "if-none-match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETags of what you have: 304 if it is that still.",
        "schema": {"type": "string"},
    },
}
COMMON_STATUSES: Final = (422, 500, 503)
ACCESS_STATUSES: Final = (401, 403, 429)
WRITE_STATUSES: Final = (409, 413, 415)


def document(app: FastAPI) -> Document:
    """The document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="SpotLab",
            version="1.0.0",
            summary="Stay, switch or fall back to on-demand: the Lab API.",
            description=DESCRIPTION,
            routes=app.routes,
        )
        _finish(made)
        app.openapi_schema = made
    return app.openapi_schema


def _finish(made: Document) -> None:
    schemas = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    made["components"]["securitySchemes"] = deepcopy(SCHEMES)
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation, schemas)


def _complete(path: str, method: str, operation: Document, schemas: Document) -> None:
    """What every operation has: security, headers, problems, examples."""
    operation.pop(CACHE_POLICY, None)
    operation.pop(UNREPEATABLE, None)
    is_open = operation.get("security") == []
    if not is_open:
        operation["security"] = deepcopy(SECURITY)
    parameters = operation.setdefault("parameters", [])
    writes = method != "get"
    parameters.append(dict(PARAMETERS["idempotency" if writes else "if-none-match"]))
    matched = next((p for p in parameters if p["name"] == "If-Match"), None)
    if matched is not None:
        matched["required"] = True
        matched["schema"] = {"type": "string"}
    codes = [
        *COMMON_STATUSES,
        *(() if is_open else ACCESS_STATUSES),
        *(WRITE_STATUSES if writes else ()),
    ]
    if "{" in path or any(p["name"] in ("cursor", "model") for p in parameters):
        codes.append(404)
    if matched is not None:
        codes += [412, 428]
    answers = operation["responses"]
    codes += [int(code) for code in answers if code >= "4"]
    if JSON in operation.get("requestBody", {}).get("content", {}):
        codes.append(400)
    for code, answer in answers.items():
        if code.startswith("2"):
            answer["headers"] = _headers(is_open, method, code, operation)
            for content in answer.get("content", {}).values():
                content["example"] = example(content["schema"], schemas)
    if not writes:
        answers["304"] = {
            "description": "It is as you have it.",
            "headers": {"ETag": ETAG, "X-Request-ID": REQUEST_ID},
        }
    for code in sorted(set(codes)):
        answers[str(code)] = _problem(code)
    body = operation.get("requestBody", {}).get("content", {})
    for media, content in body.items():
        if media != ZIP:
            content["example"] = example(content["schema"], schemas)
    operation["responses"] = dict(sorted(answers.items()))


def _headers(is_open: bool, method: str, code: str, operation: Document) -> Document:
    headers = {"X-Request-ID": REQUEST_ID} if is_open else deepcopy(RESPONSE_HEADERS)
    changes = any(each["name"] == "If-Match" for each in operation["parameters"])
    if method == "get" or changes:
        headers["ETag"] = ETAG
    if method != "get":
        headers["Idempotency-Replayed"] = {
            "description": "true: carried out before; this is what was answered then.",
            "schema": {"type": "string"},
        }
    if operation["operationId"].startswith("list_"):
        headers["Link"] = {
            "description": "The first and the next page (RFC 8288).",
            "schema": {"type": "string"},
        }
    if code == "201":
        headers["Location"] = {
            "description": "Where it is, if it is one thing.",
            "schema": {"type": "string"},
        }
    return headers


def _problem(code: int) -> Document:
    headers: Document = {"X-Request-ID": REQUEST_ID}
    if code in (429, 503):
        headers["Retry-After"] = {
            "description": "Seconds to wait.",
            "schema": {"type": "string"},
        }
    if code == 401:
        headers["WWW-Authenticate"] = {
            "description": "How to sign in.",
            "schema": {"type": "string"},
        }
    slug = SLUGS[code]
    shown = {
        "type": f"/api/docs#{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": code,
        "detail": "What was wrong, in a sentence.",
        "remedy": "What would be right.",
        "instance": "/api/v1/instances",
        "request_id": "5b0c2f8e4a91",
        "errors": [],
    }
    return {
        "description": slug.replace("-", " ").capitalize() + ".",
        "headers": headers,
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": shown}
        },
    }


def example(schema: Document, schemas: Document) -> Any:
    """An example of a schema, put together from those of its fields."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rsplit("/", 1)[1]], schemas)
    for name in ("example", "default", "const"):
        if name in schema:
            return schema[name]
    if schema.get("examples"):
        return schema["examples"][0]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example(schema[name][0], schemas)
    if schema.get("type") == "array":
        return [example(schema["items"], schemas)]
    if schema.get("type") == "object":
        return {key: example(each, schemas) for key, each in schema.get("properties", {}).items()}
    return {"string": "text", "integer": 1, "number": 1.0, "boolean": True}.get(
        str(schema.get("type"))
    )
