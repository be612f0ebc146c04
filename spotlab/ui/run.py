"""`python -m spotlab.ui.run APP …`: `streamlit run` without Plotly until the first chart.

Streamlit builds a theme for Plotly when it is imported, which takes 17 MB and a third of its time;
`spotlab/ui/charts/base.py` has it built before the first chart.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Run Streamlit's command line."""
    sys.modules["plotly"] = None  # type: ignore[assignment]
    try:
        import streamlit  # noqa: F401
    finally:
        del sys.modules["plotly"]
    sys.argv[1:1] = ["run"]
    runpy.run_module("streamlit", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
