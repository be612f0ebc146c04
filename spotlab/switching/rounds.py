"""One round over all switches: expire requests, begin approved ones, and drive those under way."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final

from spotlab.domain.access import SPOTLAB
from spotlab.domain.ports import By, Topic
from spotlab.domain.switch_guards import SwitchingMode
from spotlab.domain.switches import Switch, SwitchState
from spotlab.errors import Cancelled, ChangedMeanwhile, Fenced, SpotlabError
from spotlab.runtime.lab import Lab
from spotlab.switching import approval
from spotlab.switching.automatic_requests import request_automatically
from spotlab.switching.driver import drive, may_be_driven
from spotlab.switching.guards import SwitchGuards
from spotlab.switching.realised_savings import measure_finished

log = logging.getLogger("spotlab.switching.rounds")
AT_ONCE: Final = 8
"""Switches that one process drives at the same time; the others wait."""
LOOK_EVERY_S: Final = 2.0
"""How often new and resumed switches are looked for while others are driven."""

ASK_AGAIN_S: Final = 10.0
"""How often the guards are asked again about an approved switch that has to wait."""


@dataclass(slots=True)
class Round:
    """What one round did.

    Args:
        requested: switches that SpotLab requested by itself.
        expired: requests that nobody approved in time.
        waiting: approved switches that a guard holds, by id, and why.
        driven: state of each switch that was driven, by id.
        failed: errors, by id.
    """

    requested: int = 0
    expired: int = 0
    waiting: dict[str, str] = field(default_factory=dict)
    driven: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def document(self) -> Mapping[str, Any]:
        """For the run of the job."""
        failures = " ".join(f"{name}: {why}" for name, why in sorted(self.failed.items()))
        return {
            "requested": self.requested,
            "expired": self.expired,
            "waiting": len(self.waiting),
            "driven": dict(self.driven),
            "failed": failures,
        }


def automatic(lab: Lab, reason: str = "") -> By:
    """The signature of what SpotLab does by itself."""
    return By(SPOTLAB.name, lab.clock.now(), reason, "scheduler")


def drive_all(
    lab: Lab,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    sleep: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Round:
    """Drive every switch that has something to do until all are finished or held.

    Args:
        lab: its store, guards and AWS.
        cancelled: asked between two looks; the next round continues.
        sleep, monotonic: of the engine; a drill passes those of the emulated world.
    """
    made = Round()
    lab.store.switch_guards.note_installation_mode(
        SwitchingMode(lab.settings.switching), automatic(lab)
    )
    measure_finished(lab)
    made.requested = request_automatically(lab, automatic(lab))
    driving: dict[str, Future[Switch]] = {}
    held_at: dict[str, float] = {}
    stop = threading.Event()

    def pause(seconds: float) -> None:
        if stop.is_set() or cancelled():
            raise Cancelled("The round ends; the next one continues.")
        sleep(seconds)

    with ThreadPoolExecutor(AT_ONCE, "switch") as threads:
        try:
            while not cancelled():
                made.expired += approval.expire_all(lab, automatic(lab))
                for switch_id in lab.store.switches.drivable():
                    if switch_id in made.failed or switch_id in driving:
                        continue
                    if time.monotonic() - held_at.get(switch_id, -ASK_AGAIN_S) < ASK_AGAIN_S:
                        continue
                    if len(driving) < AT_ONCE and _may_drive(lab, switch_id, made):
                        context = copy_context()  # with the fences of the job
                        driving[switch_id] = threads.submit(
                            context.run, _drive, lab, switch_id, pause, monotonic
                        )
                    elif switch_id in made.waiting:
                        held_at[switch_id] = time.monotonic()
                _collect(driving, made)
                if not driving:
                    break
                wait(driving.values(), LOOK_EVERY_S, FIRST_COMPLETED)
                with suppress(SpotlabError):
                    lab.open_cloud()  # starts an emulated AWS that has died again
        finally:
            stop.set()
    _collect(driving, made)
    return made


def _drive(
    lab: Lab,
    switch_id: str,
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
) -> Switch:
    return drive(
        lab,
        switch_id,
        SwitchGuards(lab).may_proceed,
        sleep=sleep,
        monotonic=monotonic,
        on_change=lambda _switch: lab.bus.publish(Topic.SWITCHES),
    )


def _may_drive(lab: Lab, switch_id: str, made: Round) -> bool:
    """Whether a driver has something to do; an approved switch may have to wait or be refused."""
    switch = lab.store.switches.get(switch_id)
    if not may_be_driven(switch):
        return False
    if switch.state is not SwitchState.APPROVED:
        return True
    try:
        refusal = approval.begin(lab, switch, SwitchGuards(lab), automatic(lab))
    except ChangedMeanwhile:
        return False  # the next look sees what has changed
    except SpotlabError as exc:
        made.failed[switch_id] = str(exc)
        return False
    if refusal is None:
        made.waiting.pop(switch_id, None)
        return True
    made.waiting[switch_id] = refusal.reason
    return False


def _collect(driving: dict[str, Future[Switch]], made: Round) -> None:
    """Note the results of the switches whose driver has ended."""
    for switch_id, future in list(driving.items()):
        if not future.done():
            continue
        del driving[switch_id]
        try:
            made.driven[switch_id] = future.result().state.value
        except Fenced as exc:
            log.info("switch %s: %s", switch_id, exc)
        except SpotlabError as exc:
            made.failed[switch_id] = str(exc)
            log.warning("switch %s: %s", switch_id, exc)
        except Exception as exc:
            made.failed[switch_id] = f"{type(exc).__name__}: {exc}"
            log.exception("switch %s: its driver failed", switch_id)
