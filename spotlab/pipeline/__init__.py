"""From a market to a recorded decision, one stage after the other.

Above the adapters (`aws`, `store`, `features`, `inference`), below `runtime`.
"""
