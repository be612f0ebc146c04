"""The command line, with one module per command group.

On the top floor with `api` and `ui`; commands act through `services`.
"""

from spotlab.cli.main import main

__all__ = ["main"]
