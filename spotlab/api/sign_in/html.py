"""HTML of the sign-in pages, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final

from starlette.responses import HTMLResponse, Response

from spotlab.access.passwords import SHORTEST
from spotlab.api.sign_in.cookies import is_https
from spotlab.api.sign_in.csrf_forms import FIELD
from spotlab.runtime.lab import Lab

STYLE: Final = files(__package__).joinpath("sign_in.css").read_text()
ICON: Final = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="16" cy="16" r="13" fill="none" '
    'stroke="#0072B2" stroke-width="4"/><circle cx="16" cy="16" r="5" fill="#E69F00"/></svg>'
)
ICON_SVG: Final = ICON.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
HTTPS_HEADERS: Final = {"Strict-Transport-Security": "max-age=31536000"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Args:
        name: name of the field.
        label: its label.
        value: its initial value.
        secret: whether it is a password.
        autocomplete: HTML attribute, for password managers.
        hint: a sentence below the field.
    """

    name: str
    label: str
    value: str = ""
    secret: bool = False
    autocomplete: str = "off"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form.

    Args:
        action: URL that receives it.
        csrf_token: proves that a page of this server sent it.
        fields: its fields; the first empty one has the focus.
        hidden: names and values of hidden fields.
        buttons: values of the field "do", and labels; the first is the primary button.
    """

    action: str
    csrf_token: str
    fields: Sequence[Field] = ()
    hidden: Sequence[tuple[str, str]] = ()
    buttons: Sequence[tuple[str, str]] = (("", "Sign in"),)


NEW_PASSWORD: Final = (
    Field(
        "password",
        "New password",
        secret=True,
        autocomplete="new-password",
        hint=f"{SHORTEST} characters or more. A few unrelated words are easy to remember.",
    ),
    Field("again", "Repeat the password", secret=True, autocomplete="new-password"),
)


def page(
    lab: Lab | None,
    title: str,
    *,
    lead: str = "",
    failed: str = "",
    done: str = "",
    form: Form | None = None,
    links: Sequence[tuple[str, str]] = (),
    foot: str = "",
    status: int = 200,
) -> Response:
    """A sign-in page.

    Args:
        lab: shows whether browsers use https; None if the lab cannot be opened.
        title: heading.
        lead: sentence below the heading.
        failed, done: error or success message.
        form: form on the page.
        links: URLs and labels of links.
        foot: small print.
        status: HTTP status.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    if failed:
        parts.append(f'<div class="notice bad" role="alert"><p>{escape(failed)}</p></div>')
    if done:
        parts.append(f'<div class="notice good" role="status"><p>{escape(done)}</p></div>')
    if lead:
        parts.append(f"<p>{escape(lead)}</p>")
    if form is not None:
        parts.append(_form(form))
    parts += [f'<a class="button" href="{escape(url)}">{escape(label)}</a>' for url, label in links]
    if foot:
        parts.append(f'<footer><p class="quiet">{escape(foot)}</p></footer>')
    html = _FRAME.format(title=escape(title), icon=ICON, body="\n".join(parts))
    headers = HEADERS | (HTTPS_HEADERS if lab is not None and is_https(lab) else {})
    return HTMLResponse(html, status, headers)


_FRAME: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title} · SpotLab</title>
<link rel="stylesheet" href="/sign-in.css">
<link rel="icon" href="/sign-in.svg" type="image/svg+xml">
</head>
<body>
<main>
<header>{icon}<span>SpotLab</span></header>
{body}
</main>
</body>
</html>
"""


def _form(form: Form) -> str:
    empty = next((field.name for field in form.fields if not field.value), "")
    hidden = [(FIELD, form.csrf_token), *form.hidden]
    lines = [f'<form method="post" action="{escape(form.action)}">']
    lines += [
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in hidden
    ]
    lines += [_field(field, autofocus=field.name == empty) for field in form.fields]
    for index, (value, label) in enumerate(form.buttons):
        style = ' class="second"' if index else ""
        name = f' name="do" value="{escape(value)}"' if value else ""
        lines.append(f'<button type="submit"{name}{style}>{escape(label)}</button>')
    return "\n".join([*lines, "</form>"])


_PLAIN_TEXT: Final = 'type="text" autocapitalize="none" spellcheck="false"'


def _field(field: Field, *, autofocus: bool) -> str:
    attributes = [
        f'id="{field.name}" name="{field.name}" autocomplete="{field.autocomplete}" required',
        'type="password"' if field.secret else _PLAIN_TEXT,
        f'value="{escape(field.value)}"' if field.value and not field.secret else "",
        f'aria-describedby="{field.name}-hint"' if field.hint else "",
        "autofocus" if autofocus else "",
    ]
    hint = f'<span class="hint" id="{field.name}-hint">{escape(field.hint)}</span>'
    return (
        f'<label for="{field.name}">{escape(field.label)}</label>'
        f"<input {' '.join(filter(None, attributes))}>{hint if field.hint else ''}"
    )
