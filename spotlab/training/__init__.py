"""Training and evaluating models on recorded data.

Beside `pipeline`, below `runtime`.
"""
