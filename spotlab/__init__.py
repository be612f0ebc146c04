"""SpotLab: stay on a spot pool, switch to a better one, or fall back to on-demand, and why."""

__version__ = "0.1.0"
