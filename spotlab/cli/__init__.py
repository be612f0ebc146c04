"""The command line. Screens floor: asks the lab, prints what it says."""

from spotlab.cli.main import main

__all__ = ["main"]
