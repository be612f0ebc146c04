"""Uploaded models: quarantine first, then the registry.

An upload is unpacked into its own folder under `<home>/models/.quarantine` and checked there. After
a trial prediction in another process it is moved, by one rename, to `<home>/models`.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.ports import By, ModelRecord, ModelRegistry
from spotlab.errors import ArtefactRefused, InvalidInput, NotAvailable, SpotlabError
from spotlab.inference.artefacts import Artefact, verify
from spotlab.inference.predictor import Predictor
from spotlab.runtime.model_card import CardAnswers, card_of, is_bare_model, write_artefact
from spotlab.runtime.model_dry_run import DryRun, DryRunLimits, dry_run
from spotlab.runtime.model_registration import UPLOADS
from spotlab.runtime.model_unpacking import MB, UnpackLimits, unpack

log = logging.getLogger("spotlab.runtime.model_upload")

QUARANTINE: Final = f"{UPLOADS}/.quarantine"
"""In the folder of the models, so that both are on the same disk and a rename is possible."""
LEFT_OVER_AFTER_S: Final = 3600.0
"""Age at which a quarantined upload must be of a process that died."""


@dataclass(frozen=True, slots=True)
class UploadReport:
    """An accepted upload.

    Args:
        record: the candidate as registered.
        first: result of its trial prediction.
        seconds: duration of the whole upload.
    """

    record: ModelRecord
    first: DryRun
    seconds: float


def upload(
    source: Path | bytes,
    by: By,
    registry: ModelRegistry,
    predictor: Predictor,
    home: Path,
    unpack_limits: UnpackLimits | None = None,
    dry_run_limits: DryRunLimits | None = None,
    answers: CardAnswers | None = None,
) -> UploadReport:
    """Check an upload and register it as a candidate; after a failure, nothing is stored.

    Args:
        source: path or content of a zip, or a folder, with the three files of an artefact; or of a
            bare LightGBM text model, whose card is then written from it.
        by: user and reason.
        registry: receives the candidate, or an event of the rejection.
        predictor: finds existing versions.
        home: folder with all local state.
        unpack_limits, dry_run_limits: None: the default ones.
        answers: for the card of a bare model.
    Raises:
        ArtefactRefused: a file is not valid; names the file and its problem.
        InvalidInput: the version exists, or `source` does not.
        NotAvailable: a file cannot be written, for example because the disk is full.
    """
    started = time.perf_counter()
    if isinstance(source, Path) and not source.exists():
        raise InvalidInput(f"{source}: no such file or folder.", remedy="Name a zip or a folder.")
    verified: list[Artefact] = []
    try:
        with _quarantined(home) as folder:
            bare = _bare_model(source, unpack_limits or UnpackLimits())
            if bare is None:
                unpack(source, folder, unpack_limits or UnpackLimits())
            else:
                write_artefact(bare, _card(bare, answers, predictor), folder)
            artefact = verify(folder)
            verified.append(artefact)
            _refuse_existing(artefact, registry, predictor)
            limits = replace(dry_run_limits or DryRunLimits(), trees=predictor.limits)
            first = dry_run(folder, limits)
            record = _publish(folder, artefact, by, registry, predictor, home)
    except SpotlabError as exc:
        rejection = _without_quarantine_path(exc)
        _record_rejection(registry, verified, source, by, rejection)
        raise rejection from exc
    except OSError as exc:
        failed = NotAvailable(
            f"The upload could not be read or written: {exc.strerror or exc}.",
            remedy="Nothing was stored. Check the file, and space and permissions of SPOTLAB_HOME.",
        )
        _record_rejection(registry, verified, source, by, failed)
        raise failed from exc
    return UploadReport(record, first, time.perf_counter() - started)


def _bare_model(source: Path | bytes, limits: UnpackLimits) -> bytes | None:
    """The content of a bare model; None: the source is something else."""
    if isinstance(source, Path):
        if source.is_symlink() or not source.is_file():
            return None
        with source.open("rb") as file:
            content = file.read(int(limits.archive_mb * MB) + 1)
    else:
        content = source
    return content if is_bare_model(content) and len(content) <= limits.archive_mb * MB else None


def _card(model: bytes, answers: CardAnswers | None, predictor: Predictor) -> dict[str, Any]:
    if answers is None:
        raise ArtefactRefused(
            "This is a bare LightGBM model without a card.",
            remedy="Name its label, so that the card can be written: see "
            "docs/bring-your-own-model.md.",
        )
    return card_of(model, answers, predictor.limits)


_SUBFOLDER: Final = ("upload", "model")
_MAX_MESSAGE_CHARS: Final = 1000


@contextmanager
def _quarantined(home: Path) -> Iterator[Path]:
    root = home / QUARANTINE
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _delete_leftovers(root)
    own = Path(tempfile.mkdtemp(dir=root))
    try:
        folder = own.joinpath(*_SUBFOLDER)
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _delete_leftovers(root: Path) -> None:
    now = time.time()
    for folder in root.iterdir():
        if folder.is_dir() and now - folder.lstat().st_mtime > LEFT_OVER_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_existing(artefact: Artefact, registry: ModelRegistry, predictor: Predictor) -> None:
    """Raise InvalidInput if the version is registered with other content, or is on disk."""
    name, version = artefact.card.spec.name, artefact.card.spec.version
    for record in registry.records():
        if (record.name, record.version) == (name, version) and record.digest != artefact.digest:
            raise InvalidInput(
                f"Model {name}@{version} is registered with other content.",
                remedy="A version cannot be changed: use a new version for the changed model.",
            )
    if any((found.name, found.version) == (name, version) for found in predictor.available()):
        raise InvalidInput(
            f"Model {name}@{version} exists.", remedy="Upload it under a new version."
        )


def _publish(
    folder: Path,
    artefact: Artefact,
    by: By,
    registry: ModelRegistry,
    predictor: Predictor,
    home: Path,
) -> ModelRecord:
    spec = artefact.card.spec
    record = ModelRecord(
        name=spec.name,
        version=spec.version,
        task=spec.task,
        digest=artefact.digest,
        path=f"{spec.name}/{spec.version}",
        state=ModelState.CANDIDATE.value,
        registered_at=by.at,
        card=artefact.card.text,
    )
    final = home / UPLOADS / spec.name / spec.version
    with _exclusive(home / QUARANTINE):
        _refuse_existing(artefact, registry, predictor)
        final.parent.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        folder.rename(final)
        try:
            registry.register(record, replace(by, reason=f"Uploaded. {by.reason}".strip()))
        except BaseException:
            shutil.rmtree(final, ignore_errors=True)
            raise
    return record


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Lock a folder, so that of two uploads of the same version only one is accepted."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _without_quarantine_path(exc: SpotlabError) -> SpotlabError:
    """The same error without the quarantine's path, and shortened: it may repeat the upload."""
    message = exc.message.removeprefix("/".join(_SUBFOLDER) + "/")
    if len(message) > _MAX_MESSAGE_CHARS:
        message = f"{message[:_MAX_MESSAGE_CHARS]}…"
    clean = type(exc)(message, remedy=exc.remedy)
    if isinstance(clean, InvalidInput) and isinstance(exc, InvalidInput):
        clean.field = exc.field
    return clean


def _record_rejection(
    registry: ModelRegistry,
    verified: list[Artefact],
    source: Path | bytes,
    by: By,
    error: SpotlabError,
) -> None:
    name, version, task = "", "", ""
    if verified:
        spec = verified[0].card.spec
        name, version, task = spec.name, spec.version, spec.task
    source_name = source.name if isinstance(source, Path) else f"{len(source)} bytes"
    reason = f"Upload of {source_name}: {error.message} {by.reason}".strip()
    log.warning("upload rejected: %s", reason)
    try:
        registry.record_rejection(name, version, task, replace(by, reason=reason))
    except SpotlabError as exc:
        log.error("the rejection was not recorded: %s", exc)
