"""Port of the news between processes."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Topic(StrEnum):
    """What news can be about."""

    EXPERIMENTS = "experiments"
    MARKET = "market"
    FLEET = "fleet"
    MODELS = "models"
    HEALTH = "health"
    JOBS = "jobs"
    ALERTS = "alerts"
    SESSIONS = "sessions"


class Bus(Protocol):
    """Tells every process that something changed; what changed is read from the store.

    News may be lost (a server that is down), so whoever listens also looks by itself now and then.
    """

    def publish(self, topic: Topic) -> None:
        """Tell everybody, this process too; never raises."""
        ...

    def version(self, topic: Topic) -> int:
        """How much news of a topic this process has heard; grows, and means nothing else."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class LocalBus:
    """News within this process alone: what there is without an online store."""

    def __init__(self) -> None:
        self._versions = dict.fromkeys(Topic, 0)

    def publish(self, topic: Topic) -> None:
        """Count it."""
        self._versions[topic] += 1

    def version(self, topic: Topic) -> int:
        """How often it was told."""
        return self._versions[topic]

    def close(self) -> None:
        """Nothing to stop."""
