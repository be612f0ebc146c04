"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from spotlab.api.views.base import View, field


class EntryView(View):
    """One change: who, what, before and after."""

    number: int = field("Its place in the chain, without a gap.", 17)
    at: datetime = field("When.", "2026-11-03T09:30:00Z")
    actor: str = field("Who.", "ana")
    via: str = field("How they came.", "token ci")
    action: str = field("What was done.", "instance.shadow")
    target: str = field("To what.", "i-0000000000000001a")
    before: Any = field("As it was; null: there was none.", True)
    after: Any = field("As it is; null: it is gone.", False)
    reason: str = field("Why, in their words.", "")
    previous: str = field("Digest of the entry before; empty of the first.", "")
    digest: str = field("SHA-256 over all of the above.", "9f2c")


class AuditCheckView(View):
    """Whether the chain holds."""

    entries: int = field("How many hold.", 17, "count")
    broken_at: int | None = field("The first that is not as it was written; null: none.", None)
    reason: str = field("What is wrong with it; empty: nothing.", "")
    head: str = field("Digest of the last one that holds.", "9f2c")
