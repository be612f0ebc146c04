"""Names of regions and availability zones, checked against those that are known."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from spotlab.errors import InvalidInput
from spotlab.telemetry.invisible_characters import visible

_IN_REGION: Final = re.compile(r"[a-z]|(-[a-z0-9]+)+-[0-9]+[a-z]?")
"""What follows the region in the name of a zone: a letter, or the name of a local zone."""
_ZONE: Final = re.compile(r"([a-z]{2,}(?:-[a-z]+)+-\d+)(?:-[a-z]+-\d+)?[a-z]")
_WAVELENGTH: Final = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-\d+-wl\d+-.+")


def check_regions(regions: Iterable[str], known: Collection[str]) -> None:
    """Check that every region is known.

    Args:
        regions: to check.
        known: those of AWS's price lists, of the market and of the accounts.
    Raises:
        InvalidInput: names the first unknown one, and the nearest known ones.
    """
    for region in regions:
        if region not in known:
            raise InvalidInput(
                f"The region {_short(region)} is not known.",
                remedy=f"{_nearest(region, known)}Known are {len(known)} regions: those of AWS's "
                "price lists, of the market and of the accounts. A newer one is known as soon as "
                "an account lists it or its prices are collected.",
                field="regions",
            )


def check_zones(zones: Iterable[str], regions: Collection[str]) -> None:
    """Check that every zone has the form of a zone in one of some regions.

    Args:
        zones: to check.
        regions: where they may be.
    Raises:
        InvalidInput: names the first that has not, and what would be right.
    """
    for zone in zones:
        if not any(zone_is_in(zone, region) for region in regions):
            examples = [f"{region}a" for region in sorted(regions)]
            raise InvalidInput(
                f"The zone {_short(zone)} is in none of the allowed regions.",
                remedy=f"{_nearest(zone, examples)}A zone is named after its region, such as "
                f"{examples[0]}.",
                field="zones",
            )


def zone_is_in(zone: str, region: str) -> bool:
    """Whether a zone's name is that of a zone of a region, by its form.

    >>> zone_is_in("us-east-1f", "us-east-1"), zone_is_in("us-west-2-lax-1a", "us-west-2")
    (True, True)
    >>> zone_is_in("us-east-1-wl1-bos-wlz-1", "us-east-1"), zone_is_in("us-east-1", "us-east-1")
    (True, False)
    """
    rest = zone.removeprefix(region)
    return zone.startswith(region) and _IN_REGION.fullmatch(rest) is not None


@lru_cache(maxsize=4096)
def region_of(zone: str) -> str:
    """The region of a zone or Local Zone in market data; "": the name has another form.

    A Wavelength Zone has none: it is reached through a carrier's network, and its pools take no
    part.

    >>> region_of("us-east-1a"), region_of("us-west-2-lax-1a"), region_of("us-east-1")
    ('us-east-1', 'us-west-2', '')
    """
    match = _ZONE.fullmatch(zone)
    return match[1] if match else ""


def is_wavelength_zone(name: str) -> bool:
    """Whether a name has the form of a Wavelength Zone.

    >>> is_wavelength_zone("us-east-1-wl1-bos-wlz-1"), is_wavelength_zone("us-west-2-lax-1a")
    (True, False)
    """
    return _WAVELENGTH.fullmatch(name) is not None


def _nearest(name: str, known: Collection[str]) -> str:
    found = get_close_matches(name, sorted(known), n=3)
    return f"Nearest: {', '.join(found)}. " if found else ""


def _short(name: str) -> str:
    return repr(visible(name[:40]))
