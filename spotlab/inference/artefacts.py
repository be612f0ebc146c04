"""Model artefacts on disk: verifying, loading and saving them.

A version is a folder `<name>/<version>/` with three files: the model in a text format (or
skops), `card.json`, and `SHA256SUMS`, which lists the other two in the format of `sha256sum`.
Checksums reveal damage, but do not authenticate the author. A file from an untrusted source is
safe to load because no accepted format runs code when it is loaded.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spotlab.errors import ArtefactRefused, InvalidInput
from spotlab.inference.adapters import CheckedModel, LightGBMRisk, RuleRisk, SklearnRisk
from spotlab.inference.capacity import CapacityModel
from spotlab.inference.card import CAPACITY, RULE, Card, parse_card
from spotlab.inference.tree_limits import TreeLimits

CARD: Final = "card.json"
SUMS: Final = "SHA256SUMS"
MAX_FILE_BYTES: Final = 64 * 2**20
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_SUM_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")
_MODEL_SUFFIX: Final = {"lightgbm": ".txt", "sklearn": ".skops", "rule": ".json"}
_CODE_SUFFIXES: Final = frozenset(
    {".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".npy", ".npz", ".pt", ".pth", ".py"}
)
_PICKLE_OPCODE: Final = b"\x80"
_ZIP_MAGIC: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Artefact:
    """A verified artefact: its card, the model file's bytes, and the digest of its checksums."""

    card: Card
    model: bytes
    digest: str


def verify(folder: Path) -> Artefact:
    """Read every file of an artefact and check it against SHA256SUMS and its card.

    Returns the bytes that were checked, so that a file cannot change between check and use.

    Raises:
        ArtefactRefused: names the file and its problem.
    """
    files = _read_files(folder)
    for name in (CARD, SUMS):
        if name not in files:
            raise _refused(folder, name, "is missing", "Copy the whole folder again.")
    _check_sums(folder, files)
    card = parse_card(files[CARD])
    if card.spec.file not in files or card.spec.file in (CARD, SUMS):
        raise _refused(folder, card.spec.file, "is named by the card but does not exist")
    if set(files) != {CARD, SUMS, card.spec.file}:
        extra = sorted(set(files) - {CARD, SUMS, card.spec.file})
        raise _refused(folder, extra[0], "is not named by the card")
    suffix = _MODEL_SUFFIX[card.spec.kind]
    if not card.spec.file.endswith(suffix):
        raise _refused(
            folder,
            card.spec.file,
            f"is not a {suffix} file",
            f"A model of kind {card.spec.kind} is a {suffix} file.",
        )
    model = files[card.spec.file]
    if card.spec.kind == "lightgbm":
        model = with_unix_lines(model)
    return Artefact(card, model, _sha256(files[SUMS]))


def with_unix_lines(content: bytes) -> bytes:
    """A text with the line ends that LightGBM writes and reads, whatever git or Windows made."""
    return content.replace(b"\r\n", b"\n")


def load(folder: Path, limits: TreeLimits | None = None) -> CheckedModel | CapacityModel:
    """Verify an artefact and open its model with the adapter for its task and kind.

    Args:
        folder: `<name>/<version>`.
        limits: largest size of a model's trees; None: the defaults.
    Raises:
        ArtefactRefused: as `verify`, or the model does not match its card.
    """
    return open_verified(verify(folder), folder, limits)


def open_verified(
    artefact: Artefact, folder: Path, limits: TreeLimits | None = None
) -> CheckedModel | CapacityModel:
    """Open the model of a verified artefact.

    Args:
        artefact: as verified.
        folder: where it is; named in errors.
        limits: largest size of a model's trees; None: the defaults.
    Raises:
        ArtefactRefused: the model does not match its card.
    """
    spec, given = artefact.card.spec, (artefact.card, artefact.model, artefact.digest)
    try:
        if spec.task == CAPACITY:
            return CapacityModel(*given, limits)
        if spec.kind == "lightgbm":
            return LightGBMRisk(*given, limits)
        return RuleRisk(*given) if spec.kind == RULE else SklearnRisk(*given)
    except ArtefactRefused as exc:
        raise _refused(folder, artefact.card.spec.file, exc.message, exc.remedy) from exc


def save(models_dir: Path, card: bytes, model: bytes) -> Path:
    """Write a new version atomically, after checking that it loads.

    Args:
        models_dir: folder of all artefacts.
        card: content of card.json, which names the model file.
        model: content of the model file.
    Returns:
        `models_dir/<name>/<version>`.
    Raises:
        InvalidInput: the version exists with different content.
        ArtefactRefused: it does not load.
    """
    spec = parse_card(card).spec
    if not _PLAIN_NAME.fullmatch(spec.file):
        raise _refused(models_dir, spec.file, "is not a plain file name")
    final = models_dir / spec.name / spec.version
    final.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=final.parent))
    try:
        files = {CARD: card, spec.file: model}
        _write(draft, files | {SUMS: _sums(files)})
        load(draft)
        if final.exists():
            _refuse_other_content(final, draft)
        else:
            draft.chmod(0o755)
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def _refuse_other_content(final: Path, draft: Path) -> None:
    if verify(final).digest != verify(draft).digest:
        raise InvalidInput(
            f"{final.parent.name} {final.name} exists with different content.",
            remedy="A version never changes. Choose another version.",
        )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        with (folder / name).open("wb") as handle:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())


def _sums(files: Mapping[str, bytes]) -> bytes:
    return "".join(f"{_sha256(files[name])}  {name}\n" for name in sorted(files)).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refused(folder: Path, name: str, problem: str, remedy: str = "") -> ArtefactRefused:
    where = f"{folder.parent.name}/{folder.name}/{name}"
    return ArtefactRefused(f"{where}: {problem.rstrip('.')}.", remedy=remedy)


def _read_files(folder: Path) -> dict[str, bytes]:
    if folder.is_symlink() or not folder.is_dir():
        raise ArtefactRefused(
            f"{folder.parent.name}/{folder.name} is not a folder.",
            remedy="A model artefact is a folder <name>/<version>.",
        )
    return {path.name: _read_file(folder, path) for path in sorted(folder.iterdir())}


def _read_file(folder: Path, path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise _refused(folder, path.name, "is a link or a folder", "Only plain files are read.")
    if path.suffix.lower() in _CODE_SUFFIXES:
        raise _refused(folder, path.name, f"a {path.suffix} file can run code when it is read")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _refused(folder, path.name, f"is larger than {MAX_FILE_BYTES // 2**20} MB")
    content = path.read_bytes()
    if content.startswith(_PICKLE_OPCODE):
        raise _refused(folder, path.name, "is a pickle, which can run code when it is read")
    if path.suffix == ".skops":
        return content
    if content.startswith(_ZIP_MAGIC):
        raise _refused(folder, path.name, "is a zip archive, which can carry a pickle")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _refused(folder, path.name, "is not UTF-8 text") from exc
    return content


def _check_sums(folder: Path, files: Mapping[str, bytes]) -> None:
    listed: dict[str, str] = {}
    for line in files[SUMS].decode("utf-8").splitlines():
        match = _SUM_LINE.fullmatch(line)
        if match is None or not _PLAIN_NAME.fullmatch(match["name"]) or match["name"] in listed:
            raise _refused(folder, SUMS, f"line {line[:100]!r} is not '<sha256>  <plain name>'")
        listed[match["name"]] = match["digest"]
    for name in sorted(listed.keys() - files.keys()):
        raise _refused(folder, name, f"is listed in {SUMS} but missing")
    for name in sorted(files.keys() - listed.keys() - {SUMS}):
        raise _refused(folder, name, f"is not listed in {SUMS}", "Remove it.")
    for name, digest in listed.items():
        # Line ends that were changed on the way, by git's autocrlf, are no damage.
        if digest not in (_sha256(files[name]), _sha256(with_unix_lines(files[name]))):
            raise _refused(
                folder, name, f"its SHA-256 is not the one in {SUMS}", "Copy the file again."
            )
