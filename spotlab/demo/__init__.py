"""Emulated AWS and a simulated market on loopback. Runtime floor: imported by bootstrap alone."""
