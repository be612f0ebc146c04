"""The documentation page, rendered from the OpenAPI document without external resources."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any, Final

from spotlab.api.problems import SLUGS

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Cache-Control": "no-cache",
}
STYLE: Final = """
:root{color-scheme:light dark;--edge:light-dark(#d5d9e0,#3b414c);--soft:light-dark(#f4f6f9,#20242c);
--accent:light-dark(#00558a,#56b4e9)}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;color:light-dark(#1b1f27,#e7eaf0);
background:light-dark(#fff,#14171d)}
main{max-width:62rem;margin:0 auto;padding:1.5rem}
a{color:var(--accent)} h1{margin:.2rem 0} h2{margin:2.2rem 0 .6rem}
code,pre,summary b{font-family:ui-monospace,monospace;font-size:.88em}
pre{background:var(--soft);padding:.8rem;overflow:auto;border-radius:6px;margin:.4rem 0}
details{border:1px solid var(--edge);border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}
details[open]{padding-bottom:.9rem} summary{cursor:pointer}
summary span{opacity:.8;margin-left:.6rem}
.m{display:inline-block;min-width:3.6rem;color:var(--accent);font-weight:700}
table{border-collapse:collapse;width:100%;margin:.4rem 0;font-size:.93em}
td,th{border-bottom:1px solid var(--edge);padding:.3rem .5rem;text-align:left;vertical-align:top}
nav a{margin-right:1rem}
"""
STATUS_OF: Final = {slug: code for code, slug in SLUGS.items()}
MEANINGS: Final = {
    400: "The request is incomplete or malformed.",
    401: "There is no token, or it is not valid.",
    403: "The role, the token's scopes or the account do not allow it.",
    404: "It does not exist, or you may not see its account.",
    405: "The path does not support the method; `Allow` lists the supported ones.",
    409: "It exists already, or the same write is in progress.",
    412: "It was changed since you read it: `If-Match` does not match its ETag.",
    413: "The body is too large.",
    415: "The body has another content type than the operation accepts.",
    422: "The request is not valid; `errors` lists the problems.",
    428: "The change requires the header `If-Match`.",
    429: "Too many requests; `Retry-After` says when to try again.",
    500: "Unexpected error; find it in the log by its `request_id`.",
    502: "AWS rejected the request; `detail` has its message.",
    503: "A component is not available; `Retry-After` says when to try again.",
}


def page(document: dict[str, Any]) -> str:
    """The page as HTML."""
    return "".join(_page(document))


def _page(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    groups = _groups(document)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{escape(info['title'])} API</title><style>{STYLE}</style></head><body><main>"
    yield f"<h1>{escape(info['title'])} API</h1><p>{_text(info['description'])}</p>"
    yield '<p>OpenAPI document: <a href="/api/openapi.json">/api/openapi.json</a> (version '
    yield f"{escape(document['openapi'])}).</p>"
    yield "<pre>curl -H 'Authorization: Bearer TOKEN' http://127.0.0.1:8501/api/v1/me</pre><nav>"
    for name in groups:
        yield f'<a href="#{escape(name)}">{escape(name)}</a>'
    yield '<a href="#problems">problems</a></nav>'
    for name, operations in groups.items():
        yield f'<h2 id="{escape(name)}">{escape(name.capitalize())}</h2>'
        for method, path, operation in operations:
            yield from _operation(method, path, operation)
    yield '<h2 id="problems">Problems</h2><table><tr><th>status</th><th>kind</th><th>meaning</th>'
    yield "</tr>"
    for slug, code in STATUS_OF.items():
        yield f'<tr id="{slug}"><td>{code}</td><td><code>{slug}</code></td>'
        yield f"<td>{_text(MEANINGS[code])}</td></tr>"
    yield "</table></main></body></html>"


def _groups(document: dict[str, Any]) -> dict[str, list[tuple[str, str, dict[str, Any]]]]:
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    return groups


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><span class="m">{method}'
    yield f"</span><b>{escape(path)}</b><span>{escape(operation['summary'])}</span></summary>"
    yield f"<p>{_text(operation.get('description', ''))}</p>"
    if operation.get("security") == []:
        yield "<p>Needs no token.</p>"
    yield "<table><tr><th>parameter</th><th>in</th><th>meaning</th></tr>"
    for parameter in operation.get("parameters", []):
        required = " (required)" if parameter.get("required") else ""
        yield f"<tr><td><code>{escape(parameter['name'])}</code></td>"
        yield f"<td>{escape(parameter['in'])}{required}</td>"
        yield f"<td>{_text(parameter.get('description', ''))}</td></tr>"
    yield "</table>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{escape(media)}</code></p>{_example(content)}"
    for code, response in operation["responses"].items():
        if code.startswith("2"):
            for content in response.get("content", {}).values():
                yield f"<p>{escape(code)}</p>{_example(content)}"
    problems = ", ".join(
        f'<a href="#{SLUGS[int(code)]}">{code}</a>'
        for code in operation["responses"]
        if int(code) >= 400
    )
    yield f"<p>Problems: {problems}</p></details>"


def _example(content: dict[str, Any]) -> str:
    if "example" not in content:
        return ""
    return f"<pre>{escape(json.dumps(content['example'], indent=2, ensure_ascii=False))}</pre>"


def _text(text: str) -> str:
    """Plain text, with `code` marked up."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
