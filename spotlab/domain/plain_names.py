"""Names of workloads and policies, which users choose and type."""

from __future__ import annotations

from typing import Final

from spotlab.errors import InvalidInput

MAX_NAME: Final = 64


def check_plain_name(name: str, what: str, example: str) -> None:
    """Check a name: letters, digits, - and _.

    Args:
        name: the name.
        what: it names, such as "workload".
        example: a valid one.
    Raises:
        InvalidInput: says what would be right.
    """
    plain = name.replace("-", "").replace("_", "")
    if not (name and len(name) <= MAX_NAME and name.isascii() and plain.isalnum()):
        raise InvalidInput(
            f"{name[:MAX_NAME]!r} is not a {what}'s name.",
            remedy=f"Use up to {MAX_NAME} letters, digits, - and _, such as {example}.",
            field="name",
        )
