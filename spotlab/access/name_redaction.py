"""Takes the names of what somebody does not see out of a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from spotlab.domain.access import Principal
from spotlab.runtime.lab import Lab

INSTANCE: Final = re.compile(r"\bi-[0-9a-f]{6,}\b")


def foreign(lab: Lab, who: Principal) -> Callable[[str], str]:
    """Gives what replaces foreign accounts and instances in a text by "another account" and
    "another instance".

    Args:
        lab: knows which there are.
        who: reads the text.
    """
    accounts = [a for a in lab.store.fleet.accounts() if not who.sees(a.name)]
    words = {word for a in accounts for word in (a.name, a.aws_account_id, a.role_arn) if word}
    longest_first = sorted(words, key=len, reverse=True)
    every = lab.store.fleet.instances(active_only=False)
    seen = {instance.instance_id for instance in every if who.sees(instance.account)}

    def hidden(text: str) -> str:
        for word in longest_first:
            text = re.sub(rf"(?<![\w-])'?{re.escape(word)}'?(?![\w-])", "another account", text)
        return INSTANCE.sub(lambda m: m[0] if m[0] in seen else "another instance", text)

    return hidden


def everywhere(value: Any, hidden: Callable[[str], str]) -> Any:
    """A JSON value with every text in it as `foreign` gives it, names of fields too."""
    if isinstance(value, str):
        return hidden(value)
    if isinstance(value, Mapping):
        return {hidden(str(name)): everywhere(each, hidden) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [everywhere(each, hidden) for each in value]
    return value
