"""A model's trees are validated from its text before native code uses them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import ArtefactRefused
from spotlab.inference import artefacts
from spotlab.inference.lightgbm_import import lightgbm
from tests.support import hostile_models as hostile


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the test fail if native code reads a text."""

    def reads(*_: object, **__: object) -> None:
        raise AssertionError("LightGBM was given a text that was not proved")

    monkeypatch.setattr(lightgbm(), "Booster", reads)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    "shipped", [hostile.ADVISOR, hostile.CAPACITY], ids=["advisor", "capacity"]
)
@pytest.mark.parametrize("name", hostile.HOSTILE)
def test_a_hostile_model_is_refused_before_native_code_sees_it(
    tmp_path: Path, name: str, shipped: Path
) -> None:
    files = hostile.hostile_artefact(name, shipped)
    folder = tmp_path / "model" / "6.6.6"
    folder.mkdir(parents=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)

    with pytest.raises(ArtefactRefused, match=hostile.HOSTILE[name][1]):
        artefacts.load(folder)
    with pytest.raises(ArtefactRefused, match=hostile.HOSTILE[name][1]):
        artefacts.save(tmp_path / "kept", files["card.json"], files["model.txt"])
