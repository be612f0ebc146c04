"""Tags in AWS: of what switches create, and of what their owner lets switches change."""

from __future__ import annotations

from typing import Final

SWITCH_TAG: Final = "spotlab:switch"
"""Of everything that a switch creates; its value is the switch's id."""
STEP_TAG: Final = "spotlab:step"
"""The step that created a resource."""
ATTEMPT_TAG: Final = "spotlab:attempt"
"""The number of the attempt that launched an instance."""
PROBE_PREFIX: Final = "probe-"
"""What the value of SWITCH_TAG begins with on what a launch probe creates."""
OWN_TAGS: Final = (SWITCH_TAG, STEP_TAG, ATTEMPT_TAG)
AWS_TAG_PREFIX: Final = "aws:"
"""Of tags that AWS alone can set."""
ALLOW_TAG: Final = "spotlab:allow-switching"
"""With the value "true": the account's owner lets switches change this resource."""
