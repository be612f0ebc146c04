"""One process that answers for one model which somebody sent.

What it says is taken as hostile: the right number of bytes, or a word of why not.
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
from spotlab.processes.frames import Buffer, Ended, Garbled, Lost, Overran

PROGRAM: Final = "spotlab.inference.model_worker"
START_S: Final = 60.0
"""To import the libraries, before anything of the model is read."""
LONGEST_CALLS: Final = 20
"""A process has the processor time of so many calls of the longest kind, and is replaced before."""
_NOT_PLAIN: Final = re.compile(r"[^\w .,;'()=+-]|www\.", re.ASCII)

Start = Callable[[str, Sequence[str], float], Child]


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What the processes of models may take.

    Args:
        workers: how many there are at most.
        memory_mb: address space of each beyond its libraries', MB.
        wall_s: seconds of a call.
        trees: how large a model's trees may be.
    """

    workers: int = 2
    memory_mb: int = 1024
    wall_s: float = 30.0
    trees: TreeLimits = field(default_factory=TreeLimits)


@dataclass(frozen=True, slots=True)
class Source:
    """A model as a process is given it.

    Args:
        reference: "name@version".
        kind: of its card.
        digest: what it is known by.
        read: reads and verifies its files; raises ArtefactRefused.
    """

    reference: str
    kind: str
    digest: str
    read: Callable[[], Artefact]


class TooMuchMemory(Lost):
    """The model takes more memory than it may."""


class ModelProcess:
    """A model's process; it is asked by one thread at a time.

    Args:
        source: the model.
        limits: what it may take.
    """

    def __init__(self, source: Source, limits: WorkerLimits) -> None:
        self.source = source
        self.child: Child | None = None
        self._limits = limits
        self._busy_s = 0.0

    @property
    def spent(self) -> bool:
        """Whether a call of the longest kind could exceed its processor time."""
        return self._busy_s > (LONGEST_CALLS - 2) * self._limits.wall_s

    def ask(self, question: Sequence[Buffer], most: int) -> memoryview:
        """The numbers that answer a question.

        Args:
            question: parts of a frame; see `model_worker`.
            most: bytes that the answer has, exactly.
        Raises:
            Lost: it is of no more use: see `lost`.
            InvalidInput, ModelFailed: it has no answer to this, and may have one to another.
        """
        assert self.child is not None
        began = time.monotonic()
        at_most = max(most, wire.SENTENCE_BYTES) + 1
        answer = self.child.ask(question, at_most, self._limits.wall_s)
        self._busy_s += time.monotonic() - began
        word, said = bytes(answer[:1]), answer[1:]
        if word == wire.DONE and len(said) == most:
            return said
        if word == wire.INVALID:
            raise InvalidInput(f"Model {self.source.reference}: {_plain(said)}.")
        if word == wire.FAILED:
            what = f"has no answer ({_plain(said)})"
            raise ModelFailed(f"Model {self.source.reference} {what}.", what=what)
        raise TooMuchMemory if word == wire.TOO_LARGE else Garbled

    def start(self, start: Start, program: str) -> None:
        """Start the process and let it import its libraries; no model is blamed for that.

        Raises:
            NotAvailable: it did not start.
        """
        cpu_s = math.ceil(LONGEST_CALLS * self._limits.wall_s)
        trees = msgspec.json.encode(self._limits.trees).decode()
        words = (str(self._limits.memory_mb), str(cpu_s), self.source.kind, trees)
        try:
            self.child = start(program, words, START_S)
            self.child.ask((), 1, START_S)
        except (OSError, Lost) as exc:
            how = self.child.end_after(exc) if self.child is not None else str(exc)
            raise NotAvailable(
                f"No process for model {self.source.reference} could be started"
                f"{f' ({how})' if how else ''}.",
                remedy="Raise SPOTLAB_MODEL_MEMORY_MB, or see what the machine lacks.",
            ) from exc

    def open(self) -> None:
        """Let it read the model.

        Raises:
            Lost: it is of no more use: see `lost`.
            ArtefactRefused: the files are not as they should be, or the model cannot be read.
        """
        assert self.child is not None
        artefact = self.source.read()
        card = msgspec.json.encode(artefact.card.text)
        head = wire.OPENING.pack(wire.OPEN, len(card), artefact.digest.encode())
        began = time.monotonic()
        answer = self.child.ask(
            (head, card, artefact.model), wire.SENTENCE_BYTES + 1, self._limits.wall_s
        )
        self._busy_s += time.monotonic() - began
        word = bytes(answer[:1])
        if word == wire.REFUSED:
            raise ArtefactRefused(f"Model {self.source.reference}: {_plain(answer[1:])}.")
        if word != wire.DONE:
            raise TooMuchMemory if word == wire.TOO_LARGE else Garbled

    def lost(self, exc: Lost) -> tuple[str, str]:
        """End it; why in a word, and what the model did, completing "The model …"."""
        assert self.child is not None
        how = self.child.end_after(exc)
        if isinstance(exc, TooMuchMemory):
            most = f"{self._limits.memory_mb} MB"
            return "memory", f"took more than {most} in its own process and was ended"
        if isinstance(exc, Overran):
            most = f"{self._limits.wall_s:g} s"
            return "time", f"took more than {most} in its own process and was ended"
        if isinstance(exc, Ended) and how:
            return "crash", f"crashed ({how}) in its own process"
        return "answer", "gave what is no answer in its own process and was ended"


def _plain(sentence: memoryview) -> str:
    """What a process says, as words only: it may be anything, and is shown on screens."""
    text = bytes(sentence[: wire.SENTENCE_BYTES]).decode("utf-8", "replace")
    return " ".join(_NOT_PLAIN.sub(" ", text).split())[:300].rstrip(".")
