"""The command line, one module a command group.

On the top floor with `api` and `ui`; everything is asked of `services`.
"""

from spotlab.cli.main import main

__all__ = ["main"]
