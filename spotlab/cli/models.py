"""`spotlab models …`: what is registered, its history, and what may be done with it. Screens floor.

Another part's commands join COMMANDS by one entry.
"""

from __future__ import annotations

import argparse

from spotlab.cli.answers import Answer
from spotlab.cli.command import Command, nested, no_arguments
from spotlab.settings import Settings


def _list(_args: argparse.Namespace, settings: Settings) -> Answer:
    from spotlab.runtime.bootstrap import bootstrap

    with bootstrap(settings) as lab:
        records = lab.models()
    document = {"models": [{"name": r.name, "version": r.version} for r in records]}
    return Answer(document, "\n".join(f"{r.name}@{r.version} {r.state}" for r in records))


COMMANDS = (Command("list", "Every model version with its state.", no_arguments, _list),)
MODELS = nested("models", "Look at models, and decide which are used.", lambda: COMMANDS)
