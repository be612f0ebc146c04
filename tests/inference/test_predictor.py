"""Models are found by name and version, and opened once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from spotlab.errors import ArtefactRefused, NotFound
from spotlab.inference.adapters import CheckedModel
from spotlab.inference.predictor import Predictor
from tests.support import models


def test_a_name_means_its_newest_version(tmp_path: Path) -> None:
    for version in ("1.9.0", "1.10.0", "1.10.0-rc1"):
        models.saved(tmp_path, version=version)

    predictor = Predictor(tmp_path)

    assert predictor.get("toy").version == "1.10.0"
    assert predictor.get("toy@1.9.0").version == "1.9.0"
    assert [found.version for found in predictor.available()] == ["1.10.0", "1.10.0-rc1", "1.9.0"]
    assert all(found.task == "advisor" and found.digest for found in predictor.available())


def test_a_model_is_opened_once_also_by_many_threads(tmp_path: Path) -> None:
    models.saved(tmp_path)
    predictor = Predictor(tmp_path)
    found: list[CheckedModel] = []
    threads = [
        threading.Thread(target=lambda: found.append(predictor.get("toy"))) for _ in range(6)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 6
    assert len({id(model) for model in found}) == 1


@pytest.mark.parametrize("reference", ["other", "toy@9.9.9", "../toy", "toy@", "toy@../1.0.0", ""])
def test_what_is_not_there_is_said_with_what_is(tmp_path: Path, reference: str) -> None:
    models.saved(tmp_path)

    with pytest.raises(NotFound, match=r"Available: toy@1\.0\.0"):
        Predictor(tmp_path).get(reference)


def test_no_folder_at_all_is_an_empty_list(tmp_path: Path) -> None:
    assert Predictor(tmp_path / "none").available() == []
    with pytest.raises(NotFound, match="Available: none"):
        Predictor(tmp_path / "none").get("toy")


def test_a_refused_artefact_is_listed_with_its_reason(tmp_path: Path) -> None:
    (models.saved(tmp_path) / "model.txt").write_text("tree\n")
    predictor = Predictor(tmp_path)

    assert "SHA-256" in predictor.available()[0].refused
    with pytest.raises(ArtefactRefused, match="SHA-256"):
        predictor.get("toy")


def test_a_folder_named_unlike_the_card_is_refused(tmp_path: Path) -> None:
    models.saved(tmp_path).rename(tmp_path / "toy" / "3.0.0")

    with pytest.raises(ArtefactRefused, match=r"its card is for toy 1\.0\.0"):
        Predictor(tmp_path).get("toy")
