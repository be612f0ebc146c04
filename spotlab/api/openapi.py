"""The OpenAPI document: FastAPI's, completed with what all operations share."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from spotlab.api.idempotency import KEY_PATTERN
from spotlab.api.operation import CACHE_POLICY, JSON, UNREPEATABLE
from spotlab.api.problems import MEDIA_TYPE, SLUGS, Problem

Document = dict[str, Any]

DESCRIPTION: Final = """
Programs can do everything that the screens do. Errors have the type `application/problem+json`.
Lists are paged: follow `next`, or the header `Link`. Reads return an `ETag` and support
`If-None-Match` (304). A write with an `Idempotency-Key` is executed once, however often it is sent.
Times are in UTC, prices in USD per hour, risks within their `horizon_h`; unknown is null.
""".strip()

SECURITY: Final[list[Document]] = [{"token": []}, {"session": []}]
SCHEMES: Final = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "API token, created with `spotlab tokens create` or on the page My account.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "spotlab_session",
        "description": "Session cookie of a browser; writes only from pages of this server.",
    },
}
REQUEST_ID: Final = {
    "description": "Id of the request in the logs: the one sent by the client, or a new one.",
    "schema": {"type": "string"},
}
RESPONSE_HEADERS: Final[Document] = {
    "X-Request-ID": REQUEST_ID,
    "RateLimit": {
        "description": "Remaining requests in this minute.",
        "schema": {"type": "string", "example": '"reads";r=17999;t=42'},
    },
    "RateLimit-Policy": {
        "description": "Allowed requests per minute.",
        "schema": {"type": "string", "example": '"reads";q=18000;w=60'},
    },
}
ETAG: Final = {
    "description": "Identifies this state of the resource.",
    "schema": {"type": "string"},
}
PARAMETERS: Final[dict[str, Document]] = {
    "idempotency": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A write with the same key and content is executed once.",
        "schema": {"type": "string", "pattern": KEY_PATTERN},
        "example": "0b6f2f0e-6f0c-4d8e-9a51-2f1b7b6f3c11",
    },
    "if-none-match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETags that you have; the response is 304 if one is current.",
        "schema": {"type": "string"},
    },
}
COMMON_STATUSES: Final = (422, 500, 503)
ACCESS_STATUSES: Final = (401, 403, 429)
WRITE_STATUSES: Final = (409, 413, 415)


def document(app: FastAPI) -> Document:
    """The document of an application, built once."""
    if app.openapi_schema is None:
        generated = get_openapi(
            title="SpotLab",
            version="1.0.0",
            summary="The Lab API: stay, switch or fall back to on-demand.",
            description=DESCRIPTION,
            routes=app.routes,
        )
        _finish(generated)
        app.openapi_schema = generated
    return app.openapi_schema


def _finish(generated: Document) -> None:
    schemas = generated["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs"))
    schemas["Problem"] = problem
    generated["components"]["securitySchemes"] = deepcopy(SCHEMES)
    for path, operations in generated["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation, schemas)


def _complete(path: str, method: str, operation: Document, schemas: Document) -> None:
    """Add to an operation what all have: security, headers, problems and examples."""
    operation.pop(CACHE_POLICY, None)
    operation.pop(UNREPEATABLE, None)
    is_open = operation.get("security") == []
    if not is_open:
        operation["security"] = deepcopy(SECURITY)
    parameters = operation.setdefault("parameters", [])
    is_write = method != "get"
    parameters.append(dict(PARAMETERS["idempotency" if is_write else "if-none-match"]))
    if_match = next((p for p in parameters if p["name"] == "If-Match"), None)
    if if_match is not None:
        if_match["required"] = True
        if_match["schema"] = {"type": "string"}
    codes = [
        *COMMON_STATUSES,
        *(() if is_open else ACCESS_STATUSES),
        *(WRITE_STATUSES if is_write else ()),
    ]
    if "{" in path or any(p["name"] in ("cursor", "model") for p in parameters):
        codes.append(404)
    if if_match is not None:
        codes += [412, 428]
    responses = operation["responses"]
    codes += [int(code) for code in responses if code >= "4"]
    if JSON in operation.get("requestBody", {}).get("content", {}):
        codes.append(400)
    for code, response in responses.items():
        if code.startswith("2"):
            response["headers"] = _headers(is_open, method, code, operation)
            for content in response.get("content", {}).values():
                content["example"] = example(content["schema"], schemas)
    if not is_write:
        responses["304"] = {
            "description": "Unchanged.",
            "headers": {"ETag": ETAG, "X-Request-ID": REQUEST_ID},
        }
    for code in sorted(set(codes)):
        responses[str(code)] = _problem(code)
    body = operation.get("requestBody", {}).get("content", {})
    for content in body.values():
        if content["schema"].get("format") != "binary":
            content["example"] = example(content["schema"], schemas)
    operation["responses"] = dict(sorted(responses.items()))


def _headers(is_open: bool, method: str, code: str, operation: Document) -> Document:
    headers = {"X-Request-ID": REQUEST_ID} if is_open else deepcopy(RESPONSE_HEADERS)
    is_change = any(each["name"] == "If-Match" for each in operation["parameters"])
    if method == "get" or is_change:
        headers["ETag"] = ETAG
    if method != "get":
        headers["Idempotency-Replayed"] = {
            "description": "true if this is the stored response of an earlier request.",
            "schema": {"type": "string"},
        }
    if operation["operationId"].startswith("list_"):
        headers["Link"] = {
            "description": "Links to the first and the next page (RFC 8288).",
            "schema": {"type": "string"},
        }
    if code == "201":
        headers["Location"] = {
            "description": "URL of the created resource, if there is one.",
            "schema": {"type": "string"},
        }
    return headers


def _problem(code: int) -> Document:
    headers: Document = {"X-Request-ID": REQUEST_ID}
    if code in (429, 503):
        headers["Retry-After"] = {
            "description": "Seconds to wait before the next attempt.",
            "schema": {"type": "string"},
        }
    if code == 401:
        headers["WWW-Authenticate"] = {
            "description": "Authentication scheme.",
            "schema": {"type": "string"},
        }
    slug = SLUGS[code]
    problem = {
        "type": f"/api/docs#{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": code,
        "detail": "Description of the problem in a sentence.",
        "remedy": "What to do.",
        "instance": "/api/v1/instances",
        "request_id": "5b0c2f8e4a91",
        "errors": [],
    }
    return {
        "description": slug.replace("-", " ").capitalize() + ".",
        "headers": headers,
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": problem}
        },
    }


def example(schema: Document, schemas: Document) -> Any:
    """An example of a schema, composed of the examples of its fields."""
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
