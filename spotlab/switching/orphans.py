"""Resources with SpotLab's tag that no open switch needs: a report, and deletion by request.

A tag is the only evidence: what does not carry it is never touched. What a finished switch launched
and handed over is never deleted, and neither is anything of a switch that is not in this database,
which may belong to another installation.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from spotlab.domain.ports.switching import OwnResource, SwitchingPort
from spotlab.domain.switch_tags import OWN_TAGS, PROBE_PREFIX
from spotlab.domain.switches import Switch
from spotlab.errors import AwsError

log = logging.getLogger("spotlab.switching.orphans")
MIN_AGE: Final = timedelta(minutes=15)
"""A younger resource of a switch that just finished may still be on its way to being removed."""
_ORDER: Final = ("instance", "spot-instances-request", "image", "snapshot", "volume")
"""In which orphans are deleted: an image before its snapshots, an instance before its volumes."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """A tagged resource without an open switch.

    Args:
        resource: what it is.
        account, region: where.
        state: of its switch; "unknown": it is not in this database.
        why: why it is left over, one sentence.
        deletable: whether `delete` may remove it.
        keep: only its tags are removed: it is what the switch has handed over.
    """

    resource: OwnResource
    account: str
    region: str
    state: str
    why: str
    deletable: bool
    keep: bool = False


def find(
    aws: SwitchingPort,
    account: str,
    region: str,
    switches: Mapping[str, Switch],
    now: datetime,
) -> list[Orphan]:
    """Orphans of one account and region, in the order of deletion; nothing is changed.

    Args:
        aws: of this account and region.
        account, region: their names.
        switches: by id: those that the tags may name.
        now: aware UTC.
    Raises:
        AwsError: AWS cannot be read.
    """
    found = [
        orphan
        for resource in aws.own()
        if (orphan := _orphan(resource, account, region, switches, now)) is not None
    ]
    return sorted(found, key=lambda each: _ORDER.index(each.resource.kind))


def _orphan(
    resource: OwnResource,
    account: str,
    region: str,
    switches: Mapping[str, Switch],
    now: datetime,
) -> Orphan | None:
    if resource.switch_id.startswith(PROBE_PREFIX):
        why = "A launch probe has left it running."
        return Orphan(resource, account, region, "probe", why, deletable=True)
    switch = switches.get(resource.switch_id)
    if switch is None:
        why = f"Its switch {resource.switch_id} is not in this database."
        return Orphan(resource, account, region, "unknown", why, deletable=False)
    if switch.open:
        return None
    state = switch.state.value
    if switch.got is not None and resource.resource_id in (
        switch.got.instance_id,
        switch.instance_id,
    ):
        why = f"It is the replacement of {switch.instance_id}; only its tags are left over."
        return Orphan(resource, account, region, state, why, deletable=True, keep=True)
    ended = switch.finished_at or switch.requested_at
    if timedelta() <= now - ended < MIN_AGE:
        why = f"Its switch ended {(now - ended).total_seconds() / 60:.0f} min ago; wait."
        return Orphan(resource, account, region, state, why, deletable=False)
    why = f"Its switch {resource.switch_id} is finished ({state})."
    return Orphan(resource, account, region, state, why, deletable=True)


def delete(aws: SwitchingPort, orphans: Iterable[Orphan]) -> list[tuple[Orphan, str]]:
    """Delete orphans that may be deleted.

    Args:
        aws: of their account and region.
        orphans: as found; each is looked at again, and left if it lost its tag.
    Returns:
        Each orphan with an error message; "": it is deleted.
    """
    wanted = [each for each in orphans if each.deletable]
    tagged = {each.resource_id for each in aws.own()}
    kept = _kept_volumes(aws, wanted)
    results = []
    for orphan in wanted:
        name = orphan.resource.resource_id
        if name not in tagged:
            continue
        try:
            _delete(aws, orphan, keep=orphan.keep or name in kept)
            results.append((orphan, ""))
        except AwsError as exc:
            results.append((orphan, exc.message))
            log.warning("orphan %s could not be deleted: %s", name, exc)
    return results


def _kept_volumes(aws: SwitchingPort, orphans: Sequence[Orphan]) -> set[str]:
    """Volumes and spot requests of instances that stay."""
    kept: set[str] = set()
    for orphan in orphans:
        if orphan.keep:
            view = aws.instance(orphan.resource.resource_id)
            if view is not None:
                kept |= {view.spot_request_id, *(each.volume_id for each in view.volumes)}
    return kept


def _delete(aws: SwitchingPort, orphan: Orphan, *, keep: bool) -> None:
    name = orphan.resource.resource_id
    if keep:
        aws.remove_tags([name], OWN_TAGS)
        return
    match orphan.resource.kind:
        case "instance":
            view = aws.instance(name)
            if view is not None and view.spot_request_id:
                aws.cancel_spot_request(view.spot_request_id)
            aws.terminate(name)
        case "spot-instances-request":
            aws.cancel_spot_request(name)
        case "image":
            aws.deregister_image(name)
        case "snapshot":
            aws.delete_snapshot(name)
        case "volume":
            aws.delete_volume(name)
