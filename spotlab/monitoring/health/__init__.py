"""Each component's state: probed, recorded and summed up."""

from spotlab.monitoring.health.prober import Prober, probe_all

__all__ = ["Prober", "probe_all"]
