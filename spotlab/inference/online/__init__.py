"""Forecasts that learn online: experts are aggregated by how well they have forecast so far.

Pure functions over arrays, and state that can be saved; used by evaluations and by live forecasts.
"""
