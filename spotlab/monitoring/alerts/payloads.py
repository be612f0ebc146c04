"""JSON payloads of notifications: SpotLab's own format, and Slack's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from spotlab.domain.alert_state import Event
from spotlab.domain.alerts import Channel
from spotlab.telemetry.invisible_characters import visible

MARKS: Final = {
    Event.FIRING: "■ Alert",
    Event.STILL_FIRING: "■ Still firing",
    Event.RESOLVED: "● Resolved",
    Event.TEST: "○ Test",
}
_SLACK_HEADER: Final = 150


def body(channel: Channel, alert_id: int, message: Mapping[str, Any], link: str = "") -> bytes:
    """The body of a notification.

    Args:
        channel: selects the format.
        alert_id: lets the receiver recognise duplicates; 0 for a test.
        message: rule, event, key, subject, text, value, since and at.
        link: URL of the Alerts page; "": unknown.
    """
    escaped = _escape_hidden(message)
    if channel is Channel.SLACK:
        return json.dumps(slack(escaped, link)).encode()
    document = {"source": "spotlab", "version": 1, "id": alert_id, **escaped}
    return json.dumps(document | ({"link": link} if link else {})).encode()


def _escape_hidden(value: Any) -> Any:
    """Invisible characters as escapes: the message contains names chosen by users."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {name: _escape_hidden(each) for name, each in value.items()}
    return value


def slack(message: Mapping[str, Any], link: str = "") -> dict[str, Any]:
    """A message as Slack blocks, with a plain text for Slack's own notifications."""
    event, rule = Event(message["event"]), message["rule"]
    title = f"{MARKS[event]}: {message['subject']}"
    context = _escape_slack(f"rule “{rule['name']}” · since {message['since']}")
    context += f" · <{link}|SpotLab>" if link else ""
    return {
        "text": _escape_slack(f"{title}. {message['text']}"),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title[:_SLACK_HEADER]}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _escape_slack(message["text"])}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": context}]},
        ],
    }


def _escape_slack(text: str) -> str:
    """Escapes Slack's three control characters: `<!channel>` would notify the whole channel."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
