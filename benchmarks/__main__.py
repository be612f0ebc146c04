"""Every benchmark, one after the other: `python -m benchmarks [name…] [--option=value…]`.

Those that take minutes, or break things on purpose, run only when they are named.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main(words: list[str]) -> None:
    """Run the `main` of each module here, or of those that are named, with their options."""
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    wanted = [word.replace("-", "_") for word in words if not word.startswith("--")]
    there = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    known = [name for name in there if not name.startswith("_")]
    if unknown := set(wanted) - set(known):
        sys.exit(
            f"No benchmark is named {', '.join(sorted(unknown))}; there is {', '.join(known)}."
        )
    for name in wanted or known:
        module = importlib.import_module(f"benchmarks.{name}")
        if not wanted and getattr(module, "ON_REQUEST", False):
            continue
        module.main(**options)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
