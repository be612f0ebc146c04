"""A family runs short for six hours: within two evaluations the decision moves, and back again."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
