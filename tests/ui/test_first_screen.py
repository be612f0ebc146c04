"""The first screen is quick because it imports little."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from spotlab.scheduling.first_run import get_ready
from tests.conftest import ROOT
from tests.support.lab import save_toy_model, small_lab

HEAVY = ("shap", "sklearn", "numba", "lightgbm", "plotly.express", "scipy", "moto")
LOOK = """
import sys
from pathlib import Path
from streamlit.testing.v1 import AppTest
from spotlab.runtime import app_process
from spotlab.ui.common import session
from tests.support.lab import empty_lab

made = empty_lab(Path(sys.argv[1]), Path(sys.argv[2]))
app_process.lab = lambda: made
assert session.first_run().wait(60)
app = AppTest.from_file("spotlab/ui/common/frame.py", default_timeout=60).run()
assert not app.exception and len(app.dataframe[0].value) == 4, app
print(*[name for name in sys.argv[3:] if name in sys.modules])
"""


def test_looking_at_the_fleet_imports_no_model_library(tmp_path: Path) -> None:
    models = tmp_path / "models"
    save_toy_model(models)
    lab = small_lab(tmp_path / "home", models)
    get_ready(lab)
    lab.close()
    looked = subprocess.run(
        [sys.executable, "-c", LOOK, str(tmp_path / "home"), str(models), *HEAVY],
        cwd=ROOT,
        env=os.environ | {"SPOTLAB_AUTH": "off"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert looked.returncode == 0, looked.stderr[-2000:]
    assert looked.stdout.split() == []
