"""The JSON that receivers get: SpotLab's own, or shaped for Slack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from spotlab.domain.alert_state import Event
from spotlab.domain.alerts import Channel
from spotlab.telemetry.text import visible

MARKS: Final = {
    Event.FIRING: "■ Alert",
    Event.STILL_FIRING: "■ Still",
    Event.RESOLVED: "● Resolved",
    Event.TEST: "○ Test",
}
_SLACK_HEADER: Final = 150


def body(channel: Channel, alert_id: int, message: Mapping[str, Any], link: str = "") -> bytes:
    """What is posted.

    Args:
        channel: whose shape.
        alert_id: so that a receiver knows what it has seen; 0 of a test.
        message: rule, event, key, subject, text, value, since and at.
        link: of the Alerts page; "": unknown.
    """
    seen = _seen(message)
    if channel is Channel.SLACK:
        return json.dumps(slack(seen, link)).encode()
    document = {"source": "spotlab", "version": 1, "id": alert_id, **seen}
    return json.dumps(document | ({"link": link} if link else {})).encode()


def _seen(value: Any) -> Any:
    """Names in it are somebody else's: what a reader would not see is written as an escape."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {name: _seen(each) for name, each in value.items()}
    return value


def slack(message: Mapping[str, Any], link: str = "") -> dict[str, Any]:
    """A message in Slack's blocks, with its plain text for notifications."""
    event, rule = Event(message["event"]), message["rule"]
    title = f"{MARKS[event]}: {message['subject']}"
    small = f"rule “{rule['name']}” · since {message['since']}"
    small = _escaped(small) + (f" · <{link}|SpotLab>" if link else "")
    return {
        "text": _escaped(f"{title}. {message['text']}"),
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": title[:_SLACK_HEADER]}},
            {"type": "section", "text": {"type": "mrkdwn", "text": _escaped(message["text"])}},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": small}]},
        ],
    }


def _escaped(text: str) -> str:
    """Slack reads these three signs as its own: `<!channel>` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
