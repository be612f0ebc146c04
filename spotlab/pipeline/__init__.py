"""The stages from a market to a decision: collect, score, filter, rank, decide.

Above the adapters (`aws`, `store`, `features`, `inference`), below `runtime`.
"""
