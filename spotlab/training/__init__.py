"""Training and evaluating models on recorded data.

On the same floor as `pipeline`, below `runtime`.
"""
