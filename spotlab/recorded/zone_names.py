"""Names of availability zones in recorded files, and an account's names of zone ids.

A zone id such as use1-az6 means the same place in every account; its name, such as us-east-1b,
depends on the account. Source: "AZ IDs" in the AWS Regions and Availability Zones guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from spotlab.domain.places import is_wavelength_zone, region_of
from spotlab.recorded.file_reading import read_file, read_json, reject

ZoneIds = Mapping[str, str]
"""The account's name of each zone id."""

NO_ZONE_IDS: Final[ZoneIds] = {}
ZONE_ID: Final = re.compile(r"[a-z]{2,6}\d(-[a-z]{3}\d)?-az\d+")
ZONES_COMMAND: Final = "aws ec2 describe-availability-zones --all-availability-zones --output json"


def read_zone_ids(path: Path) -> ZoneIds:
    """The account's name of each zone id, from the output of DescribeAvailabilityZones.

    Raises:
        InvalidInput: names the place and what was expected.
    """
    return zone_ids_in(read_file(path), path)


def zone_ids_in(content: bytes, where: Path | str) -> ZoneIds:
    """As `read_zone_ids`, of the file's content; `where` names it in errors."""
    document = read_json(content, where)
    zones = document.get("AvailabilityZones") if isinstance(document, Mapping) else None
    if not isinstance(zones, list) or not zones:
        reject(where, "it has no AvailabilityZones", f"the output of {ZONES_COMMAND}")
    names: dict[str, str] = {}
    for number, zone in enumerate(zones):
        fields = zone if isinstance(zone, Mapping) else {}
        zone_id, name = fields.get("ZoneId"), fields.get("ZoneName")
        if not isinstance(zone_id, str) or not isinstance(name, str):
            reject(where, f"element {number} has no ZoneId and ZoneName", "both, as text")
        if names.setdefault(zone_id, name) != name:
            reject(where, f"{zone_id} has two names, {names[zone_id]} and {name}", "one account's")
    return names


def zone_name(text: str, zone_ids: ZoneIds, where: Path | str, place: str) -> str:
    """The name of a zone that is given by name or by id.

    Args:
        text: such as us-east-1a or use1-az6.
        zone_ids: the account's names.
        where: the file.
        place: in the file.
    Raises:
        InvalidInput: a zone id without a name.
    """
    if ZONE_ID.fullmatch(text) is None:
        return text
    if not zone_ids:
        expected = (
            f"zone names, or the account's names of zone ids: --zone-ids FILE ({ZONES_COMMAND})"
        )
        reject(
            where, f"{place} has the zone id {text}, whose name depends on the account", expected
        )
    if text not in zone_ids:
        reject(
            where, f"{place} has the zone id {text}, which the account does not have", "its zones"
        )
    return zone_ids[text]


def checked_region(zone: str, where: Path | str, place: str) -> str:
    """The region of a zone.

    Raises:
        InvalidInput: the name has another form, such as that of a Wavelength Zone.
    """
    region = region_of(zone)
    if not region:
        kind = "a Wavelength Zone" if is_wavelength_zone(zone) else "not an availability zone"
        reject(where, f"{place}: {zone!r} is {kind}", "zones such as us-east-1a")
    return region
