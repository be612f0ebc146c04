"""Simulator that replays policies on recorded availability, and the optimum in hindsight.

Imports `domain` and `errors`; does not depend on stores or screens.
"""
