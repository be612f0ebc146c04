"""Streamlit's AppTest, which looks for components in the installed packages once per process.

By itself, each app reads the metadata of all packages again: a sixth of the time of the page tests.
"""

from __future__ import annotations

from functools import cache

from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)

__all__ = ["AppTest"]
