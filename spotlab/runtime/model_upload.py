"""Uploaded models: quarantine first, then the registry.

What is uploaded is unpacked into a folder of its own under `<home>/models/.quarantine`, checked
there, asked for a first prediction by another process, and only then moved, by one rename, to
`<home>/models`.
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
from typing import Final

from spotlab.domain.model_lifecycle import ModelState
from spotlab.domain.ports import By, ModelRecord, ModelRegistry
from spotlab.errors import InvalidInput, NotAvailable, SpotlabError
from spotlab.inference.artefacts import Artefact, verify
from spotlab.inference.predictor import Predictor
from spotlab.runtime.model_dry_run import DryRun, DryRunLimits, dry_run
from spotlab.runtime.model_registration import UPLOADS
from spotlab.runtime.model_unpacking import UnpackLimits, unpack

log = logging.getLogger("spotlab.runtime.model_upload")

QUARANTINE: Final = f"{UPLOADS}/.quarantine"
"""Beside the models, so that it is on their disk wherever a home is shared in parts."""
LEFT_OVER_AFTER_S: Final = 3600.0
"""A quarantined upload of this age was left by a process that died."""


@dataclass(frozen=True, slots=True)
class UploadReport:
    """An upload that was taken.

    Args:
        record: the candidate as registered.
        first: what its first prediction gave.
        seconds: from the first byte to the registry.
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
) -> UploadReport:
    """Check an upload and register it as a candidate, whole or not at all.

    Args:
        source: a zip's path or content, or a folder, with the three files of an artefact.
        by: who uploads it, and why.
        registry: where it becomes a candidate; a refusal leaves an event there too.
        predictor: knows the versions there are.
        home: folder of all state.
        unpack_limits, dry_run_limits: None: the default ones.
    Raises:
        ArtefactRefused: its files are not as they should be; says which and why.
        InvalidInput: the version exists, or there is no such file.
        NotAvailable: nothing can be written here, as when the disk is full.
    """
    began = time.perf_counter()
    if isinstance(source, Path) and not source.exists():
        raise InvalidInput(
            f"{source}: there is no such file or folder.", remedy="Name a zip or a folder."
        )
    known: list[Artefact] = []
    try:
        with _quarantined(home) as folder:
            unpack(source, folder, unpack_limits or UnpackLimits())
            artefact = verify(folder)
            known.append(artefact)
            _refuse_known(artefact, registry, predictor)
            limits = replace(dry_run_limits or DryRunLimits(), trees=predictor.limits)
            first = dry_run(folder, limits)
            record = _publish(folder, artefact, by, registry, predictor, home)
    except SpotlabError as exc:
        refused = _without_place(exc)
        _note_refusal(registry, known, source, by, refused)
        raise refused from exc
    except OSError as exc:
        failed = NotAvailable(
            f"The upload could not be read or written: {exc.strerror or exc}.",
            remedy="Nothing was kept. Check the file, and the space and rights of SPOTLAB_HOME.",
        )
        _note_refusal(registry, known, source, by, failed)
        raise failed from exc
    return UploadReport(record, first, time.perf_counter() - began)


_PLACE: Final = ("upload", "model")
_MOST_SAID: Final = 1000


@contextmanager
def _quarantined(home: Path) -> Iterator[Path]:
    root = home / QUARANTINE
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(root)
    own = Path(tempfile.mkdtemp(dir=root))
    try:
        folder = own.joinpath(*_PLACE)
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _sweep(root: Path) -> None:
    now = time.time()
    for left in root.iterdir():
        if left.is_dir() and now - left.lstat().st_mtime > LEFT_OVER_AFTER_S:
            shutil.rmtree(left, ignore_errors=True)


def _refuse_known(artefact: Artefact, registry: ModelRegistry, predictor: Predictor) -> None:
    """Refuse a version that is registered with other content, or that is on disk."""
    name, version = artefact.card.spec.name, artefact.card.spec.version
    for record in registry.records():
        if (record.name, record.version) == (name, version) and record.digest != artefact.digest:
            raise InvalidInput(
                f"Model {name}@{version} is registered with other content.",
                remedy="A version never changes: give the changed model a new version.",
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
    with _alone(home / QUARANTINE):
        _refuse_known(artefact, registry, predictor)
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
def _alone(folder: Path) -> Iterator[None]:
    """One upload at a time: two of the same version must not both find it free."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _without_place(exc: SpotlabError) -> SpotlabError:
    """The same error, without the quarantine's path, and short: it may repeat what was sent."""
    message = exc.message.removeprefix("/".join(_PLACE) + "/")
    if len(message) > _MOST_SAID:
        message = f"{message[:_MOST_SAID]}…"
    return type(exc)(message, remedy=exc.remedy)


def _note_refusal(
    registry: ModelRegistry,
    known: list[Artefact],
    source: Path | bytes,
    by: By,
    why: SpotlabError,
) -> None:
    name, version, task = "", "", ""
    if known:
        spec = known[0].card.spec
        name, version, task = spec.name, spec.version, spec.task
    what = source.name if isinstance(source, Path) else f"{len(source)} bytes"
    reason = f"Upload of {what}: {why.message} {by.reason}".strip()
    log.warning("upload refused: %s", reason)
    try:
        registry.refuse(name, version, task, replace(by, reason=reason))
    except SpotlabError as exc:
        log.error("the refusal was not recorded: %s", exc)
