"""A separate process that runs one uploaded model.

Its responses are untrusted: only the expected number of bytes or a short error message is accepted.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from spotlab.errors import ArtefactRefused, InvalidInput, ModelFailed, NotAvailable
from spotlab.inference import model_worker as wire
from spotlab.inference.artefacts import Artefact
from spotlab.inference.tree_limits import TreeLimits
from spotlab.processes.child import Child
from spotlab.processes.frames import Buffer, InvalidFrame, PipeClosed, PipeError, PipeTimeout

PROGRAM: Final = "spotlab.inference.model_worker"
START_S: Final = 60.0
"""Time to import the libraries, before the model is read."""
CALLS_PER_PROCESS: Final = 20
"""A process gets the processor time of this many calls of maximum length, and is replaced before
it is used up."""
_UNSAFE: Final = re.compile(r"[^\w .,;'()=+-]|www\.", re.ASCII)

StartChild = Callable[[str, Sequence[str], float], Child]


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits of the model processes.

    Args:
        workers: maximum number of processes.
        memory_mb: address space of each in addition to its libraries, MB.
        wall_s: maximum duration of a call, s.
        trees: largest size of a model's trees.
    """

    workers: int = 2
    memory_mb: int = 1024
    wall_s: float = 30.0
    trees: TreeLimits = field(default_factory=TreeLimits)


@dataclass(frozen=True, slots=True)
class Source:
    """A model that a process can load.

    Args:
        reference: "name@version".
        kind: the kind in its card.
        digest: identifies its content.
        read: reads and verifies its files; raises ArtefactRefused.
    """

    reference: str
    kind: str
    digest: str
    read: Callable[[], Artefact]


class MemoryExceeded(PipeError):
    """The model exceeded its memory limit."""


class ModelProcess:
    """A model's process, used by one thread at a time.

    Args:
        source: the model.
        limits: its limits.
    """

    def __init__(self, source: Source, limits: WorkerLimits) -> None:
        self.source = source
        self.child: Child | None = None
        self._limits = limits
        self._busy_s = 0.0

    @property
    def exhausted(self) -> bool:
        """Whether a call of maximum length could exceed its processor time."""
        return self._busy_s > (CALLS_PER_PROCESS - 2) * self._limits.wall_s

    def request(self, parts: Sequence[Buffer], response_bytes: int) -> memoryview:
        """Send a request and return the numbers of the response.

        Args:
            parts: parts of the request frame; see `model_worker`.
            response_bytes: exact size of the response, bytes.
        Raises:
            PipeError: the process is no longer usable; see `end_failed`.
            InvalidInput, ModelFailed: this request failed; another one may succeed.
        """
        assert self.child is not None
        started_at = time.monotonic()
        max_bytes = max(response_bytes, wire.MAX_MESSAGE_BYTES) + 1
        response = self.child.request(parts, max_bytes, self._limits.wall_s)
        self._busy_s += time.monotonic() - started_at
        code, payload = bytes(response[:1]), response[1:]
        if code == wire.DONE and len(payload) == response_bytes:
            return payload
        if code == wire.INVALID:
            raise InvalidInput(f"Model {self.source.reference}: {_sanitised(payload)}.")
        if code == wire.FAILED:
            what = f"failed ({_sanitised(payload)})"
            raise ModelFailed(f"Model {self.source.reference} {what}.", what=what)
        raise MemoryExceeded if code == wire.OUT_OF_MEMORY else InvalidFrame

    def start(self, start: StartChild, program: str) -> None:
        """Start the process and import its libraries; a failure is not attributed to the model.

        Raises:
            NotAvailable: the process did not start.
        """
        cpu_s = math.ceil(CALLS_PER_PROCESS * self._limits.wall_s)
        trees = msgspec.json.encode(self._limits.trees).decode()
        arguments = (str(self._limits.memory_mb), str(cpu_s), self.source.kind, trees)
        try:
            self.child = start(program, arguments, START_S)
            self.child.request((), 1, START_S)
        except (OSError, PipeError) as exc:
            how = self.child.end_after_error(exc) if self.child is not None else str(exc)
            raise NotAvailable(
                f"The process for model {self.source.reference} could not be started"
                f"{f' ({how})' if how else ''}.",
                remedy="Raise SPOTLAB_MODEL_MEMORY_MB, or free memory on this machine.",
            ) from exc

    def open(self) -> None:
        """Load the model into the process.

        Raises:
            PipeError: the process is no longer usable; see `end_failed`.
            ArtefactRefused: the files have changed, or the model cannot be read.
        """
        assert self.child is not None
        artefact = self.source.read()
        card = msgspec.json.encode(artefact.card.text)
        head = wire.OPEN_HEADER.pack(wire.OPEN, len(card), artefact.digest.encode())
        started_at = time.monotonic()
        response = self.child.request(
            (head, card, artefact.model), wire.MAX_MESSAGE_BYTES + 1, self._limits.wall_s
        )
        self._busy_s += time.monotonic() - started_at
        code = bytes(response[:1])
        if code == wire.REJECTED:
            raise ArtefactRefused(f"Model {self.source.reference}: {_sanitised(response[1:])}.")
        if code != wire.DONE:
            raise MemoryExceeded if code == wire.OUT_OF_MEMORY else InvalidFrame

    def end_failed(self, exc: PipeError) -> tuple[str, str]:
        """End the process after an error.

        Returns:
            The cause as a metric label, and a phrase that completes "The model …".
        """
        assert self.child is not None
        how = self.child.end_after_error(exc)
        if isinstance(exc, MemoryExceeded):
            limit = f"{self._limits.memory_mb} MB"
            return "memory", f"used more than {limit} in its own process and was stopped"
        if isinstance(exc, PipeTimeout):
            limit = f"{self._limits.wall_s:g} s"
            return "time", f"took more than {limit} in its own process and was stopped"
        if isinstance(exc, PipeClosed) and how:
            return "crash", f"crashed ({how}) in its own process"
        return "answer", "sent an invalid response from its own process and was stopped"


def _sanitised(sentence: memoryview) -> str:
    """A message from the process, reduced to plain text: it is untrusted and shown on screens."""
    text = bytes(sentence[: wire.MAX_MESSAGE_BYTES]).decode("utf-8", "replace")
    return " ".join(_UNSAFE.sub(" ", text).split())[:300].rstrip(".")
