"""Port of the bus that announces changes between processes."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol


class Topic(StrEnum):
    """What has changed."""

    EXPERIMENTS = "experiments"
    MARKET = "market"
    FLEET = "fleet"
    MODELS = "models"
    POLICIES = "policies"
    HEALTH = "health"
    JOBS = "jobs"
    ALERTS = "alerts"
    SESSIONS = "sessions"
    SWITCHES = "switches"


class Bus(Protocol):
    """Announces to all processes that something changed; the change itself is read from the store.

    Announcements can be lost if a server is down, so listeners also check from time to time.
    """

    def publish(self, topic: Topic) -> None:
        """Announce a change to all processes, including this one; never raises."""
        ...

    def version(self, topic: Topic) -> int:
        """Version of a topic in this process; increases with each announcement."""
        ...

    def close(self) -> None:
        """Stop listening."""
        ...


class LocalBus:
    """A bus within this process, used without an online store."""

    def __init__(self) -> None:
        self._versions = dict.fromkeys(Topic, 0)

    def publish(self, topic: Topic) -> None:
        """Increase the topic's version."""
        self._versions[topic] += 1

    def version(self, topic: Topic) -> int:
        """Version of a topic."""
        return self._versions[topic]

    def close(self) -> None:
        """Does nothing."""
