"""Streamlit starts without Plotly, whose charts look as if it had not."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import runpy, sys
from unittest import mock

sys.argv = ["run", "app.py", "--server.port", "1"]
with mock.patch.object(runpy, "run_module") as streamlit:
    from spotlab.ui import run
    run.main()
assert streamlit.call_args.args == ("streamlit",)
assert sys.argv[1:] == ["run", "app.py", "--server.port", "1"]
assert "streamlit" in sys.modules and "plotly" not in sys.modules
from spotlab.ui import charts
from spotlab.ui.charts.base import figure
from spotlab.ui.common.theme import LIGHT
import plotly.io
assert plotly.io.templates.default == "streamlit"
assert figure(LIGHT, x="h", y="USD").layout.template.data.sankey
"""


def test_the_theme_of_charts_is_built_before_the_first_one() -> None:
    subprocess.run([sys.executable, "-c", CODE], check=True)
