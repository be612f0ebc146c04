"""The words of SpotLab as types, and the protocols (`ports`) that adapters implement.

Pure: imports `errors` alone.
"""
