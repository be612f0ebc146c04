"""SpotLab's domain types, and the protocols (`ports`) that adapters implement.

Pure: of SpotLab's rooms it imports only `errors`.
"""
