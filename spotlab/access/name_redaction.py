"""Redaction of the names of accounts and instances that a user may not see."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from spotlab.domain.access import Principal
from spotlab.runtime.lab import Lab

INSTANCE: Final = re.compile(r"\bi-[0-9a-f]{6,}\b")


def name_redactor(lab: Lab, who: Principal) -> Callable[[str], str]:
    """Returns a function that replaces the accounts and instances that a user may not see.

    In its result they are called "another account" and "another instance".

    Args:
        lab: its accounts and instances.
        who: the reader of the text.
    """
    accounts = [a for a in lab.store.fleet.accounts() if not who.sees(a.name)]
    words = {word for a in accounts for word in (a.name, a.aws_account_id, a.role_arn) if word}
    longest_first = sorted(words, key=len, reverse=True)
    every = lab.store.fleet.instances(active_only=False)
    visible_ids = {instance.instance_id for instance in every if who.sees(instance.account)}

    def redact(text: str) -> str:
        for word in longest_first:
            text = re.sub(rf"(?<![\w-])'?{re.escape(word)}'?(?![\w-])", "another account", text)
        return INSTANCE.sub(lambda m: m[0] if m[0] in visible_ids else "another instance", text)

    return redact


def redact_json(value: Any, hidden: Callable[[str], str]) -> Any:
    """Applies the function of `name_redactor` to every text of a JSON value and its field names."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {hidden(str(name)): redact_json(each, hidden) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [redact_json(each, hidden) for each in value]
    return value
