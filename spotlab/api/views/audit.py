"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from spotlab.api.views.base import View, field


class EntryView(View):
    """One change, with user, time, and values before and after."""

    number: int = field("Position in the chain, without gaps.", 17)
    at: datetime = field("Time of the change.", "2026-11-03T09:30:00Z")
    actor: str = field("User who made the change.", "ana")
    via: str = field("How the user was signed in.", "token ci")
    action: str = field("Action.", "instance.shadow")
    target: str = field("Target of the action.", "i-0000000000000001a")
    before: Any = field("Value before; null if there was none.", True)
    after: Any = field("Value after; null if it was removed.", False)
    reason: str = field("Reason given by the user.", "")
    previous: str = field("Digest of the previous entry; empty for the first.", "")
    digest: str = field("SHA-256 over all the fields above.", "9f2c")


class AuditCheckView(View):
    """Result of checking the hash chain."""

    entries: int = field("Number of intact entries.", 17, "count")
    broken_at: int | None = field(
        "Number of the first entry that was changed; null if the chain is intact.", None
    )
    reason: str = field("Why that entry is not intact; empty if the chain is.", "")
    head: str = field("Head: digest of the last intact entry.", "9f2c")
