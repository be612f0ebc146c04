"""How a switch would be carried out, what it keeps, and what forbids it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from spotlab.domain.decision import Lifecycle
from spotlab.domain.market import Pool


class Strategy(StrEnum):
    """How the replacement comes to be. Values are stored in SQL; people read the labels."""

    FROM_TEMPLATE = "from_template"
    FROM_IMAGE = "from_image"
    FROM_IMAGE_REBOOT = "from_image_reboot"
    STOP_START = "stop_start"

    @property
    def label(self) -> str:
        """What a person reads."""
        return _LABELS[self]

    @property
    def in_place(self) -> bool:
        """Whether the instance stays the same one."""
        return self is Strategy.STOP_START

    @property
    def makes_image(self) -> bool:
        """Whether an image of the instance is made."""
        return self in (Strategy.FROM_IMAGE, Strategy.FROM_IMAGE_REBOOT)


_LABELS: dict[Strategy, str] = {
    Strategy.FROM_TEMPLATE: "launch from its launch template",
    Strategy.FROM_IMAGE: "launch from an image, made without a reboot",
    Strategy.FROM_IMAGE_REBOOT: "launch from an image, made with a reboot",
    Strategy.STOP_START: "stop, change the type, start",
}


class Fate(StrEnum):
    """What happens to something that the instance has."""

    KEPT = "kept"
    RECREATED = "recreated"
    LOST = "lost"


class Method(StrEnum):
    """How a thing is kept or recreated; the engine acts on it."""

    UNTOUCHED = "untouched"  # it stays where it is
    MOVED = "moved"  # detached from the old instance and attached to the new one
    IMAGED = "imaged"  # copied by the image
    AT_LAUNCH = "at_launch"  # given to RunInstances, or made by the template
    REGISTERED = "registered"  # the new instance is registered, then the old one deregistered
    NONE = "none"  # it is lost


@dataclass(frozen=True, slots=True)
class Effect:
    """What a switch does to one thing.

    Args:
        kind: "volume", "private address", "elastic address", "target group", "tags", …
        id: its id in AWS; for a setting, its value.
        fate: kept, recreated or lost.
        method: how.
        text: a sentence for a person.
    """

    kind: str
    id: str
    fate: Fate
    method: Method
    text: str


@dataclass(frozen=True, slots=True)
class Snippet:
    """Text that is ready to copy.

    Args:
        title: what it is for.
        language: "json", "hcl", "yaml" or "sh".
        text: the text.
    """

    title: str
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know before the switch.

    Args:
        code: stable name, such as "termination-protection".
        text: a sentence: what was found.
        remedy: a sentence: what to do; "": nothing.
        blocks: whether the switch is refused because of it.
        question: whether a person may confirm it; a confirmed question does not block.
        snippets: texts that are ready to copy.
    """

    code: str
    text: str
    remedy: str = ""
    blocks: bool = True
    question: bool = False
    snippets: tuple[Snippet, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """An AWS call that the switch will make.

    Args:
        step: of the switch, such as "launch".
        action: IAM action, such as "ec2:RunInstances".
        parameters: the parameters that are known before; ids of what does not exist yet are
            written as "<new instance>". Never user data.
        text: a sentence for a person.
    """

    step: str
    action: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True)
class Preflight:
    """The plan of a switch, checked before anything is changed.

    Args:
        instance_id: of the instance to replace.
        account: name of its account.
        source, target: the pools.
        target_lifecycle: how the replacement is paid for.
        strategy: how the replacement comes to be.
        strategy_reason: why this one, a sentence.
        findings: what was found; those that block come first.
        effects: what happens to each volume, address, registration and setting.
        calls: that will be made, in order.
        subnet_id: to launch into; None: the template's or the present one.
    """

    instance_id: str
    account: str
    source: Pool
    target: Pool
    target_lifecycle: Lifecycle
    strategy: Strategy
    strategy_reason: str
    findings: tuple[Finding, ...] = ()
    effects: tuple[Effect, ...] = ()
    calls: tuple[Call, ...] = ()
    subnet_id: str | None = None

    @property
    def refused(self) -> bool:
        """Whether a finding blocks it."""
        return any(finding.blocks for finding in self.findings)

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings that block it."""
        return tuple(finding for finding in self.findings if finding.blocks)

    @property
    def questions(self) -> tuple[Finding, ...]:
        """Blocking findings that a person may confirm."""
        return tuple(finding for finding in self.blocking if finding.question)

    @property
    def forbidding(self) -> tuple[Finding, ...]:
        """Blocking findings that nobody may confirm."""
        return tuple(finding for finding in self.blocking if not finding.question)

    @property
    def kept(self) -> tuple[str, ...]:
        """Sentences: what is kept."""
        return self._sentences(Fate.KEPT)

    @property
    def recreated(self) -> tuple[str, ...]:
        """Sentences: what is made again."""
        return self._sentences(Fate.RECREATED)

    @property
    def lost(self) -> tuple[str, ...]:
        """Sentences: what is lost."""
        return self._sentences(Fate.LOST)

    def _sentences(self, fate: Fate) -> tuple[str, ...]:
        return tuple(effect.text for effect in self.effects if effect.fate is fate)
