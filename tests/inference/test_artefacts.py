"""An artefact is loaded only if its files are listed, unchanged and safe."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference import artefacts
from spotlab.inference.card import CardHead
from tests.support import models


def resum(folder: Path) -> None:
    """Write SHA256SUMS again, as an attacker would."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != "SHA256SUMS" and path.is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))


def write_card(folder: Path, **changed: object) -> None:
    (folder / "card.json").write_text(json.dumps(models.card(**changed)))
    resum(folder)


def flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "model.txt").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.txt").write_bytes(bytes(content))


def pickle_as_model(folder: Path) -> None:
    (folder / "model.txt").write_bytes(pickle.dumps({"a": 1}))
    resum(folder)


def zipped_pickle(folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps([1]))
    (folder / "model.txt").write_bytes(packed.getvalue())
    resum(folder)


def joblib_beside(folder: Path) -> None:
    (folder / "model.joblib").write_bytes(b"anything")
    resum(folder)


def unlisted(folder: Path) -> None:
    (folder / "notes.txt").write_text("hello")


def listed_but_not_named(folder: Path) -> None:
    unlisted(folder)
    resum(folder)


def linked(folder: Path) -> None:
    outside = folder.parent / "elsewhere.txt"
    outside.write_bytes((folder / "model.txt").read_bytes())
    (folder / "model.txt").unlink()
    (folder / "model.txt").symlink_to(outside)


def climbing_name(folder: Path) -> None:
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(f"{'0' * 64}  ../../secret.txt\n")


def fewer_features(folder: Path) -> None:
    write_card(folder, features=models.card()["features"][:3])


def other_name(folder: Path) -> None:
    features = models.card()["features"]
    write_card(folder, features=[*features[:3], features[3] | {"name": "memory_gb"}])


def other_order(folder: Path) -> None:
    write_card(folder, features=models.card()["features"][::-1])


def no_booster(folder: Path) -> None:
    (folder / "model.txt").write_text("tree\nthis is no model")
    resum(folder)


BROKEN: list[tuple[Callable[[Path], object], str]] = [
    (flip_a_byte, "model.txt: its SHA-256"),
    (lambda folder: (folder / "model.txt").unlink(), "model.txt: is listed in SHA256SUMS but"),
    (lambda folder: (folder / "card.json").unlink(), "card.json: is missing"),
    (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS: is missing"),
    (unlisted, "notes.txt: is not listed"),
    (listed_but_not_named, "notes.txt: is not named by the card"),
    (pickle_as_model, "model.txt: is a pickle"),
    (zipped_pickle, "model.txt: is a zip archive"),
    (joblib_beside, "model.joblib: a .joblib file can run code"),
    (linked, "model.txt: is a link"),
    (climbing_name, "SHA256SUMS: line"),
    (fewer_features, "only in the model: vcpu_count"),
    (other_name, "only in the card: memory_gb"),
    (other_order, "in another order"),
    (no_booster, "model.txt: header: .this is no model. is in the place of version"),
    (lambda folder: write_card(folder, format=2), "format 2 is newer"),
    (lambda folder: write_card(folder, file="../model.txt"), "does not exist"),
    (lambda folder: write_card(folder, file="card.json"), "is named by the card but does not"),
    (lambda folder: write_card(folder, features="all"), r"card.json: .*\$\.features"),
    (lambda folder: write_card(folder, kind="pickle"), r"card.json: .*\$\.kind"),
    (lambda folder: write_card(folder, kind="sklearn"), "is not a .skops file"),
]


@pytest.mark.parametrize(("damage", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_what_is_wrong_is_refused_and_named(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    folder = models.saved(tmp_path)
    damage(folder)

    with pytest.raises(ArtefactRefused, match=said):
        artefacts.load(folder)


def test_malformed_json_is_refused(tmp_path: Path) -> None:
    folder = models.saved(tmp_path)
    (folder / "card.json").write_text('{"format": 1,')
    resum(folder)

    with pytest.raises(ArtefactRefused, match=r"card\.json"):
        artefacts.verify(folder)


def test_a_huge_file_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = models.saved(tmp_path)
    monkeypatch.setattr(artefacts, "MAX_FILE_BYTES", 1000)

    with pytest.raises(ArtefactRefused, match="is larger than"):
        artefacts.verify(folder)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    folder = models.saved(tmp_path)
    (tmp_path / "toy" / "2.0.0").symlink_to(folder)

    with pytest.raises(ArtefactRefused, match="is not a folder"):
        artefacts.load(tmp_path / "toy" / "2.0.0")


def test_what_was_saved_loads_and_gives_the_same_answers(tmp_path: Path) -> None:
    matrix = models.rows(20)
    first = artefacts.load(models.saved(tmp_path / "a"))
    second = artefacts.load(models.saved(tmp_path / "b"))

    assert first.digest == second.digest
    assert np.array_equal(first.hazard_per_hour(matrix), second.hazard_per_hour(matrix))
    assert first.card["name"] == "toy"
    assert (first.name, first.version) == ("toy", "1.0.0")


def test_saving_the_same_version_again_changes_nothing(tmp_path: Path) -> None:
    assert models.saved(tmp_path) == models.saved(tmp_path)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == ["1.0.0"]


def test_a_version_never_changes(tmp_path: Path) -> None:
    models.saved(tmp_path)

    with pytest.raises(InvalidInput, match=r"toy 1\.0\.0 exists"):
        models.saved(tmp_path, task="another")


def test_a_model_unlike_its_card_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ArtefactRefused):
        models.saved(tmp_path, features=models.card()["features"][:2], persistence=None)

    assert list((tmp_path / "toy").iterdir()) == []


def test_every_kind_of_model_has_a_suffix() -> None:
    assert artefacts._MODEL_SUFFIX.keys() == set(get_args(get_type_hints(CardHead)["kind"]))
