"""Every benchmark, one after the other: `python -m benchmarks [name…]`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from pathlib import Path


def main(wanted: list[str]) -> None:
    """Run the `main` of each module here, or of those that are named."""
    there = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    known = [name for name in there if not name.startswith("_")]
    if unknown := set(wanted) - set(known):
        sys.exit(
            f"No benchmark is named {', '.join(sorted(unknown))}; there is {', '.join(known)}."
        )
    for name in wanted or known:
        importlib.import_module(f"benchmarks.{name}").main()
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
