"""Temporary replacement of attributes and dictionary entries of moto."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final

_ABSENT: Final = object()


class Patches:
    """Replacements that are undone when a stack closes.

    Args:
        stack: undoes all replacements when it closes.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """Replace or add an attribute of a class or module."""
        before = vars(owner).get(name, _ABSENT)
        if before is _ABSENT:
            self._stack.callback(delattr, owner, name)
        else:
            self._stack.callback(setattr, owner, name, before)
        setattr(owner, name, value)

    def item(self, owner: dict[str, Any], key: str, value: Any) -> None:
        """Replace or add an entry of a dictionary."""
        before = owner.get(key, _ABSENT)
        if before is _ABSENT:
            self._stack.callback(owner.pop, key)
        else:
            self._stack.callback(owner.__setitem__, key, before)
        owner[key] = value
