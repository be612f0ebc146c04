"""Before a switch: what it keeps and loses, its calls, and what forbids it. Nothing is changed.

`check` computes a preflight from facts that are passed in; `reader` reads these facts from AWS.
"""
