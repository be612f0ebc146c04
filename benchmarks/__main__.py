"""Run benchmarks one after the other: `python -m benchmarks [name…] [--option=value…]`.

An option may also be written as `--option value` after the names, or without a value as `--option`.

Benchmarks that take minutes or break things on purpose run only if they are named. With
`--write=FILE.md`, each runs in a process of its own, and the figures of all become a document.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path

from benchmarks._report import run_alone, write


def main(arguments: list[str]) -> None:
    """Run `main` of each benchmark, or of the named ones, with the options as arguments."""
    named, options = _parsed(arguments)
    modules = sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
    known = [name for name in modules if not name.startswith("_")]
    if unknown := set(named) - set(known):
        sys.exit(
            f"No benchmark is named {', '.join(sorted(unknown))}. Available: {', '.join(known)}."
        )
    chosen = named or [name for name in known if _is_quick(name)]
    if target := options.pop("write", ""):
        outcomes = []
        for name in chosen:
            outcomes.append(run_alone(name))
            write(Path(target), outcomes)  # so that an interruption loses one benchmark only
        return
    for name in chosen:
        importlib.import_module(f"benchmarks.{name}").main(**options)
        print()


def _is_quick(name: str) -> bool:
    """Whether a benchmark runs without being named; read from its text, since imports are slow."""
    text = Path(__file__).with_name(f"{name}.py").read_text()
    return re.search(r"^ON_REQUEST = True", text, re.MULTILINE) is None


def _parsed(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """The names, and the options."""
    named: list[str] = []
    options: dict[str, str] = {}
    waiting = ""
    for word in arguments:
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            options[name] = value if equals else "yes"
            waiting = "" if equals else name
        elif waiting:
            options[waiting], waiting = word, ""
        else:
            named.append(word.replace("-", "_"))
    return named, options


if __name__ == "__main__":
    main(sys.argv[1:])
