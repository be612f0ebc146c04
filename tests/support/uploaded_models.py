"""Uploaded models in a small lab, and processes in which they misbehave."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from spotlab.inference import artefacts
from spotlab.inference.model_workers import ModelWorkers
from spotlab.runtime import bootstrap
from spotlab.runtime.model_registration import UPLOADS
from tests.support.odd_model import PROGRAM


@pytest.fixture
def odd_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Model processes in which a model behaves as its card says in "behaves"."""
    monkeypatch.setattr(bootstrap, "ModelWorkers", partial(ModelWorkers, program=PROGRAM))


def save_uploaded_model(
    home: Path, shipped: Path, behaves: str = "", version: str = "2.0.0"
) -> Path:
    """Save a shipped model as another version among a home's uploads."""
    card = json.loads((shipped / "card.json").read_bytes())
    card |= {"version": version, "behaves": behaves}
    model = (shipped / "model.txt").read_bytes()
    return artefacts.save(home / UPLOADS, json.dumps(card).encode(), model)
