"""The audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from spotlab.api.views.base import View
from spotlab.api.views.base import about as told


class EntryView(View):
    """One change: who, what, before and after."""

    number: int = told("Its place in the chain, without a gap.", 17)
    at: datetime = told("When.", "2026-11-03T09:30:00Z")
    actor: str = told("Who.", "ana")
    via: str = told("How they came.", "token ci")
    action: str = told("What was done.", "instance.shadow")
    target: str = told("To what.", "i-0000000000000001a")
    before: Any = told("As it was; null: there was none.", True)
    after: Any = told("As it is; null: it is gone.", False)
    reason: str = told("Why, in their words.", "")
    previous: str = told("Digest of the entry before; empty of the first.", "")
    digest: str = told("SHA-256 over all of the above.", "9f2c")


class AuditCheckView(View):
    """Whether the chain holds."""

    entries: int = told("How many hold.", 17, "count")
    broken_at: int | None = told("The first that is not as it was written; null: none.", None)
    reason: str = told("What is wrong with it; empty: nothing.", "")
    head: str = told("Digest of the last one that holds.", "9f2c")
