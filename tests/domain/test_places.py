"""Names of regions and zones: an unknown one is named, with what would be right."""

from __future__ import annotations

import pytest

from spotlab.domain.places import check_regions, check_zones
from spotlab.errors import InvalidInput

KNOWN = {"us-east-1", "us-east-2", "us-west-2", "eu-west-1", "xx-new-1"}


def test_known_places_pass() -> None:
    check_regions(["us-east-1", "xx-new-1"], KNOWN)
    check_zones(["us-east-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1", "xx-new-1b"], KNOWN)


def test_a_misspelt_region_is_named_with_the_nearest_ones() -> None:
    with pytest.raises(InvalidInput, match=r"'us-est-1' is not known.*Nearest: us-east-1") as error:
        check_regions(["us-east-1", "us-est-1"], KNOWN)
    assert error.value.field == "regions"
    assert "5 regions" in error.value.remedy
    assert "A newer one is known as soon as" in error.value.remedy


@pytest.mark.parametrize("zone", ["us-east-2a", "us-east-1", "us-east-1A", "a", "use1-az1", ""])
def test_a_zone_of_no_allowed_region_is_named(zone: str) -> None:
    with pytest.raises(InvalidInput, match="is in none of the allowed regions") as error:
        check_zones(["us-east-1a", zone], ["us-east-1"])
    assert error.value.field == "zones"
    assert "us-east-1a" in error.value.remedy
